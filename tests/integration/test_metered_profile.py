"""Energy from the meter to a search's objective, on planted files: no real meter was at hand.

The device's Python is a script that plants a root into the job and starts the real agent there.
RAPL's counter below this root advances at 2 W, and by 10 W more while the agent's main thread,
which runs the models, is on a CPU.
"""

import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwnas
from hwnas import estimators
from hwnas.devices import Device, load_device
from hwnas.errors import ConditionsError
from hwnas.estimators import EstimatorContext
from hwnas.graphs import onnx
from hwnas.latency_table import LatencyTable
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.profiling import measure_model, profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.spaces import load_space
from hwnas.workflows import Experiment, energy_sentence, search
from hwnas.workflows.experiment import DeviceSection, SearchSection, SpaceSection

Invoke = Callable[..., Any]

SPACE = Path(__file__).parents[1] / "data" / "profile_space.toml"
IDLE_W, ACTIVE_W = 2.0, 10.0
RANGE_UJ = 10_000_000  # so small that it starts again every second
QUICK = Discipline(
    Timing(1, 2, 3, 0.2, 50.0), layer_rounds=2, network_rounds=2,
    steadiness=Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, max_unsettled=1.0),
)  # fmt: skip

PYTHON = """#!{python}
import json, os, sys
with open("job.json") as file:
    job = json.load(file)
with open("job.json", "w") as file:
    json.dump(dict(job, root={root!r}), file)
with open({pid!r}, "w") as file:
    file.write(str(os.getpid()))
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""

BOARD = """
title = "A board with a meter"
python = ["{script}"]
[energy]
meter = "{meter}"
block_s = 0.3
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The device file of a board whose meter counts, in a user's folder."""
    folder = tmp_path_factory.mktemp("board")
    zone = folder / "root/sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (zone / "energy_uj").write_text("0\n")
    (folder / "root/proc").mkdir()
    (folder / "root/proc/cpuinfo").write_text(Path("/proc/cpuinfo").read_text())
    script = folder / "python"
    script.write_text(
        PYTHON.format(
            python=sys.executable, root=str(folder / "root"), pid=str(folder / "agent.pid")
        )
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (folder / "devices").mkdir()
    described = folder / "devices/board.toml"
    described.write_text(BOARD.format(script=script, meter=""))
    stop = threading.Event()
    thread = threading.Thread(target=count, args=[zone / "energy_uj", folder / "agent.pid", stop])
    thread.start()
    yield described
    stop.set()
    thread.join()


def count(counter: Path, pid: Path, stop: threading.Event) -> None:
    start, active_s, last = time.monotonic(), 0.0, ("", 0.0)
    while not stop.wait(0.002):
        with suppress(OSError, ValueError, IndexError):
            agent = pid.read_text()
            on_cpu_s = int(Path(f"/proc/{agent}/schedstat").read_text().split()[0]) / 1e9
            active_s += on_cpu_s - last[1] if agent == last[0] else 0.0
            last = (agent, on_cpu_s)
        used = 1e6 * (IDLE_W * (time.monotonic() - start) + ACTIVE_W * active_s)
        temporary = counter.with_name("new")
        temporary.write_text(str(int(used) % RANGE_UJ))
        os.replace(temporary, counter)


@pytest.fixture(scope="module")
def table(board: Path) -> LatencyTable:
    return profile(
        load_device(board), load_space(SPACE), folder=board.parents[1] / "latency_tables",
        networks=4, held_out=2, discipline=QUICK,
    )  # fmt: skip


def test_a_profile_states_the_power_of_networks_and_its_error(table: LatencyTable) -> None:
    assert table.energy is not None
    assert table.energy.meter == table.sessions[0].meter == "rapl"
    assert table.energy.networks == 6
    assert plausible(table.energy.active_mw)
    assert np.isfinite([table.energy.mape, table.energy.bias, table.energy.spearman]).all()
    blocks = [visit.energy for one in table.networks for visit in one.samples if visit.energy]
    assert len(blocks) >= 6
    assert min(one.idle_mw for one in blocks) > 0
    assert "Energy by meter rapl: " in energy_sentence(table.energy)


def test_only_whole_networks_are_metered(table: LatencyTable) -> None:
    alone = [visit for layer in table.layers for visit in layer.samples]
    assert all(visit.energy is None for visit in (*alone, *table.overhead))


def test_a_table_with_energies_is_read_back_as_it_was_written(
    table: LatencyTable, board: Path
) -> None:
    (path,) = (board.parents[1] / "latency_tables/board").glob("*.json")
    assert LatencyTable.read(path) == table
    assert table.sessions[0].after is not None


def test_energy_is_the_meters_where_the_table_has_it_and_else_a_model(
    table: LatencyTable, board: Path
) -> None:
    space, device = load_space(SPACE), load_device(board)
    genes = space.sample(20, np.random.default_rng(0))
    context = EstimatorContext(space, device, {"fp32": table})
    metered = estimators.create("energy", context)
    latency = estimators.create("latency", context).estimate(genes).mean
    assert table.energy is not None
    np.testing.assert_allclose(
        metered.estimate(genes).mean, latency * table.energy.active_mw / 1000
    )
    modelled = estimators.create("energy", EstimatorContext(space, device))
    assert (metered.objective.title, modelled.objective.title) == ("energy", "energy (model)")
    known = hwnas.costs(space, genes, table=table, device=device)
    np.testing.assert_allclose(known["energy_mj"], metered.estimate(genes).mean)


@pytest.mark.parametrize("second", ["latency_ms", "params"])
def test_a_search_uses_the_measured_energy(
    table: LatencyTable, board: Path, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert table.energy is not None
    monkeypatch.chdir(board.parents[1])
    experiment = Experiment(
        name="metered",
        space=SpaceSection(str(SPACE)),
        device=DeviceSection("board"),
        search=SearchSection(objectives=("energy_mj", second), evaluations=12, batch=4),
    )
    run = search(experiment, Path(f"run-{second}"))
    assert run.config.objectives[0].title == "energy"
    for member in run.front:
        row = np.array([member.row])
        expected = table.energy.active_mw / 1000 * table.bind(run.space).latency_ms(row)[0]
        assert member.values["energy_mj"] == pytest.approx(expected)


def test_a_file_is_measured_with_its_energy(board: Path, tmp_path: Path) -> None:
    path = written_model(tmp_path)
    powers = []
    for _ in range(3):  # where others keep both cores busy, what plants the meter stands still
        measured = measure_model(load_device(board), path)
        assert measured.energy_mj is not None
        assert measured.provenance is not None
        assert measured.provenance.meter == "rapl"
        powers.append(1000 * measured.energy_mj / measured.median_ms)
        if plausible(powers[-1]):
            break
    assert plausible(powers[-1]), powers


def test_the_command_says_the_energy_and_the_meter(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    monkeypatch.chdir(board.parents[1])
    result = invoke("measure", written_model(tmp_path), "--device", "board")
    assert result.status == 0, result.err
    assert "mJ an inference beyond the idle device, by its meter rapl." in result.out


def test_a_meter_that_is_named_and_not_there_stops_the_profile(board: Path, tmp_path: Path) -> None:
    with pytest.raises(ConditionsError, match="energy meter that cannot be read"):
        measure_model(board_with(board, tmp_path, meter="ina3221"), written_model(tmp_path))


def test_without_a_meter_there_is_no_energy(board: Path, tmp_path: Path) -> None:
    measured = measure_model(board_with(board, tmp_path, meter="none"), written_model(tmp_path))
    assert measured.energy_mj is None
    assert measured.provenance is not None
    assert measured.provenance.meter is None


def plausible(milliwatts: float) -> bool:
    """Whether a power is the planted one, on a machine whose cores others use as well.

    Latencies and the time on a CPU are then up to some factor apart; what an inference costs is
    compared with what was planted in the tests of the meters.
    """
    return 0.1 < milliwatts / (1000 * ACTIVE_W) < 3


def board_with(board: Path, folder: Path, *, meter: str) -> Device:
    text = board.read_text().replace('meter = ""', f"meter = {json.dumps(meter)}")
    (folder / "other.toml").write_text(text)
    return load_device(folder / "other.toml")


def written_model(folder: Path) -> Path:
    layers = (LayerSpec("conv", 64, 16, 64, kernel_size=5),)
    path = folder / "model.onnx"
    path.write_bytes(onnx.lower(layers, random_weights(layers, np.random.default_rng(0))))
    return path
