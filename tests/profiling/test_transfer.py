"""Tables transferred for real: this machine with two threads is a new device to itself with one."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from hwnas.devices import load_device
from hwnas.errors import FileFormatError, InputError
from hwnas.imported_table import read_table
from hwnas.latency_table import LatencyTable
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.profiling.transfer import transfer_table
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")
HOST = load_device("host")
QUICK = Discipline(
    Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=0.2, min_sample_us=50.0),
    layer_rounds=2,
    network_rounds=2,
    steadiness=Steadiness(math.inf, math.inf, math.inf, max_unsettled=1.0),
)
DONOR = f"host/{SPACE.name}-onnxruntime-fp32-1t.json"


@pytest.fixture(scope="module")
def donor(tmp_path_factory) -> Path:
    """A folder with a measured table of this machine."""
    folder = tmp_path_factory.mktemp("donor")
    profile(HOST, SPACE, folder=folder, discipline=QUICK)
    return folder


@pytest.fixture(scope="module")
def done(donor, tmp_path_factory) -> tuple[Path, LatencyTable]:
    """The file of a transferred table, and the table."""
    folder = tmp_path_factory.mktemp("done")
    table = transferred(donor, folder)
    (path,) = folder.glob("host/*.json")
    return path, table


def transferred(donor: Path, folder: Path, **changes) -> LatencyTable:
    path = donor / DONOR
    given = {"threads": 2, "measurements": 6, "held_out": 4, "discipline": QUICK} | changes
    return transfer_table(HOST, SPACE, [(path, read_table(path))], folder=folder, **given)


def test_a_new_device_has_a_table_with_deviations_and_its_own_error(done):
    _, table = done
    assert [network.held_out for network in table.networks].count(True) == 4
    assert len({network.layers for network in table.networks}) == 10
    assert table.quality is not None
    assert table.quality.calibrated_on == 6
    (one,) = table.transferred.donors
    assert (one.device, one.threads) == ("host", 1)
    genes = SPACE.sample(12, np.random.default_rng(0))
    bound = table.bind(SPACE)
    measured = [network.measured_ms for network in table.networks]
    assert bound.latency_ms(genes).min() > 0.2 * min(measured)
    assert bound.latency_ms(genes).max() < 5 * max(measured)
    assert (bound.latency_std_ms(genes) > 0).all()


def test_a_table_is_read_back_as_it_was_written(done):
    path, table = done
    again = read_table(path)
    assert again == table
    genes = SPACE.sample(5, np.random.default_rng(0))
    assert again.bind(SPACE).latency_ms(genes) == pytest.approx(
        table.bind(SPACE).latency_ms(genes), rel=1e-9
    )


def test_an_interrupted_transfer_keeps_the_batches_that_it_measured(donor, tmp_path):
    ends = []

    def stop(task, done, total, note=""):
        if ends and done == 1 and task == "measuring networks":
            raise KeyboardInterrupt
        if done == total and task == "measuring networks":
            ends.append(total)

    with pytest.raises(KeyboardInterrupt):
        transferred(donor, tmp_path, on_progress=stop)
    (kept,) = tmp_path.glob("host/*.transfer/batch0.json")
    before = kept.read_bytes()
    seen = []
    table = transferred(donor, tmp_path, on_progress=lambda *told: seen.append(told))
    assert len(table.networks) == 10
    assert max(told[2] for told in seen) < ends[0]
    assert all(str(sample) in before.decode() for sample in table.networks[0].samples[0].ns)
    assert not list(tmp_path.glob("host/*.transfer"))


def test_a_measured_table_is_not_overwritten_and_a_transferred_one_is_by_a_profile(
    donor, done, tmp_path
):
    with pytest.raises(InputError, match="measured on this device"):
        transferred(donor, donor, threads=1)
    path = tmp_path / "host" / done[0].name
    path.parent.mkdir()
    path.write_bytes(done[0].read_bytes())
    profile(HOST, SPACE, folder=tmp_path, threads=2, networks=0, held_out=0, discipline=QUICK)
    table = LatencyTable.read(path)
    assert table.transferred is None
    assert all(timing.samples for timing in table.layers)


def test_too_few_networks_and_missing_donors_are_refused(donor, tmp_path):
    with pytest.raises(InputError, match="measure 5 or more"):
        transferred(donor, tmp_path, measurements=4)
    with pytest.raises(InputError, match="held-out networks cannot tell"):
        transferred(donor, tmp_path, held_out=1)
    with pytest.raises(InputError, match="fewer than 30 measurements"):
        transferred(donor, tmp_path, measurements=30)
    with pytest.raises(InputError, match="table of another device"):
        transfer_table(HOST, SPACE, [], folder=tmp_path)


def test_what_no_transfer_writes_is_refused(done, tmp_path):
    _, table = done
    path = tmp_path / "wrong.json"
    for changes, fault in (
        ({"costs_ms": table.transferred.costs_ms[1:]}, "costs of"),
        ({"costs_ms": ((0.5, 0.5),) * len(table.layers)}, "not of every donor"),
        ({"donors": ()}, "0 donors"),
        ({"typical": ((99,),)}, "typical names a layer"),
    ):
        wrong = dataclasses.replace(table.transferred, **changes)
        dataclasses.replace(table, transferred=wrong).write(path)
        with pytest.raises(FileFormatError, match=fault):
            LatencyTable.read(path)
