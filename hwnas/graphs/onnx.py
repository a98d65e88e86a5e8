"""Layers and weights as an ONNX model, written node by node; nothing is traced."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hwnas.layer_weights import LayerWeights
from hwnas.layers import LayerSpec, check_chain

PRECISIONS = ("fp32", "fp16", "int8")
LAYOUT = "NCHW"

OPSET = 17
IR_VERSION = 8  # what opset 17 came with: runtimes of 2022 and later read it

INPUT_NAME = "input"
OUTPUT_NAME = "output"


def lower(
    layers: Sequence[LayerSpec],
    weights: Sequence[LayerWeights],
    *,
    precision: str = "fp32",
    calibration: NDArray[np.float32] | None = None,
    inner: bool = False,
) -> bytes:
    """A network, or a part of one, as ONNX bytes: batch 1, NCHW.

    Args:
        layers: Layers that follow each other. Without any, the model hands its input through,
            which is how a runtime's own overhead is timed.
        weights: Of each layer, as `hwnas.layer_weights` names them.
        precision: ``fp32``; ``fp16``: weights and biases stored in half precision, computed in
            fp32; ``int8``: see `hwnas.graphs._onnx_quantization`.
        calibration: For int8, inputs of the network, (N, C, H, W) or (N, C); None for made-up
            ones, which do for timing.
        inner: Whether this is a part from inside a network: at int8 it then takes and gives
            integers, as it does there.

    Returns:
        A model with one input ``input``, (1, C, H, W) or (1, C) after pooling, and one output
        ``output``, both fp32 unless ``inner``.

    Raises:
        InputError: The calibration inputs are none, or of another shape.
    """
    chain = check_chain(layers)
    graph = _Graph(half=precision == "fp16")
    value = INPUT_NAME
    for index, (layer, arrays) in enumerate(zip(chain, weights, strict=True)):
        value = _LOWERINGS[layer.kind](graph, f"layer{index}", layer, arrays, value)
    if chain:
        graph.rename_last(OUTPUT_NAME)
    else:
        graph.add("Identity", [value], OUTPUT_NAME)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "hwnas",
            [_value_info(INPUT_NAME, _input_shape(chain))],
            [_value_info(OUTPUT_NAME, _output_shape(chain))],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="hwnas",
    )
    model.ir_version = IR_VERSION
    content = bytes(model.SerializeToString())
    if precision == "int8" and chain:
        from hwnas.graphs._onnx_quantization import quantize

        return quantize(content, calibration, inner=inner)
    return content


def check(content: bytes) -> None:
    """Run ONNX's own checker, with shape inference.

    Raises:
        ValueError: The model is not valid ONNX.
    """
    try:
        onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    except (
        DecodeError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        raise ValueError(str(error)) from error


class _Graph:
    """Nodes and initializers as they are added."""

    def __init__(self, *, half: bool) -> None:
        self._half = half
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, op: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append a node and return the name of its only output."""
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        """Append an initializer and return its name."""
        self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def weight(self, name: str, array: NDArray[np.float32]) -> str:
        """Append a weight; in half precision with a node behind it that widens it on loading."""
        if not self._half:
            return self.constant(name, array)
        stored = self.constant(f"{name}.half", array.astype(np.float16))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT)

    def rename_last(self, name: str) -> None:
        """Give the output of the last node another name."""
        self.nodes[-1].output[0] = name


def _lower_conv(
    graph: _Graph, name: str, layer: LayerSpec, arrays: LayerWeights, value: str
) -> str:
    value = _convolution(graph, name, layer, arrays, "", value)
    return _activation(graph, f"{name}.activation", layer.activation, value)


def _lower_mbconv(
    graph: _Graph, name: str, layer: LayerSpec, arrays: LayerWeights, value: str
) -> str:
    block_input = value
    if layer.expands:
        value = _convolution(graph, f"{name}.expand", layer, arrays, "expand.", value)
        value = _activation(graph, f"{name}.expand.activation", layer.activation, value)
    value = _convolution(graph, f"{name}.depthwise", layer, arrays, "depthwise.", value)
    value = _activation(graph, f"{name}.depthwise.activation", layer.activation, value)
    if layer.se_channels:
        value = _squeeze_excite(graph, f"{name}.se", layer, arrays, value)
    value = _convolution(graph, f"{name}.project", layer, arrays, "project.", value)
    if layer.residual:
        value = graph.add("Add", [block_input, value], f"{name}.add")
    return value


