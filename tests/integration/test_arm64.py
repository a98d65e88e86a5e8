"""An arm64 system under qemu, as a board with its own sshd and as a phone with its own adbd."""

import contextlib
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from adbd import bench
from numpy.typing import NDArray
from sshd import HOST, sshd

from hwnas import plugins
from hwnas.devices import Device, load_device, transports
from hwnas.latency_table import LatencyTable
from hwnas.layer_weights import random_weights
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.spaces import load_space

PROJECT = Path(__file__).parents[2]
ROOT = Path(os.environ.get("HWNAS_ARM64", PROJECT / ".arm64"))
SPACE = PROJECT / "tests" / "data" / "profile_space.toml"
TIMING = Timing(1, 1, 2, visit_ms=1.0, min_sample_us=1.0, warm_up_ms=0.0)
ANYHOW = Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, tries=0)
CPU = "cortex-a72"  # what qemu 7.2 takes by itself has SME, which it computes wrongly: int8 is off
VERSIONS = {"litert": "ai_edge_litert 2.", "onnxruntime": "1."}
OUTPUTS = """
import runpy, sys
import numpy as np

runtime = runpy.run_path(sys.argv[1])
print(runtime["version"]())
for model in sys.argv[2:]:
    np.save(model + ".npy", runtime["outputs"](model, np.load("images.npy")))
"""


@pytest.fixture(scope="module", autouse=True)
def _emulated() -> None:
    """Skips where the system is missing, or cannot be run."""
    if not (ROOT / "complete").exists():
        pytest.skip(f"there is no {ROOT}: make it with tools/arm64_userland")
    ran = subprocess.run(["chroot", ROOT, "/bin/true"], capture_output=True, text=True)
    if ran.returncode != 0:
        pytest.skip(f"{ROOT} runs only as root, once tools/arm64_userland was called: {ran.stderr}")


@contextlib.contextmanager
def board(folder: Path) -> Iterator[Device]:
    """The system as a board; its device file says no more than it must."""
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "tmp") as inside,
        sshd(Path(inside, "ssh"), root=ROOT, settings=f"SetEnv QEMU_CPU={CPU}\n") as server,
    ):
        file = folder / "board.toml"
        file.write_text(
            'title = "An arm64 board"\ntransport = "ssh"\n'
            f'[options]\nhost = "{HOST}"\nconfig_file = "{server.config}"\n'
        )
        yield load_device(file)


@contextlib.contextmanager
def phone(folder: Path) -> Iterator[Device]:
    """The system as a phone that has Python."""
    daemon = ["env", f"QEMU_CPU={CPU}", "chroot", str(ROOT), "/opt/adbd/adbd"]
    with bench(folder / "bench") as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{made.path}:{os.environ['PATH']}")
        serial = made.plug(command=daemon).serial
        file = folder / "phone.toml"
        file.write_text(
            f'title = "An arm64 phone"\ntransport = "adb"\n[options]\nserial = "{serial}"\n'
        )
        yield load_device(file)


WAYS = {"ssh": (board, "root/.cache"), "adb": (phone, "data/local/tmp")}


@pytest.fixture(scope="module", params=WAYS)
def device(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    way, workdir = WAYS[request.param]
    before = set((ROOT / workdir).glob("*"))
    with way(tmp_path_factory.mktemp(request.param)) as made:
        yield made
    assert set((ROOT / workdir).glob("*")) <= before, "neither hwnas nor a runtime leaves a file"


@dataclass(frozen=True)
class Said:
    """What a network says of images here and there, by the same file.

    Attributes:
        version: Of the runtime there.
        here: By precision.
        there: By precision.
    """

    version: str
    here: dict[str, NDArray[np.float32]]
    there: dict[str, NDArray[np.float32]]


def outputs(device: Device, runtime: str, folder: Path, *, python: str = "python3") -> Said:
    module = plugins.load("hwnas.runtimes", runtime, what="runtime")
    ending = module.MODEL_FORMAT
    graphs = plugins.load("hwnas.graphs", ending, what="model format")
    layers = load_space(SPACE).slot_layers
    weights = random_weights(layers, np.random.default_rng(0))
    images = np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype(np.float32)
    np.save(folder / "images.npy", images)
    models = {precision: folder / f"{precision}.{ending}" for precision in ("fp32", "int8")}
    for precision, model in models.items():
        content = graphs.lower(layers, weights, precision=precision, calibration=images)
        model.write_bytes(content)
    arguments = [f"{runtime}.py", *(model.name for model in models.values())]
    versions: list[str] = []
    with contextlib.closing(transports.create(device, folder)) as transport:
        transport.push([folder / "images.npy", Path(str(module.__file__)), *models.values()])
        command = [python, "-I", "-c", OUTPUTS, *arguments]
        transport.run(command, timeout_s=300, on_line=versions.append)
        there = {
            precision: np.load(io.BytesIO(transport.pull(f"{model.name}.npy") or b""))
            for precision, model in models.items()
        }
    here = {precision: module.outputs(str(model), images) for precision, model in models.items()}
    return Said(versions[0], here, there)


@pytest.mark.parametrize("runtime", VERSIONS)
def test_a_network_says_the_same_there_as_here(
    device: Device, runtime: str, tmp_path: Path
) -> None:
    said = outputs(device, runtime, tmp_path)
    assert said.version.startswith(VERSIONS[runtime])
    for precision, there in said.there.items():
        np.testing.assert_allclose(
            there, said.here[precision], rtol=0, atol=1e-4, err_msg=precision
        )


def test_an_fp32_network_says_the_same_on_tflite_runtime(tmp_path: Path) -> None:
    with board(tmp_path) as device:
        said = outputs(device, "litert", tmp_path, python="/opt/tflite-runtime/bin/python3")
    assert said.version == "tflite_runtime 2.14.0"
    np.testing.assert_allclose(said.there["fp32"], said.here["fp32"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("runtime", VERSIONS)
def test_a_profile_yields_a_complete_table(device: Device, runtime: str, tmp_path: Path) -> None:
    space = load_space(SPACE)
    profile(
        device, space, folder=tmp_path, runtime=runtime, networks=4, held_out=2,
        discipline=Discipline(TIMING, 1, 2, steadiness=ANYHOW),
    )  # fmt: skip
    table = LatencyTable.read(tmp_path / device.name / f"profile_space-{runtime}-fp32-1t.json")
    assert {timing.layer for timing in table.layers} == set(space.catalog.layers[1:])
    assert len(table.networks) == 6
    for session in table.sessions:
        assert session.runtime_version.startswith(VERSIONS[runtime])
        assert session.os.endswith("aarch64")
        assert session.cpu == "Emulated arm64 board"
