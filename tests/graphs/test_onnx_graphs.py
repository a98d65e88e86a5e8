"""ONNX models written layer by layer: valid, and computing what plain numpy computes."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from hwnas.graphs.onnx import IR_VERSION, OPSET, check, lower
from hwnas.layer_weights import random_weights, weight_shapes
from hwnas.layers import LayerSpec
from hwnas.layers import weights as stored_numbers
from hwnas.protocols import architecture_layers
from hwnas.reference_networks import REFERENCE_NAMES, reference_network
from hwnas.spaces import load_space

CONV = LayerSpec("conv", 9, 3, 8, kernel_size=3, stride=2, activation="hard_swish")
BLOCK = LayerSpec(
    "mbconv", 7, 8, 8, hidden_channels=24, kernel_size=5, se_channels=8, activation="hard_swish"
)
LAYERS = {
    "conv": CONV,
    "pointwise conv without activation": LayerSpec("conv", 5, 8, 16),
    "conv relu6": replace(CONV, activation="relu6", stride=1, kernel_size=7),
    "block": BLOCK,
    "block without squeeze-excite": replace(BLOCK, se_channels=0, activation="relu"),
    "block with a sigmoid gate": replace(BLOCK, gate="sigmoid", activation="relu6"),
    "block that strides": replace(BLOCK, stride=2, kernel_size=3),
    "block that changes its channels": replace(BLOCK, out_channels=16),
    "block without expansion": replace(BLOCK, hidden_channels=8),
    "block without expansion that strides": replace(
        BLOCK, hidden_channels=8, stride=2, se_channels=0
    ),
    "pool": LayerSpec("pool", 6, 12, 12),
    "linear": LayerSpec("linear", 1, 12, 10),
    "linear with bias and activation": LayerSpec(
        "linear", 1, 12, 10, bias=True, activation="hard_swish"
    ),
}


def rng_of(seed):
    return np.random.default_rng(seed)


def weights_of(*layers):
    return random_weights(layers, rng_of(0))


def activated(kind, x):
    return {
        "none": lambda: x,
        "relu": lambda: np.maximum(x, 0),
        "relu6": lambda: np.clip(x, 0, 6),
        "hard_swish": lambda: x * np.clip(x + 3, 0, 6) / 6,
    }[kind]()


def convolved(x, kernel, bias, stride, groups):
    """A convolution by its definition, padded by half the kernel on all sides."""
    size = kernel.shape[-1]
    pad = size // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    side = (x.shape[1] + 2 * pad - size) // stride + 1
    result = np.zeros((len(kernel), side, side))
    given, made = len(x) // groups, len(kernel) // groups
    for row in range(side):
        for column in range(side):
            top, left = row * stride, column * stride
            window = padded[:, top : top + size, left : left + size]
            for group in range(groups):
                inputs = window[group * given : (group + 1) * given]
                kernels = kernel[group * made : (group + 1) * made]
                outputs = slice(group * made, (group + 1) * made)
                result[outputs, row, column] = (kernels * inputs).sum(axis=(1, 2, 3))
    return result + bias[:, None, None]


def computed(layer, arrays, x):
    """One layer by its definition, in float64."""
    w = {name: array.astype(np.float64) for name, array in arrays.items()}
    if layer.kind == "pool":
        return x.mean(axis=(1, 2))
    if layer.kind == "linear":
        return activated(layer.activation, w["weight"] @ x + w.get("bias", 0.0))
    if layer.kind == "conv":
        return activated(
            layer.activation, convolved(x, w["weight"], w["bias"], layer.stride, groups=1)
        )
    value = x
    if layer.hidden_channels != layer.in_channels:
        value = convolved(value, w["expand.weight"], w["expand.bias"], 1, groups=1)
        value = activated(layer.activation, value)
    value = convolved(
        value, w["depthwise.weight"], w["depthwise.bias"], layer.stride, layer.hidden_channels
    )
    value = activated(layer.activation, value)
    if layer.se_channels:
        squeezed = w["squeeze.weight"] @ value.mean(axis=(1, 2)) + w["squeeze.bias"]
        gate = w["excite.weight"] @ np.maximum(squeezed, 0) + w["excite.bias"]
        gates = {"sigmoid": 1 / (1 + np.exp(-gate)), "hard_sigmoid": np.clip(gate + 3, 0, 6) / 6}
        value = value * gates[layer.gate][:, None, None]
    value = convolved(value, w["project.weight"], w["project.bias"], 1, groups=1)
    unchanged = layer.stride == 1 and layer.in_channels == layer.out_channels
    return value + x if unchanged else value


def run(content, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"input": x.astype(np.float32)})[0]


def input_of(layer, rng):
    flat = layer.kind == "linear"
    shape = (
        (layer.in_channels,) if flat else (layer.in_channels, layer.resolution, layer.resolution)
    )
    return rng.normal(size=shape, scale=3.0).astype(np.float32)


def operators(content):
    return [node.op_type for node in onnx.load_model_from_string(content).graph.node]


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_layer_computes_what_its_definition_says(layer):
    rng = rng_of(1)
    arrays = random_weights([layer], rng)
    content = lower([layer], arrays)
    check(content)
    x = input_of(layer, rng)
    expected = computed(layer, arrays[0], x.astype(np.float64))
    given = run(content, x[None])[0]
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_model_declares_batch_1_and_the_shapes_of_its_layer(layer):
    model = onnx.load_model_from_string(lower([layer], weights_of(layer)))

    def shape(value):
        return [dim.dim_value for dim in value.type.tensor_type.shape.dim]

    x = input_of(layer, rng_of(0))
    assert shape(model.graph.input[0]) == [1, *x.shape]
    assert shape(model.graph.output[0]) == [1, *computed(layer, weights_of(layer)[0], x).shape]


def test_layers_in_a_row_compute_one_after_the_other():
    rng = rng_of(2)
    chain = [
        CONV,
        LayerSpec("mbconv", 5, 8, 16, hidden_channels=24, kernel_size=3, stride=2, se_channels=8),
        LayerSpec("conv", 3, 16, 24, activation="relu"),
        LayerSpec("pool", 3, 24, 24),
        LayerSpec("linear", 1, 24, 4, bias=True),
    ]
    weights = random_weights(chain, rng)
    x = input_of(chain[0], rng)
    value = x.astype(np.float64)
    for layer, arrays in zip(chain, weights, strict=True):
        value = computed(layer, arrays, value)
    np.testing.assert_allclose(run(lower(chain, weights), x[None])[0], value, rtol=1e-4)


def test_a_block_is_written_without_stray_operators():
    # what a runtime times must be the block and nothing else
    layer = replace(BLOCK, activation="relu")
    assert operators(lower([layer], weights_of(layer))) == [
        "Conv", "Relu", "Conv", "Relu",
        "GlobalAveragePool", "Conv", "Relu", "Conv", "HardSigmoid", "Mul",
        "Conv", "Add",
    ]  # fmt: skip


def test_a_model_without_layers_hands_its_input_through():
    content = lower([], [])
    check(content)
    assert run(content, np.array([[2.5]]))[0, 0] == 2.5


def test_equal_layers_and_weights_give_equal_bytes():
    first, second = (lower([BLOCK], weights_of(BLOCK)) for _ in range(2))
    assert first == second


def test_a_model_states_the_versions_that_old_runtimes_read():
    model = onnx.load_model_from_string(lower([CONV], weights_of(CONV)))
    assert model.ir_version == IR_VERSION
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="cannot follow"):
        lower([CONV, BLOCK], weights_of(CONV, BLOCK))


def test_the_bounds_of_relu6_are_scalars_as_onnx_requires():
    # ONNX Runtime also takes one-element vectors; other runtimes need not
    layer = LAYERS["conv relu6"]
    model = onnx.load_model_from_string(lower([layer], weights_of(layer)))
    bounds = [t for t in model.graph.initializer if t.name.endswith(("low", "high"))]
    assert [list(tensor.dims) for tensor in bounds] == [[], []]


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_reference_networks_are_valid_models_with_finite_outputs(name):
    network = reference_network(name, width_mult=0.35, resolution=48, classes=6)
    content = lower(network, random_weights(network, rng_of(4)))
    check(content)
    output = run(content, rng_of(5).normal(size=(1, 3, 48, 48)))
    assert output.shape == (1, 6)
    assert np.isfinite(output).all()


@pytest.mark.parametrize("preset", ["mbv3_small_32", "ofa_mbv3_w1.0"])
def test_sampled_architectures_are_valid_models(preset):
    space = load_space(preset)
    for row in space.sample(3, rng_of(6)):
        network = architecture_layers(space, row)
        check(lower(network, random_weights(network, rng_of(7))))


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_model_stores_as_many_numbers_as_its_layer_says(layer):
    model = onnx.load_model_from_string(lower([layer], weights_of(layer)))
    # the bounds of relu6 are scalars, and no weights
    stored = [tensor for tensor in model.graph.initializer if len(tensor.dims) > 0]
    assert sum(int(np.prod(tensor.dims)) for tensor in stored) == stored_numbers(layer)
    shapes = weight_shapes(layer).values()
    assert sum(int(np.prod(shape)) for shape in shapes) == stored_numbers(layer)
