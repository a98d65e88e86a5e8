"""What is sent to a device: single layers as they are inside a network, whole ones as exported."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from hwnas.devices import load_device
from hwnas.layers import LayerSpec
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.profiling.job import lowered_job
from hwnas.profiling.measure import measure_model
from hwnas.profiling.plan import OVERHEAD, Batch, layer_model, network_model
from hwnas.profiling.target import Target
from hwnas.spaces import load_space

HOST = load_device("host")
LAYERS = (
    LayerSpec("conv", 8, 3, 8, kernel_size=3, activation="hard_swish"),
    LayerSpec("conv", 8, 8, 4, activation="hard_swish"),
    LayerSpec("pool", 8, 4, 4),
    LayerSpec("linear", 1, 4, 3, bias=True),
)
BATCH = Batch({layer_model(0): LAYERS[1:2], network_model(0): LAYERS, OVERHEAD: ()}, ())
QUICK = Discipline(
    Timing(1, 2, 3, 0.2, 50.0), layer_rounds=2, network_rounds=2,
    steadiness=Steadiness(max_unsettled=1.0),
)  # fmt: skip


def content(runtime: str, precision: str, model: str) -> bytes:
    job = lowered_job(
        Target(HOST, runtime, precision, 1), BATCH, name="job", seed=0, timing=Timing()
    )
    return job.content(f"{model}.{'onnx' if runtime == 'onnxruntime' else 'tflite'}")


def input_type(runtime: str, file: bytes) -> str:
    if runtime == "onnxruntime":
        kind = onnx.load_model_from_string(file).graph.input[0].type.tensor_type.elem_type
        return onnx.TensorProto.DataType.Name(kind).lower()
    return np.dtype(Interpreter(model_content=file).get_input_details()[0]["dtype"]).name


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
def test_a_layer_of_an_int8_network_is_timed_on_integers_and_the_network_is_not(
    runtime: str,
) -> None:
    kinds = {model: input_type(runtime, content(runtime, "int8", model)) for model in BATCH.models}
    assert kinds.pop("layer0") in ("uint8", "int8")
    assert set(kinds.values()) <= {"float", "float32"}


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_floating_point_layers_are_timed_on_fp32(runtime: str, precision: str) -> None:
    for model in BATCH.models:
        kind = input_type(runtime, content(runtime, precision, model))
        assert kind in ("float", "float32")


@pytest.mark.parametrize(
    ("runtime", "precision"), [("litert", "fp32"), ("litert", "int8"), ("onnxruntime", "int8")]
)
def test_every_runtime_and_precision_can_be_profiled(
    runtime: str, precision: str, tmp_path: Path
) -> None:
    space = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")
    table = profile(
        HOST, space, folder=tmp_path, runtime=runtime, precision=precision, networks=3, held_out=2,
        discipline=QUICK,
    )  # fmt: skip
    assert (table.runtime, table.precision) == (runtime, precision)
    assert not table.lacking(space.catalog)
    assert table.quality is not None


def test_a_file_is_measured_on_a_device_that_has_integers_only(tmp_path: Path) -> None:
    board = dataclasses.replace(HOST, precisions=("int8",))
    path = tmp_path / "a.tflite"
    path.write_bytes(content("litert", "int8", "network0"))
    assert measure_model(board, path, runtime="litert").median_ms > 0
