"""What is particular to ONNX files."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from hwnas.graphs.onnx import IR_VERSION, OPSET, lower
from hwnas.layer_weights import random_weights, weight_shapes
from hwnas.layers import LayerSpec
from hwnas.layers import weights as stored_numbers

CONV = LayerSpec("conv", 9, 3, 8, kernel_size=3, stride=2, activation="hard_swish")
BLOCK = LayerSpec(
    "mbconv", 7, 8, 8, hidden_channels=24, kernel_size=5, se_channels=8, activation="hard_swish"
)
LAYERS = {
    "conv": CONV,
    "conv relu6": replace(CONV, activation="relu6", stride=1, kernel_size=7),
    "block": BLOCK,
    "block that strides": replace(BLOCK, stride=2, kernel_size=3),
    "pool": LayerSpec("pool", 6, 12, 12),
    "linear": LayerSpec("linear", 1, 12, 10, bias=True),
}


def weights_of(*layers):
    return random_weights(layers, np.random.default_rng(0))


def operators(content):
    return [node.op_type for node in onnx.load_model_from_string(content).graph.node]


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_model_declares_batch_1_and_the_shapes_of_its_layer(layer):
    model = onnx.load_model_from_string(lower([layer], weights_of(layer)))

    def shape(value):
        return [dim.dim_value for dim in value.type.tensor_type.shape.dim]

    sides = [layer.resolution] * 2 if layer.kind != "linear" else []
    after = [layer.out_resolution] * 2 if layer.kind in ("conv", "mbconv") else []
    assert shape(model.graph.input[0]) == [1, layer.in_channels, *sides]
    assert shape(model.graph.output[0]) == [1, layer.out_channels, *after]


def test_a_block_is_written_without_stray_operators():
    # what a runtime times must be the block and nothing else
    layer = replace(BLOCK, activation="relu")
    assert operators(lower([layer], weights_of(layer))) == [
        "Conv", "Relu", "Conv", "Relu",
        "GlobalAveragePool", "Conv", "Relu", "Conv", "HardSigmoid", "Mul",
        "Conv", "Add",
    ]  # fmt: skip


def test_a_model_states_the_versions_that_old_runtimes_read():
    model = onnx.load_model_from_string(lower([CONV], weights_of(CONV)))
    assert model.ir_version == IR_VERSION
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]


def test_the_bounds_of_relu6_are_scalars_as_onnx_requires():
    # ONNX Runtime also takes one-element vectors; other runtimes need not
    layer = LAYERS["conv relu6"]
    model = onnx.load_model_from_string(lower([layer], weights_of(layer)))
    bounds = [t for t in model.graph.initializer if t.name.endswith(("low", "high"))]
    assert [list(tensor.dims) for tensor in bounds] == [[], []]


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_model_stores_as_many_numbers_as_its_layer_says(layer):
    model = onnx.load_model_from_string(lower([layer], weights_of(layer)))
    # the bounds of relu6 are scalars, and no weights
    stored = [tensor for tensor in model.graph.initializer if len(tensor.dims) > 0]
    assert sum(int(np.prod(tensor.dims)) for tensor in stored) == stored_numbers(layer)
    shapes = weight_shapes(layer).values()
    assert sum(int(np.prod(shape)) for shape in shapes) == stored_numbers(layer)
