"""What is particular to TFLite files."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from hwnas.graphs.tflite import lower
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.protocols import architecture_layers
from hwnas.spaces import load_space

CONV = LayerSpec("conv", 8, 3, 8, kernel_size=3, stride=2, activation="hard_swish")
BLOCK = LayerSpec(
    "mbconv", 8, 8, 8, hidden_channels=24, kernel_size=5, se_channels=8, activation="relu"
)
NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def lowered(*layers, **options):
    return lower(layers, random_weights(layers, np.random.default_rng(0)), **options)


def network(preset, seed):
    space = load_space(preset)
    return architecture_layers(space, space.sample(1, np.random.default_rng(seed))[0])


def parsed(content):
    return schema.ModelT.InitFromPackedBuf(content, 0)


def operators(content):
    model = parsed(content)
    codes = [NAMES[code.builtinCode] for code in model.operatorCodes]
    return [codes[step.opcodeIndex] for step in model.subgraphs[0].operators]


def delegated(content):
    """The parts that XNNPACK takes, and the tensors of the model's input and output."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    parts = [step for step in interpreter._get_ops_details() if step["op_name"] == "DELEGATE"]
    ends = [interpreter.get_input_details()[0], interpreter.get_output_details()[0]]
    return parts, [end["index"] for end in ends]


def test_a_block_is_written_without_stray_operators():
    assert operators(lowered(BLOCK)) == [
        "CONV_2D", "DEPTHWISE_CONV_2D",
        "MEAN", "FULLY_CONNECTED", "FULLY_CONNECTED", "MUL", "MUL",
        "CONV_2D", "ADD",
    ]  # fmt: skip


def test_only_an_even_stride_needs_explicit_padding_and_only_hard_swish_an_operator_of_its_own():
    assert operators(lowered(CONV)) == ["PAD", "CONV_2D", "HARD_SWISH"]
    assert operators(lowered(replace(CONV, stride=1, activation="relu6"))) == ["CONV_2D"]
    # an odd number of rows is padded alike on both sides, which TFLite's own padding is too
    assert operators(lowered(replace(CONV, resolution=9, activation="relu"))) == ["CONV_2D"]


def test_the_file_has_one_signature_with_named_input_and_output():
    model = parsed(lowered(CONV))
    (signature,) = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    assert [entry.name for entry in signature.inputs] == [b"input"]
    assert [entry.name for entry in signature.outputs] == [b"output"]
    tensors = model.subgraphs[0].tensors
    assert list(tensors[signature.inputs[0].tensorIndex].shape) == [1, 8, 8, 3]
    assert list(tensors[signature.outputs[0].tensorIndex].shape) == [1, 4, 4, 8]


def test_weights_start_at_multiples_of_16_bytes():
    content = lowered(CONV, replace(BLOCK, resolution=4))
    model = schema.Model.GetRootAs(content, 0)
    filled = [
        model.Buffers(i).DataAsNumpy()
        for i in range(model.BuffersLength())
        if model.Buffers(i).DataLength()
    ]
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    places = [buffer.__array_interface__["data"][0] - start for buffer in filled]
    assert len(places) > 10
    assert {place % 16 for place in places} == {0}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("preset", ["mbv3_small_32", "nas_bench_macro", "ofa_mbv3_w1.0"])
def test_xnnpack_takes_a_whole_network_as_one_part(preset, precision):
    for seed in range(2):
        layers = network(preset, seed)
        content = lowered(*layers, precision=precision)
        parts, (given, result) = delegated(content)
        assert len(parts) == 1
        assert given in parts[0]["inputs"]
        assert list(parts[0]["outputs"]) == [result]


def test_hard_swish_stays_in_fp32_and_the_rest_is_int8():
    inside = replace(CONV, in_channels=16)
    content = lowered(inside, precision="int8")
    assert operators(content) == [
        "QUANTIZE", "PAD", "CONV_2D", "DEQUANTIZE", "HARD_SWISH",
    ]  # fmt: skip
    inner = lowered(inside, precision="int8", inner=True)
    assert operators(inner) == ["PAD", "CONV_2D", "DEQUANTIZE", "HARD_SWISH", "QUANTIZE"]
    assert ends(inner) == [schema.TensorType.INT8] * 2


def test_the_first_convolution_of_an_int8_network_stays_in_fp32():
    network = [CONV, replace(BLOCK, resolution=4)]
    assert operators(lowered(*network, precision="int8"))[:5] == [
        "PAD", "CONV_2D", "HARD_SWISH", "QUANTIZE", "CONV_2D",
    ]  # fmt: skip
    inner = lowered(CONV, precision="int8", inner=True)
    assert operators(inner) == ["PAD", "CONV_2D", "HARD_SWISH", "QUANTIZE"]
    assert ends(inner) == [schema.TensorType.FLOAT32, schema.TensorType.INT8]


def ends(content):
    """Types of a model's input and output."""
    graph = parsed(content).subgraphs[0]
    return [graph.tensors[int(index)].type for index in (*graph.inputs, *graph.outputs)]


@pytest.mark.parametrize(("stride", "resolution"), [(1, 8), (2, 8), (2, 9), (1, 3)])
def test_a_window_of_7_is_three_parts_in_one_delegated_piece(stride, resolution):
    block = replace(BLOCK, kernel_size=7, stride=stride, resolution=resolution)
    found = operators(lowered(block))
    assert found.count("DEPTHWISE_CONV_2D") == 3
    assert found.count("ADD") == 2 + (stride == 1)
    for precision in ("fp32", "int8"):
        parts, _ = delegated(lowered(block, precision=precision))
        assert len(parts) == 1


def test_without_the_extra_the_error_says_how_to_install_it():
    script = """
import sys
sys.modules["ai_edge_litert"] = None  # as if it were not installed
from hwnas.errors import ExtraMissingError
from hwnas.graphs import tflite
try:
    tflite.lower([], [])
except ExtraMissingError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "pip install 'hwnas[litert]'" in found.stdout
