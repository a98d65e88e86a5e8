import dataclasses
import json
import math
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwnas.devices import Device, load_device
from hwnas.errors import (
    DeviceError,
    InputError,
    RunInUseError,
    RuntimeMissingError,
    StorageError,
    TransportError,
    UnknownNameError,
    UnstableError,
)
from hwnas.latency_table import LatencyTable
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.profiling.sample_log import exclusive
from hwnas.protocols import SearchSpace
from hwnas.spaces import load_space

SOURCE = Path(__file__).parents[1] / "data" / "profile_space.toml"
SPACE = load_space(SOURCE)
HOST = load_device("host")
QUICK = Discipline(
    Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=0.2, min_sample_us=50.0),
    layer_rounds=2,
    network_rounds=2,
    steadiness=Steadiness(math.inf, math.inf, math.inf),
)
NEVER_STEADY = dataclasses.replace(QUICK, steadiness=Steadiness(max_step=0.0))


def quick(
    folder: Path, space: SearchSpace = SPACE, device: Device = HOST, **changes: Any
) -> LatencyTable:
    options: dict[str, Any] = {"networks": 3, "held_out": 2, "discipline": QUICK, **changes}
    return profile(device, space, folder=folder, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the finished table of the space."""
    folder = tmp_path_factory.mktemp("tables")
    quick(folder)
    return folder


class Told:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.done: list[float] = []
        self.total = 0.0
        self.tasks: dict[str, tuple[float, float]] = {}

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        del note
        self.tasks[task] = done, total
        self.done.append(done)
        self.total = total


def path_of(folder: Path) -> Path:
    return folder / "host" / "profile_space-onnxruntime-fp32-1t.json"


def copied(finished: Path, folder: Path) -> Path:
    path_of(folder).parent.mkdir(parents=True)
    path_of(folder).write_bytes(path_of(finished).read_bytes())
    return folder


def test_a_profile_measures_every_layer_and_states_its_quality(finished: Path) -> None:
    table = LatencyTable.read(path_of(finished))
    assert {timing.layer for timing in table.layers} == set(SPACE.catalog.layers[1:])
    assert all(len(timing.samples) == 2 for timing in table.layers)
    assert [network.held_out for network in table.networks] == [False] * 3 + [True] * 2
    assert table.quality is not None
    assert (table.quality.networks, table.quality.calibrated_on) == (2, 3)
    assert table.calibration is not None


def test_a_profile_states_where_its_numbers_come_from(finished: Path) -> None:
    (origin,) = LatencyTable.read(path_of(finished)).sessions
    assert origin.command == "hwnas profile host --space profile_space"
    assert origin.python == ".".join(str(part) for part in sys.version_info[:3])
    assert (origin.rounds, origin.warm_up_runs, origin.min_samples) == (2, 1, 2)
    assert origin.cpu
    assert origin.runtime_version


def test_a_finished_profile_leaves_the_table_alone(finished: Path) -> None:
    assert [path.name for path in path_of(finished).parent.iterdir()] == [path_of(finished).name]


def test_latencies_of_a_bound_table_are_finite_and_positive(finished: Path) -> None:
    table = LatencyTable.read(path_of(finished)).bind(SPACE)
    latencies = table.latency_ms(SPACE.sample(50, np.random.default_rng(0)))
    assert np.all(latencies > 0)
    assert np.all(np.isfinite(latencies))


def test_a_finished_table_is_not_measured_again(finished: Path, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    before = path_of(folder).read_bytes()
    told = Told()
    quick(folder, on_progress=told)
    assert path_of(folder).read_bytes() == before
    assert told.done == []


def test_a_table_is_extended_by_what_it_lacks_and_no_more(finished: Path, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    before = LatencyTable.read(path_of(folder))
    wider = load_space(SOURCE, classes=7, in_channels=1, resolutions=[16, 20])
    table = quick(folder, wider)
    assert table.layers[: len(before.layers)] == before.layers
    assert not table.lacking(wider.catalog)
    assert not table.lacking(SPACE.catalog)
    assert len(set(table.layers)) == len(table.layers)
    assert (table.canary, table.canary_ms) == (before.canary, before.canary_ms)
    assert [n.held_out for n in table.networks].count(True) == 4
    assert len(table.networks) == 10
    assert table.networks[:5] != before.networks  # predicted anew
    assert [n.samples for n in table.networks[:5]] == [n.samples for n in before.networks]
    assert len(table.sessions) == 2
    assert table == LatencyTable.read(path_of(folder))


def test_progress_counts_every_visit_up_to_the_total(tmp_path: Path) -> None:
    told = Told()
    quick(tmp_path, on_progress=told)
    assert told.done[-1] == told.total
    assert told.done == sorted(told.done)


def test_a_table_of_another_machine_is_not_extended(finished: Path, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    table = LatencyTable.read(path_of(folder))
    other = dataclasses.replace(table.sessions[0], cpu="Another CPU")
    dataclasses.replace(table, sessions=(other,)).write(path_of(folder))
    with pytest.raises(InputError, match=r"measured on Another CPU.*do not mix"):
        quick(folder, load_space(SOURCE, classes=9))
    assert len(LatencyTable.read(path_of(folder)).layers) == len(table.layers)


def test_a_profile_that_another_process_makes_is_refused(tmp_path: Path) -> None:
    with exclusive(path_of(tmp_path).with_suffix(".work")), pytest.raises(RunInUseError):
        quick(tmp_path)


def test_a_steady_profile_says_so(finished: Path) -> None:
    (origin,) = LatencyTable.read(path_of(finished)).sessions
    assert origin.stability is not None
    assert origin.stability.stretches > 4
    assert (origin.stability.drifted, origin.stability.unsettled) == (0, 0)
    assert origin.stability.canary_low <= 1.0 <= origin.stability.canary_high


def test_drifted_stretches_are_measured_again_and_the_table_says_so(tmp_path: Path) -> None:
    lenient = dataclasses.replace(NEVER_STEADY.steadiness, max_unsettled=1.0)
    told = Told()
    table = quick(
        tmp_path, on_progress=told, discipline=dataclasses.replace(QUICK, steadiness=lenient)
    )
    assert table == LatencyTable.read(path_of(tmp_path))
    assert {len(timing.samples) for timing in (*table.layers, *table.networks)} == {4}
    assert list(told.tasks) == ["profiling", "measuring again"]
    assert all(done == total for done, total in told.tasks.values())
    stability = table.sessions[0].stability
    assert stability is not None
    assert stability.drifted == stability.stretches
    assert stability.unsettled == len(table.layers) + len(table.networks)


def test_a_profile_interrupted_while_it_measures_again_goes_on_there(tmp_path: Path) -> None:
    steadiness = dataclasses.replace(NEVER_STEADY.steadiness, max_unsettled=1.0)
    again = dataclasses.replace(QUICK, steadiness=steadiness)

    def interrupt(task: str, done: float, total: float, note: str = "") -> None:
        if task == "measuring again" and done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path, discipline=again, on_progress=interrupt)
    log = path_of(tmp_path).with_suffix(".work") / "samples.jsonl"
    kept = [json.loads(line) for line in log.read_text().splitlines()]
    table = quick(tmp_path, discipline=again)
    timings = (*table.layers, *table.networks)
    assert {len(timing.samples) for timing in timings} == {4}
    found = [visit.ns for timing in timings for visit in timing.samples]
    found += [visit.ns for visit in table.overhead]
    models = [one for one in kept if "visit" in one and "canary" not in one["model"]]
    assert {tuple(one["ns"]) for one in models} <= {*found}


def test_a_device_that_stays_unsteady_gives_no_table_and_keeps_what_it_gave(tmp_path: Path) -> None:
    log = path_of(tmp_path).with_suffix(".work") / "samples.jsonl"
    with pytest.raises(UnstableError, match=r"host was too unsteady.*run the same command again"):
        quick(tmp_path, discipline=NEVER_STEADY)
    assert not path_of(tmp_path).exists()
    assert not (log.parent / "device").exists()
    kept = log.read_bytes()
    with pytest.raises(UnstableError):
        quick(tmp_path, discipline=NEVER_STEADY)
    assert log.read_bytes().startswith(kept)
    assert len(log.read_bytes()) > len(kept)
    lenient = dataclasses.replace(NEVER_STEADY.steadiness, max_unsettled=1.0)
    table = quick(tmp_path, discipline=dataclasses.replace(QUICK, steadiness=lenient))
    found = {visit.ns for timing in table.layers for visit in timing.samples}
    lines = [json.loads(line) for line in kept.decode().splitlines()]
    assert {tuple(one["ns"]) for one in lines if one.get("model", "").startswith("layer")} <= found


def test_an_unfinished_profile_of_another_discipline_is_not_mixed_in(tmp_path: Path) -> None:
    interrupted(tmp_path, 3)
    with pytest.raises(InputError, match="unfinished profile of another request"):
        quick(tmp_path, discipline=NEVER_STEADY)


def test_visits_to_other_models_than_planned_are_not_taken(tmp_path: Path) -> None:
    interrupted(tmp_path, 10)
    log = path_of(tmp_path).with_suffix(".work") / "samples.jsonl"
    log.write_text(log.read_text().replace('"canary.onnx"', '"other.onnx"', 1))
    with pytest.raises(InputError, match=r"to other\.onnx where canary\.onnx is expected"):
        quick(tmp_path)


def interrupted(folder: Path, after: int) -> None:
    """Begin a profile and be interrupted, as by the keyboard, after some visits."""

    def interrupt(task: str, done: float, total: float, note: str = "") -> None:
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(folder, on_progress=interrupt)


def test_an_unfinished_profile_of_another_request_is_not_mixed_in(tmp_path: Path) -> None:
    interrupted(tmp_path, 3)
    with pytest.raises(InputError, match="unfinished profile of another request"):
        quick(tmp_path, seed=1)


def test_a_request_of_which_nothing_was_measured_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(TransportError):
        quick(tmp_path, device=Device("host", "Broken", python=("no-such-python",)))
    assert not quick(tmp_path, seed=1).lacking(SPACE.catalog)


def test_an_interrupted_profile_keeps_what_was_measured(tmp_path: Path) -> None:
    interrupted(tmp_path, 20)
    log = path_of(tmp_path).with_suffix(".work") / "samples.jsonl"
    kept = log.read_text().splitlines()
    assert len(kept) >= 20
    told = Told()
    quick(tmp_path, on_progress=told)
    assert told.done[0] > 20


def test_a_missing_runtime_names_what_to_install(tmp_path: Path) -> None:
    bare = Device("host", "Without packages", python=(sys.executable, "-S"))
    with pytest.raises(RuntimeMissingError, match=r"host.*pip install onnxruntime"):
        quick(tmp_path, device=bare)


def test_a_python_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="no-such-python"):
        quick(tmp_path, device=Device("host", "Broken", python=("no-such-python",)))


@pytest.mark.parametrize(("changes", "kind", "message"), [
    ({"runtime": "onnxrutime"}, UnknownNameError, "Did you mean 'onnxruntime'"),
    ({"precision": "int3"}, RuntimeMissingError, "no precision 'int3'"),
    ({"networks": 1}, InputError, "1 whole networks cannot correct"),
    ({"networks": 2}, InputError, "3 and more"),
    ({"held_out": 1}, InputError, "cannot tell an error"),
    ({"threads": 0}, InputError, "0 threads"),
    ({"networks": -2}, InputError, "cannot correct"),
    ({"held_out": -2}, InputError, "cannot tell an error"),
])  # fmt: skip
def test_a_request_that_cannot_be_met_is_refused(
    changes: dict[str, Any], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        quick(tmp_path, **changes)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    interrupted(tmp_path, 5)
    log = path_of(tmp_path).with_suffix(".work") / "samples.jsonl"
    kept = log.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        with pytest.raises(StorageError, match="free space"):
            quick(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert log.read_bytes().startswith(kept)
    assert not quick(tmp_path).lacking(SPACE.catalog)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "host").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="could not be written"):
        quick(tmp_path)


@pytest.mark.parametrize("program", [
    "print('{}')",
    "print('{\"visit\":0,\"model\":\"m\",\"runs\":1,\"ns\":[-1]}')",
    "print('hello')",
    "import sys; sys.stdout.buffer.write(b'{\\xff\\n')",
])  # fmt: skip
def test_an_agent_that_talks_nonsense_is_an_error_of_the_device(
    program: str, tmp_path: Path
) -> None:
    device = Device("host", "Nonsense", python=(sys.executable, "-c", program))
    with pytest.raises(DeviceError):
        quick(tmp_path, device=device)


def test_a_table_of_version_1_is_fitted_without_being_measured_again(
    finished: Path, tmp_path: Path
) -> None:
    folder = copied(finished, tmp_path)
    path = path_of(folder)
    table = LatencyTable.read(path)
    content = json.loads(path.read_text())
    old = [{k: one[k] for k in ("layers", "measured_ms", "predicted_ms", "samples")}
           for one in content["networks"]]  # fmt: skip
    content |= {"version": 1, "networks": old, "energy": None}
    del content["calibration"], content["residual"]
    path.write_text(json.dumps(content))
    told = Told()
    renewed = quick(folder, on_progress=told)
    assert told.done == []
    assert renewed == LatencyTable.read(path)
    assert renewed.calibration is not None
    assert renewed.layers == table.layers
    assert [one.samples for one in renewed.networks] == [one.samples for one in table.networks]


def test_held_out_networks_are_added_to_a_table_without_any(tmp_path: Path) -> None:
    first = quick(tmp_path, held_out=0)
    assert first.quality is None
    second = quick(tmp_path)
    assert second.quality is not None
    assert second.layers == first.layers
    assert first.calibration is not None
