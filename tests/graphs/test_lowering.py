"""Models written layer by layer, in every format: computing what plain numpy computes."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from hwnas import plugins
from hwnas.errors import InputError
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.protocols import architecture_layers
from hwnas.reference_networks import REFERENCE_NAMES, reference_network
from hwnas.runtimes import for_format
from hwnas.spaces import load_space

FORMATS = plugins.names("hwnas.graphs")
EVERY_PRECISION = [
    (name, precision)
    for name in FORMATS
    for precision in plugins.load("hwnas.graphs", name, what="model format").PRECISIONS
]

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
    "block with a window of 7": replace(BLOCK, kernel_size=7),
    "block with a window of 7 that strides": replace(BLOCK, kernel_size=7, stride=2),
    "block with a window of 9 that strides on an even map": replace(
        BLOCK, kernel_size=9, stride=2, resolution=10
    ),
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


@pytest.fixture(params=FORMATS)
def writer(request):
    return plugins.load("hwnas.graphs", request.param, what="model format")


@pytest.fixture
def run(tmp_path):
    """Runs a model by the runtime of its format on inputs of shape (N, ...)."""

    def call(writer, content, x):
        name = writer.__name__.rpartition(".")[2]
        path = tmp_path / f"model.{name}"
        path.write_bytes(content)
        runtime = plugins.load("hwnas.runtimes", for_format(name, ""), what="runtime")
        return runtime.outputs(str(path), x.astype(np.float32))

    return call


def input_of(layer, rng):
    flat = layer.kind == "linear"
    shape = (
        (layer.in_channels,) if flat else (layer.in_channels, layer.resolution, layer.resolution)
    )
    return rng.normal(size=shape, scale=3.0).astype(np.float32)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_layer_computes_what_its_definition_says(layer, writer, run):
    rng = rng_of(1)
    arrays = random_weights([layer], rng)
    content = writer.lower([layer], arrays)
    writer.check(content)
    x = input_of(layer, rng)
    expected = computed(layer, arrays[0], x.astype(np.float64))
    given = run(writer, content, x[None])[0]
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_layers_in_a_row_compute_one_after_the_other(writer, run):
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
    found = run(writer, writer.lower(chain, weights), x[None])[0]
    np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5 * np.abs(value).max())


def test_a_model_without_layers_hands_its_input_through(writer, run):
    content = writer.lower([], [])
    writer.check(content)
    assert run(writer, content, np.array([[2.5]]))[0, 0] == 2.5


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_equal_layers_and_weights_give_equal_bytes(writer, precision):
    first, second = (
        writer.lower([BLOCK], weights_of(BLOCK), precision=precision) for _ in range(2)
    )
    assert first == second


def test_layers_that_do_not_fit_are_refused(writer):
    with pytest.raises(ValueError, match="cannot follow"):
        writer.lower([CONV, BLOCK], weights_of(CONV, BLOCK))


def test_bytes_that_are_no_model_fail_the_check(writer):
    content = writer.lower([CONV], weights_of(CONV))
    with pytest.raises(ValueError, match=r"\S"):
        writer.check(content[: len(content) // 2])


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_reference_networks_are_valid_models_with_finite_outputs(name, writer, run):
    network = reference_network(name, width_mult=0.35, resolution=48, classes=6)
    content = writer.lower(network, random_weights(network, rng_of(4)))
    writer.check(content)
    output = run(writer, content, rng_of(5).normal(size=(1, 3, 48, 48)))
    assert output.shape == (1, 6)
    assert np.isfinite(output).all()


@pytest.mark.parametrize("preset", ["mbv3_small_32", "nas_bench_macro", "ofa_mbv3_w1.0"])
def test_sampled_architectures_are_valid_models(preset, writer):
    space = load_space(preset)
    for row in space.sample(2, rng_of(6)):
        network = architecture_layers(space, row)
        writer.check(writer.lower(network, random_weights(network, rng_of(7))))


@pytest.mark.parametrize(("name", "precision"), EVERY_PRECISION)
def test_a_smaller_precision_makes_a_smaller_file_that_says_nearly_the_same(name, precision, run):
    writer = plugins.load("hwnas.graphs", name, what="model format")
    network = reference_network("MobileNetV3-Small", width_mult=0.5, resolution=32, classes=6)
    weights = random_weights(network, rng_of(8))
    x = rng_of(9).normal(size=(16, 3, 32, 32)).astype(np.float32)
    plain = writer.lower(network, weights)
    content = writer.lower(network, weights, precision=precision, calibration=x)
    writer.check(content)
    most = {"fp32": 1.0, "fp16": 0.6, "int8": 0.5}[precision]
    assert len(content) <= most * len(plain)
    expected, found = run(writer, plain, x), run(writer, content, x)
    likeness = {"fp32": 1.0, "fp16": 0.99999, "int8": 0.98}[precision]
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] >= likeness - 1e-9


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (np.zeros((0, 3, 9, 9), np.float32), "calibration set is empty"),
        (np.zeros((4, 3, 8, 8), np.float32), r"shape \(3, 8, 8\); the network takes \(3, 9, 9\)"),
        (np.full((2, 3, 9, 9), np.nan, np.float32), "not finite"),
    ],
)
def test_inputs_that_cannot_calibrate_a_network_are_refused(writer, calibration, said):
    with pytest.raises(InputError, match=said):
        writer.lower([CONV], weights_of(CONV), precision="int8", calibration=calibration)


def test_int8_covers_the_range_of_the_calibration_inputs_and_clips_what_is_beyond(writer, run):
    layer = LayerSpec("linear", 1, 4, 4)
    weights = [{"weight": np.eye(4, dtype=np.float32)}]
    seen = np.linspace(-1, 3, 32, dtype=np.float32).reshape(8, 4)
    content = writer.lower([layer], weights, precision="int8", calibration=seen)
    np.testing.assert_allclose(run(writer, content, seen), seen, atol=1.5 * 4 / 255)
    beyond = np.array([[-9.0, 9.0, 0.0, 1.0]])
    np.testing.assert_allclose(run(writer, content, beyond), [[-1, 3, 0, 1]], atol=1.5 * 4 / 255)


def test_a_part_from_inside_an_int8_network_takes_and_gives_integers(writer, tmp_path):
    name = writer.__name__.rpartition(".")[2]
    runtime = plugins.load("hwnas.runtimes", for_format(name, ""), what="runtime")
    for layer in LAYERS.values():
        content = writer.lower([layer], weights_of(layer), precision="int8", inner=True)
        writer.check(content)
        path = tmp_path / f"model.{name}"
        path.write_bytes(content)
        runtime.load(str(path), 1)()
        integer = {"onnx": "uint8", "tflite": "int8"}[name]
        first = name == "tflite" and layer.in_channels == 3  # an image, which stays fp32
        assert ends_of(name, path) == ({"float32", integer} if first else {integer})


def ends_of(name, path):
    """Types of a model's input and output."""
    if name == "onnx":
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        types = [value.type for value in (*session.get_inputs(), *session.get_outputs())]
        return {kind.removeprefix("tensor(").removesuffix(")") for kind in types}
    interpreter = Interpreter(model_path=str(path))
    details = (*interpreter.get_input_details(), *interpreter.get_output_details())
    return {np.dtype(entry["dtype"]).name for entry in details}
