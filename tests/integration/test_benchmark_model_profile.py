"""A whole profile through benchmark_model's harness, with a stand-in for the binary.

``benchmark_model_stand_in.py`` says what it does and does not stand for: models are really run
and timed, by LiteRT; the tool itself is not.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from adbd import bench

from hwnas.devices import load_device
from hwnas.errors import ConditionsError, DeviceError, RuntimeMissingError
from hwnas.graphs import tflite
from hwnas.latency_table import LatencyTable
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.profiling import measure_models
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.harnesses._benchmark_output import Reader
from hwnas.profiling.records import Visit, parse_line
from hwnas.spaces import load_space

SPACE = Path(__file__).parents[1] / "data" / "profile_space.toml"
STAND_IN = Path(__file__).with_name("benchmark_model_stand_in.py")
NETWORKS = 3
CLIENT = f"""
import sys
from pathlib import Path
from hwnas.devices import load_device
from hwnas.errors import TransportError
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.spaces import load_space

# a busy machine's times are not to be believed, and are not what is tested
anyhow = Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, tries=0)
try:
    profile(
        load_device(sys.argv[1]), load_space({str(SPACE)!r}), folder=Path(sys.argv[2]),
        runtime="litert", networks={NETWORKS}, held_out=0,
        discipline=Discipline(layer_rounds=1, network_rounds=2, steadiness=anyhow),
        on_progress=lambda task, done, total, note="": print(done, flush=True),
    )
except TransportError as error:
    sys.exit(f"TransportError {{error}}")
"""
TABLE = Path("phone") / "profile_space-litert-fp32-1t.json"


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "benchmark_model"
    path.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
    return path


@pytest.fixture
def phone(binary: Path, tmp_path: Path) -> Path:
    return write_device(tmp_path, binary=binary)


def write_device(folder: Path, *, binary: Path, more: str = "", delegate: str = "xnnpack") -> Path:
    path = folder / "phone.toml"
    path.write_text(
        f"""title = "This machine as a phone"
harness = "benchmark_model"
{more}
[harness_options]
binary = "{binary}"
delegate = "{delegate}"
warmup_min_secs = 0.0
num_runs = 5
min_secs = 0.01
"""
    )
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    layers = (LayerSpec("conv", 8, 3, 4, kernel_size=3, activation="relu"),)
    path = tmp_path / "mine.tflite"
    path.write_bytes(tflite.lower(layers, random_weights(layers, np.random.default_rng(0))))
    return path


def client(device: Path, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(device), str(folder)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def children(pid: int) -> list[int]:
    """A process's descendants."""
    try:
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [each for child in own for each in (int(child), *children(int(child)))]


def wait_until_gone(pid: int) -> None:
    for _ in range(1000):
        try:
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} lives on")


class Witness:
    """Remembers all it ever saw of a visit, to see whether one is made twice or lost."""

    def __init__(self, folder: Path) -> None:
        self._work = (folder / TABLE).with_suffix(".work")
        self._seen: dict[int, Visit] = {}

    def look(self) -> None:
        for visits in (self._logged(), *self._on_device()):
            numbers = [visit.visit for visit in visits]
            assert len(set(numbers)) == len(numbers), "a visit was recorded twice"
            for visit in visits:
                assert self._seen.setdefault(visit.visit, visit) == visit

    def samples(self) -> set[tuple[int, ...]]:
        """Samples of each visit; without the canary's, which a table does not keep."""
        return {v.samples.ns for v in self._seen.values() if "canary" not in v.model}

    def _logged(self) -> list[Visit]:
        path = self._work / "samples.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        records = map(parse_line, whole.splitlines())
        return [record for record in records if isinstance(record, Visit)]

    def _on_device(self) -> Iterator[list[Visit]]:
        for path in (self._work / "device").glob("*.results.txt"):
            read = Reader(delegate="xnnpack", flags="", cores=())
            whole = path.read_text().rpartition("\n")[0]
            records = map(read, whole.splitlines())
            yield [record for record in records if isinstance(record, Visit)]


def test_a_profile_survives_kills_of_client_script_and_binary(phone: Path, tmp_path: Path) -> None:
    rng, witness, folder = random.Random(0), Witness(tmp_path), tmp_path
    for victim in ("client", "script", "client", "binary"):
        with client(phone, folder) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(1, 5)):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.3))
            script, *others = running = children(process.pid)
            target = {"client": process.pid, "script": script, "binary": ([*others, script])[-1]}
            os.kill(target[victim], signal.SIGKILL)
            process.communicate(timeout=60)
        assert process.returncode != 0
        for pid in running:
            wait_until_gone(pid)
        witness.look()
    with client(phone, folder) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    table = LatencyTable.read(folder / TABLE)
    assert {timing.layer for timing in table.layers} == set(load_space(SPACE).catalog.layers[1:])
    assert [len(network.samples) for network in table.networks] == [2] * NETWORKS
    visits = [*table.overhead]
    visits += [visit for layer in table.layers for visit in layer.samples]
    visits += [visit for network in table.networks for visit in network.samples]
    assert witness.samples() <= {visit.ns for visit in visits}
    assert all(visit.runs >= 5 and len(visit.ns) == 1 for visit in visits)
    assert [path.suffix for path in (folder / "phone").iterdir()] == [".json"]
    (origin,) = table.sessions
    assert origin.runtime_version.startswith("benchmark_model ")
    assert " --use_xnnpack=true" in origin.runtime_version
    assert origin.python == "none"


def measure(device: Path, model: Path) -> float:
    """Milliseconds of a model on a device."""
    quick = Discipline(network_rounds=2)
    known = load_device(device)
    return measure_models(known, [model], runtime="litert", discipline=quick)[0].median_ms


def test_a_model_file_is_measured(phone: Path, model: Path) -> None:
    assert measure(phone, model) > 0


def test_a_delegate_that_the_binary_has_not_is_refused(
    binary: Path, model: Path, tmp_path: Path
) -> None:
    device = write_device(tmp_path, binary=binary, delegate="gpu")
    with pytest.raises(ConditionsError, match=r"mine\.tflite ran without GPU; change harness_opt"):
        measure(device, model)


def test_flags_that_the_binary_does_not_know_are_refused(
    binary: Path, model: Path, tmp_path: Path
) -> None:
    device = write_device(tmp_path, binary=binary)
    device.write_text(f"{device.read_text()}use_caching = true\n")
    with pytest.raises(ConditionsError, match="does not know --use_caching=true"):
        measure(device, model)


def test_a_file_that_is_no_model_is_refused_with_what_the_tool_said(
    phone: Path, model: Path
) -> None:
    model.write_bytes(b"nothing")
    with pytest.raises(DeviceError, match=r"mine\.tflite: .*Benchmarking failed"):
        measure(phone, model)


def test_a_binary_of_another_processor_is_refused(binary: Path, model: Path, phone: Path) -> None:
    binary.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    with pytest.raises(RuntimeMissingError, match="benchmark_model cannot be started"):
        measure(phone, model)


def test_a_phone_is_measured_through_adb(
    binary: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path / "bench") as made:
        monkeypatch.setenv("PATH", f"{made.path}:{os.environ['PATH']}")
        plugged = made.plug(properties={"ro.soc.model": "Acme X1"})
        workdir = plugged.folder / "data"
        options = f'[options]\nserial = "{plugged.serial}"\nworkdir = "{workdir}"\n'
        device = write_device(tmp_path, binary=binary, more=f'transport = "adb"\n{options}')
        assert measure(device, model) > 0
        assert list(workdir.iterdir()) == []
