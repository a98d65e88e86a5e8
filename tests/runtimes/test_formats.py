import pytest

from hwnas.errors import UnknownNameError
from hwnas.runtimes import for_format, formats


def test_every_format_has_a_runtime() -> None:
    assert formats() == {"onnx": ("onnxruntime",), "tflite": ("litert",)}


@pytest.mark.parametrize("preferred", ["", "onnxruntime", "litert", "no such runtime"])
def test_a_runtime_that_does_not_run_the_format_is_not_taken(preferred: str) -> None:
    assert for_format("onnx", preferred) == "onnxruntime"
    assert for_format("tflite", preferred) == "litert"


def test_a_format_that_no_runtime_runs_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'tflite'\? Known: onnx, tflite"):
        for_format("tflit")
