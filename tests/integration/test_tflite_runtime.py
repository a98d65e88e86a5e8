"""TFLite files on tflite-runtime 2.14, what old and 32-bit boards have, in a Python of its own."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hwnas.devices import Device, load_device
from hwnas.graphs import tflite
from hwnas.latency_table import LatencyTable
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.profiling import measure_model, profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.protocols import architecture_layers
from hwnas.reference_networks import reference_network
from hwnas.runtimes import litert
from hwnas.spaces import load_space

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "tests" / "data" / "profile_space.toml"
VENV = Path(os.environ.get("HWNAS_TFLITE_RUNTIME_VENV", ROOT / ".venv-tflite-runtime"))

pytestmark = pytest.mark.skipif(
    not (VENV / "bin" / "python").exists(),
    reason=f"there is no {VENV}: make it with tools/tflite_runtime_venv",
)

VERSION = "tflite_runtime 2.14.0"
TIMING = Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=1.0, min_sample_us=200.0)
OUTPUTS = """
import runpy, sys
import numpy as np

runtime = runpy.run_path(sys.argv[1])
print(runtime["version"]())
np.save(sys.argv[4], runtime["outputs"](sys.argv[2], np.load(sys.argv[3])))
"""


def sampled(preset: str, seed: int) -> tuple[LayerSpec, ...]:
    space = load_space(preset)
    return architecture_layers(space, space.sample(1, np.random.default_rng(seed))[0])


NETWORKS = {
    "hard-swish": sampled("mbv3_small_32", 0),
    "relu6, odd sizes": reference_network("EfficientNet-Lite0", width_mult=0.25, resolution=75),
    "sigmoid gates": reference_network("MnasNet-A1", width_mult=0.25, resolution=64, classes=10),
}
BLOCK = LayerSpec("mbconv", 16, 16, 16, hidden_channels=48, kernel_size=3, activation="relu")
LAYERS = {
    "conv": LayerSpec("conv", 16, 3, 16, kernel_size=3, stride=2, activation="relu6"),
    "block": BLOCK,
    "block, hard-swish": replace(BLOCK, kernel_size=5, stride=2, activation="hard_swish"),
    "block, hard-sigmoid gate": replace(BLOCK, out_channels=24, se_channels=16),
    "block, sigmoid gate": replace(BLOCK, se_channels=16, gate="sigmoid"),
    "pool": LayerSpec("pool", 8, 16, 16),
    "linear": LayerSpec("linear", 1, 32, 16, bias=True),
}


def images_for(layers: Sequence[LayerSpec]) -> NDArray[np.float32]:
    first = layers[0]
    sides = () if first.kind == "linear" else (first.resolution, first.resolution)
    rng = np.random.default_rng(2)
    return rng.standard_normal((3, first.in_channels, *sides)).astype(np.float32)


def outputs_there(model: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What tflite-runtime says of images, by the file that hwnas sends to a device."""
    given, found = model.with_suffix(".in.npy"), model.with_suffix(".out.npy")
    np.save(given, images)
    ran = subprocess.run(
        [VENV / "bin" / "python", "-c", OUTPUTS, litert.__file__, model, given, found],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == VERSION
    said: NDArray[np.float32] = np.load(found)
    return said


def written(layers: Sequence[LayerSpec], precision: str, folder: Path) -> Path:
    weights = random_weights(layers, np.random.default_rng(0))
    path = folder / f"{precision}.tflite"
    path.write_bytes(
        tflite.lower(layers, weights, precision=precision, calibration=images_for(layers))
    )
    return path


def outputs(
    layers: Sequence[LayerSpec], precision: str, folder: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What LiteRT here and tflite-runtime there say of the same file and images."""
    model, images = written(layers, precision, folder), images_for(layers)
    here, there = litert.outputs(str(model), images), outputs_there(model, images)
    assert here.shape == there.shape
    return here, there


def exact_outputs(layers: Sequence[LayerSpec], folder: Path) -> NDArray[np.float32]:
    found: NDArray[np.float32] = litert.outputs(
        str(written(layers, "fp32", folder)), images_for(layers)
    )
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS.keys())
def test_a_file_says_the_same_there_as_on_litert(
    layers: tuple[LayerSpec, ...], precision: str, tmp_path: Path
) -> None:
    here, there = outputs(layers, precision, tmp_path)
    assert np.abs(here - there).max() <= 1e-5 * np.abs(here).max()


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_an_int8_layer_differs_from_litert_by_rounding(layer: LayerSpec, tmp_path: Path) -> None:
    here, there = outputs([layer], "int8", tmp_path)
    exact = exact_outputs([layer], tmp_path)
    step = (max(exact.max(), 0.0) - min(exact.min(), 0.0)) / 255
    assert np.abs(here - there).max() <= 2.01 * step
    assert np.mean(np.abs(here - there) > 0.5 * step) < 0.25


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS.keys())
def test_an_int8_network_is_as_near_to_fp32_there_as_on_litert(
    layers: tuple[LayerSpec, ...], tmp_path: Path
) -> None:
    # roundings that differ grow with depth, so that outputs are not equal
    here, there = outputs(layers, "int8", tmp_path)
    exact = exact_outputs(layers, tmp_path)
    assert np.linalg.norm(there - exact) < 2 * np.linalg.norm(here - exact)


@pytest.fixture
def board(tmp_path: Path) -> Device:
    """A device whose Python has tflite-runtime and no ai-edge-litert."""
    path = tmp_path / "board.toml"
    path.write_text(f'title = "Old board"\npython = ["{VENV / "bin" / "python"}"]\n')
    return load_device(path)


@pytest.mark.parametrize("precision", litert.PRECISIONS)
def test_a_device_with_tflite_runtime_is_profiled(
    board: Device, precision: str, tmp_path: Path
) -> None:
    profile(
        board, load_space(SPACE), folder=tmp_path, runtime="litert", precision=precision,
        networks=4, held_out=2,
        discipline=Discipline(TIMING, 4, 4, steadiness=Steadiness(max_unsettled=1.0)),
    )  # fmt: skip
    table = LatencyTable.read(tmp_path / "board" / f"profile_space-litert-{precision}-1t.json")
    assert {timing.layer for timing in table.layers} == set(load_space(SPACE).catalog.layers[1:])
    assert VERSION in {session.runtime_version for session in table.sessions}


def test_a_model_file_is_measured_on_a_device_with_tflite_runtime(
    board: Device, tmp_path: Path
) -> None:
    model = written(NETWORKS["hard-swish"], "fp32", tmp_path)
    measured = measure_model(board, model, runtime="litert")
    assert measured.median_ms > 0
    assert measured.provenance is not None
    assert VERSION in measured.provenance.runtime_version
