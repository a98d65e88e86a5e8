import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwnas.errors import InputError, RuntimeMissingError, UnknownNameError
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.workflows.experiment import DeviceSection
from hwnas.workflows.variants import Variant, rehearse, variants

HOST = DeviceSection()
LAYERS = (
    LayerSpec("conv", 8, 1, 4, kernel_size=3, activation="hard_swish"),
    LayerSpec("pool", 8, 4, 4),
    LayerSpec("linear", 1, 4, 3, bias=True),
)


def names(found: tuple[Variant, ...]) -> list[str]:
    return [variant.file_name for variant in found]


def test_there_is_a_file_for_each_format_at_each_precision() -> None:
    found = variants(HOST, formats=["onnx", "tflite"], precisions=["fp32", "int8"], own="fp32")
    assert names(found) == ["model.onnx", "model-int8.onnx", "model.tflite", "model-int8.tflite"]


def test_without_precisions_it_is_the_one_that_was_searched_at() -> None:
    assert names(variants(HOST, formats=["tflite"], precisions=[], own="int8")) == [
        "model-int8.tflite"
    ]


def test_what_the_search_was_made_for_comes_first() -> None:
    section = dataclasses.replace(HOST, runtime="litert")
    found = variants(section, formats=["onnx", "tflite"], precisions=["fp32", "int8"], own="int8")
    assert names(found) == ["model-int8.tflite", "model.onnx", "model-int8.onnx", "model.tflite"]


def test_what_is_named_twice_is_written_once() -> None:
    found = variants(HOST, formats=["onnx", "onnx"], precisions=["fp32", "fp32"], own="fp32")
    assert names(found) == ["model.onnx"]


def test_each_file_is_run_by_a_runtime_of_its_format() -> None:
    found = variants(HOST, formats=["onnx", "tflite"], precisions=[], own="fp32")
    assert [(v.runtime, v.layout) for v in found] == [("onnxruntime", "NCHW"), ("litert", "NHWC")]


def test_an_unknown_format_or_precision_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tflite'"):
        variants(HOST, formats=["tflit"], precisions=[], own="fp32")
    with pytest.raises(UnknownNameError, match="Did you mean 'int8'"):
        variants(HOST, formats=["onnx"], precisions=["int4"], own="fp32")
    with pytest.raises(InputError, match="such as onnx and tflite"):
        variants(HOST, formats=[], precisions=[], own="fp32")


def test_a_precision_that_the_device_lacks_is_refused(tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text('title = "No integers"\nprecisions = ["fp32"]\n')
    section = DeviceSection(str(board))
    with pytest.raises(RuntimeMissingError, match="Device board has no precision 'int8'"):
        variants(section, formats=["tflite"], precisions=["fp32", "int8"], own="fp32")


@pytest.mark.parametrize("model_format", ["onnx", "tflite"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_file_can_be_written_and_run(
    model_format: str, precision: str, tmp_path: Path
) -> None:
    (variant,) = variants(HOST, formats=[model_format], precisions=[precision], own="fp32")
    rehearse([variant], LAYERS)
    inputs = np.random.default_rng(1).standard_normal((5, 1, 8, 8)).astype(np.float32)
    file = tmp_path / variant.file_name
    weights = random_weights(LAYERS, np.random.default_rng(0))
    file.write_bytes(variant.lower(LAYERS, weights, inputs))
    assert variant.outputs(file, inputs).shape == (5, 3)


def test_what_a_runtime_cannot_run_is_said_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_text("no model")
    with pytest.raises(InputError, match="litert cannot run this network") as found:
        Variant("tflite", "fp32", "litert").outputs(file, np.zeros((1, 1, 8, 8), np.float32))
    assert "\n" not in str(found.value)


def test_the_quickstart_leaves_out_a_format_that_cannot_be_written_here() -> None:
    code = """
import sys, warnings
sys.modules["ai_edge_litert"] = None  # as if it were not installed
from hwnas.workflows import load_experiment
from hwnas.workflows.pipeline import writable_formats
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(writable_formats(load_experiment(sys.argv[1])))
print(said[0].message)
"""
    shipped = Path(__file__).parents[2] / "hwnas" / "workflows" / "quickstart.toml"
    done = subprocess.run(
        [sys.executable, "-c", code, str(shipped)], capture_output=True, text=True, check=True
    )
    assert "('onnx',)" in done.stdout
    assert "pip install 'hwnas[litert]'" in done.stdout