def _lower_pool(
    graph: _Graph, name: str, layer: LayerSpec, arrays: LayerWeights, value: str
) -> str:
    del layer, arrays
    pooled = graph.add("GlobalAveragePool", [value], f"{name}.pool")
    return graph.add("Flatten", [pooled], f"{name}.flatten", axis=1)


def _lower_linear(
    graph: _Graph, name: str, layer: LayerSpec, arrays: LayerWeights, value: str
) -> str:
    inputs = [value, graph.weight(f"{name}.weight", arrays["weight"])]
    if layer.bias:
        inputs.append(graph.weight(f"{name}.bias", arrays["bias"]))
    value = graph.add("Gemm", inputs, f"{name}.linear", transB=1)
    return _activation(graph, f"{name}.activation", layer.activation, value)


_LOWERINGS = {
    "conv": _lower_conv,
    "mbconv": _lower_mbconv,
    "pool": _lower_pool,
    "linear": _lower_linear,
}


def _convolution(
    graph: _Graph, name: str, layer: LayerSpec, arrays: LayerWeights, part: str, value: str
) -> str:
    """A convolution with its folded batch-norm; only ``depthwise`` and ``conv`` have a window."""
    kernel = arrays[f"{part}weight"]
    size = kernel.shape[-1]
    return graph.add(
        "Conv",
        [
            value,
            graph.weight(f"{name}.weight", kernel),
            graph.weight(f"{name}.bias", arrays[f"{part}bias"]),
        ],
        f"{name}.conv",
        kernel_shape=[size, size],
        strides=[layer.stride if part in ("", "depthwise.") else 1] * 2,
        pads=[size // 2] * 4,
        group=layer.hidden_channels if part == "depthwise." else 1,
    )


def _squeeze_excite(
    graph: _Graph, name: str, layer: LayerSpec, arrays: LayerWeights, value: str
) -> str:
    gate = graph.add("GlobalAveragePool", [value], f"{name}.pool")
    for part in ("squeeze", "excite"):
        kernel = arrays[f"{part}.weight"][:, :, None, None]
        weight = graph.weight(f"{name}.{part}.weight", kernel)
        bias = graph.weight(f"{name}.{part}.bias", arrays[f"{part}.bias"])
        gate = graph.add("Conv", [gate, weight, bias], f"{name}.{part}", kernel_shape=[1, 1])
        if part == "squeeze":
            gate = graph.add("Relu", [gate], f"{name}.{part}.activation")
    if layer.gate == "hard_sigmoid":
        gate = graph.add("HardSigmoid", [gate], f"{name}.gate", alpha=1 / 6, beta=0.5)
    else:
        gate = graph.add("Sigmoid", [gate], f"{name}.gate")
    return graph.add("Mul", [value, gate], f"{name}.scale")


def _activation(graph: _Graph, name: str, activation: str, value: str) -> str:
    if activation == "relu":
        return graph.add("Relu", [value], name)
    if activation == "relu6":
        low = graph.constant(f"{name}.low", np.array(0, np.float32))
        high = graph.constant(f"{name}.high", np.array(6, np.float32))
        return graph.add("Clip", [value, low, high], name)
    if activation == "hard_swish":
        return graph.add("HardSwish", [value], name)
    return value


def _input_shape(chain: Sequence[LayerSpec]) -> list[int]:
    if not chain:
        return [1, 1]
    first = chain[0]
    if first.kind == "linear":
        return [1, first.in_channels]
    return [1, first.in_channels, first.resolution, first.resolution]


def _output_shape(chain: Sequence[LayerSpec]) -> list[int]:
    if not chain:
        return [1, 1]
    last = chain[-1]
    if last.kind in ("linear", "pool"):
        return [1, last.out_channels]
    return [1, last.out_channels, last.out_resolution, last.out_resolution]


def _value_info(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
