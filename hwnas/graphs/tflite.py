"""Layers and weights as a TFLite model, written operator by operator; nothing is traced.

Needs the extra ``litert``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwnas import extras
from hwnas.layer_weights import LayerWeights
from hwnas.layers import LayerSpec, check_chain

PRECISIONS = ("fp32", "fp16", "int8")
LAYOUT = "NHWC"

_DEPTHWISE_TAPS = 25  # XNNPACK's largest depthwise kernel
_IMAGE_CHANNELS = 4

_FUSED = {"none": "NONE", "relu": "RELU", "relu6": "RELU6", "hard_swish": "NONE"}


def lower(
    layers: Sequence[LayerSpec],
    weights: Sequence[LayerWeights],
    *,
    precision: str = "fp32",
    calibration: NDArray[np.float32] | None = None,
    inner: bool = False,
) -> bytes:
    """A network, or a part of one, as TFLite bytes: batch 1, NHWC.

    Batch-norm is folded already; relu and relu6 are fused into the operator before them,
    hard-swish is the native operator. A convolution of stride 2 pads explicitly where torch pads
    otherwise than TFLite. A depthwise window of 7 is the sum of three parts, which XNNPACK runs
    many times faster. The file has one signature.

    Args:
        layers: Layers that follow each other. Without any, the model hands its input through,
            which is how a runtime's own overhead is timed.
        weights: Of each layer, as `hwnas.layer_weights` names them.
        precision: ``fp32``; ``fp16``: weights and biases stored in half precision, computed in
            fp32; ``int8``: see `hwnas.graphs._tflite_quantization`.
        calibration: For int8, inputs of the network, (N, C, H, W) or (N, C); None for made-up
            ranges, which do for timing.
        inner: Whether this is a part from inside a network: at int8 it then takes and gives
            integers, as it does there.

    Returns:
        A model with one input ``input``, (1, H, W, C) or (1, C) after pooling, and one output
        ``output``, both fp32 unless ``inner``.

    Raises:
        ExtraMissingError: ai-edge-litert or, for int8, ai-edge-quantizer is not installed.
        InputError: The calibration inputs are none, or of another shape.
    """
    extras.require("ai_edge_litert", extra="litert", purpose="writing TFLite models")
    chain = check_chain(layers)
    content = _Lowering(half=precision == "fp16").lower(chain, weights)
    if precision == "int8" and chain:
        extras.require("ai_edge_quantizer", extra="litert", purpose="writing int8 TFLite models")
        from hwnas.graphs._tflite_quantization import quantize

        # as they are inside a network, where a first layer is given fp32
        stays = _stays_fp32(chain[0])
        return quantize(
            content, calibration, keep=[_layer_name(0, chain)] if stays else [],
            inner_input=inner and not stays, inner_output=inner,
        )  # fmt: skip
    return content


def check(content: bytes) -> None:
    """Load the model into LiteRT's interpreter, which prepares every operator.

    Raises:
        ValueError: The model is not valid.
    """
    extras.require("ai_edge_litert", extra="litert", purpose="checking TFLite models")
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # without a delegate, which would take operators away before they are looked at
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        Interpreter(
            model_content=content, num_threads=1, experimental_op_resolver_type=kernels
        ).allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ValueError(str(error)) from error


class _Lowering:
    """One pass over the layers; a tensor is its index, and its shape is kept here."""

    def __init__(self, *, half: bool) -> None:
        # the schema's classes take 0.2 s to import, and listing formats must not
        from ai_edge_litert import schema_py_generated

        from hwnas.graphs._tflite_file import TFLiteFile

        self._schema: Any = schema_py_generated
        self._file = TFLiteFile()
        self._half = half
        self._shapes: dict[int, tuple[int, ...]] = {}

    def lower(self, chain: Sequence[LayerSpec], weights: Sequence[LayerWeights]) -> bytes:
        given = value = self._activation("input", _input_shape(chain))
        for index, (layer, arrays) in enumerate(zip(chain, weights, strict=True)):
            name = _layer_name(index, chain)
            value = getattr(self, f"_{layer.kind}")(name, layer, arrays, value)
        if not chain:
            value = self._operator("RELU", "output", [given], self._shapes[given])
        return self._file.finish(given, value)

    def _conv(self, name: str, layer: LayerSpec, arrays: LayerWeights, value: int) -> int:
        return self._convolution(
            name, value, arrays["weight"], arrays["bias"], stride=layer.stride,
            activation=layer.activation,
        )  # fmt: skip

    def _mbconv(self, name: str, layer: LayerSpec, arrays: LayerWeights, value: int) -> int:
        block_input = value
        activation = layer.activation
        if layer.expands:
            value = self._convolution(
                f"{name}.expand", value, arrays["expand.weight"], arrays["expand.bias"],
                activation=activation,
            )  # fmt: skip
        value = self._depthwise(
            f"{name}.depthwise", value, arrays["depthwise.weight"], arrays["depthwise.bias"],
            stride=layer.stride, activation=activation,
        )  # fmt: skip
        if layer.se_channels:
            value = self._squeeze_excite(f"{name}.se", layer, arrays, value)
        projected = f"{name}.project" if layer.residual else name
        weight, bias = arrays["project.weight"], arrays["project.bias"]
        value = self._convolution(projected, value, weight, bias)
        if layer.residual:
            options = self._schema.AddOptionsT()
            inputs = [value, block_input]
            value = self._operator("ADD", name, inputs, self._shapes[value], options)
        return value

    def _pool(self, name: str, layer: LayerSpec, arrays: LayerWeights, value: int) -> int:
        del layer, arrays
        return self._mean(name, value)

    def _linear(self, name: str, layer: LayerSpec, arrays: LayerWeights, value: int) -> int:
        return self._matrix_product(
            name, value, arrays["weight"], arrays.get("bias"), activation=layer.activation
        )

    def _squeeze_excite(self, name: str, layer: LayerSpec, arrays: LayerWeights, value: int) -> int:
        gate = self._mean(f"{name}.pool", value)
        gate = self._matrix_product(
            f"{name}.squeeze", gate, arrays["squeeze.weight"], arrays["squeeze.bias"],
            activation="relu",
        )  # fmt: skip
        weight, bias = arrays["excite.weight"], arrays["excite.bias"]
        if layer.gate == "hard_sigmoid":
            # hard-sigmoid is relu6(x + 3) / 6, and the 3 goes into the bias
            gate = self._matrix_product(
                f"{name}.excite", gate, weight, bias + np.float32(3), activation="relu6"
            )
            sixth = self._constant(f"{name}.sixth", np.array(1 / 6, np.float32), exact=True)
            gate = self._product(f"{name}.gate", gate, sixth)
        else:
            gate = self._matrix_product(f"{name}.excite", gate, weight, bias)
            gate = self._operator("LOGISTIC", f"{name}.gate", [gate], self._shapes[gate])
        return self._product(f"{name}.scale", value, gate)

    def _depthwise(
        self,
        name: str,
        value: int,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32],
        *,
        stride: int,
        activation: str,
    ) -> int:
        """A depthwise convolution; a window too wide for XNNPACK's kernels as a sum of parts."""
        parts = _parts(kernel.shape[-1])
        if len(parts) == 1:
            return self._convolution(
                name, value, kernel, bias, stride=stride, activation=activation, depthwise=True
            )
        total = None
        for i, rows in enumerate(parts):
            part = self._convolution(
                f"{name}.part{i}", value, kernel[:, :, rows], bias, stride=stride,
                row_dilation=rows[1] - rows[0] if len(rows) > 1 else 1, depthwise=True,
            )  # fmt: skip
            bias = np.zeros_like(bias)
            if total is None:
                total = part
                continue
            last = i == len(parts) - 1
            total = self._activated(
                "ADD", name if last else f"{name}.sum{i}", [total, part], self._shapes[part],
                self._schema.AddOptionsT(), activation if last else "none",
            )  # fmt: skip
        assert total is not None
        return total

    def _convolution(
        self,
        name: str,
        value: int,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32],
        *,
        stride: int = 1,
        row_dilation: int = 1,
        activation: str = "none",
        depthwise: bool = False,
    ) -> int:
        """A convolution with its activation; kernels come as torch has them, (O, I, K, K)."""
        out = kernel.shape[0]
        rows, columns = (kernel.shape[2] - 1) * row_dilation + 1, kernel.shape[3]
        height = self._shapes[value][1]
        # TFLite's own padding is torch's where both sides get the same
        same = columns > 1 and (height - 1) % stride == 0
        if columns > 1 and not same:
            value = self._pad(f"{name}.pad", value, rows // 2, columns // 2)
        operator = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        kind = self._schema.DepthwiseConv2DOptionsT if depthwise else self._schema.Conv2DOptionsT
        options = kind()
        options.strideH = options.strideW = stride
        options.dilationHFactor, options.dilationWFactor = row_dilation, 1
        options.padding = self._schema.Padding.SAME if same else self._schema.Padding.VALID
        if depthwise:
            options.depthMultiplier = 1
        axes = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        inputs = [
            value,
            self._constant(f"{name}.weight", kernel.transpose(axes)),
            self._constant(f"{name}.bias", bias),
        ]
        after = (height - 1) // stride + 1
        shape = (1, after, after, out)
        return self._activated(operator, name, inputs, shape, options, activation)

    def _matrix_product(
        self,
        name: str,
        value: int,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        *,
        activation: str = "none",
    ) -> int:
        inputs = [
            value,
            self._constant(f"{name}.weight", weight),
            -1 if bias is None else self._constant(f"{name}.bias", bias),
        ]
        options = self._schema.FullyConnectedOptionsT()
        options.keepNumDims = True
        shape = (1, weight.shape[0])
        return self._activated("FULLY_CONNECTED", name, inputs, shape, options, activation)

    def _activated(
        self,
        operator: str,
        name: str,
        inputs: Sequence[int],
        shape: tuple[int, ...],
        options: Any,
        activation: str,
    ) -> int:
        """An operator with what it can fuse, then what it cannot."""
        fused = getattr(self._schema.ActivationFunctionType, _FUSED[activation])
        options.fusedActivationFunction = fused
        if activation != "hard_swish":
            return self._operator(operator, name, inputs, shape, options)
        value = self._operator(operator, f"{name}.linear", inputs, shape, options)
        return self._operator("HARD_SWISH", name, [value], shape)

    def _mean(self, name: str, value: int) -> int:
        axes = self._file.constant(f"{name}.axes", np.array([1, 2], np.int32))
        options = self._schema.ReducerOptionsT()
        shape = (1, self._shapes[value][-1])
        return self._operator("MEAN", name, [value, axes], shape, options)

    def _pad(self, name: str, value: int, rows: int, columns: int) -> int:
        sizes = np.array([[0, 0], [rows, rows], [columns, columns], [0, 0]], np.int32)
        sides = self._file.constant(f"{name}.sizes", sizes)
        _, height, width, channels = self._shapes[value]
        shape = (1, height + 2 * rows, width + 2 * columns, channels)
        return self._operator("PAD", name, [value, sides], shape, self._schema.PadOptionsT())

    def _product(self, name: str, left: int, right: int) -> int:
        options = self._schema.MulOptionsT()
        return self._operator("MUL", name, [left, right], self._shapes[left], options)

    def _constant(self, name: str, array: NDArray[np.float32], *, exact: bool = False) -> int:
        """A weight; in half precision with an operator behind it that widens it on loading."""
        if not self._half or exact:
            return self._file.constant(name, array)
        stored = self._file.constant(f"{name}.half", array.astype(np.float16))
        options = self._schema.DequantizeOptionsT()
        return self._operator("DEQUANTIZE", name, [stored], array.shape, options)

    def _activation(self, name: str, shape: tuple[int, ...]) -> int:
        tensor = self._file.activation(name, shape)
        self._shapes[tensor] = shape
        return tensor

    def _operator(
        self,
        operator: str,
        name: str,
        inputs: Sequence[int],
        shape: tuple[int, ...],
        options: Any = None,
    ) -> int:
        return self._file.operator(operator, inputs, self._activation(name, shape), options)


def _layer_name(index: int, chain: Sequence[LayerSpec]) -> str:
    """Name of a layer's output, with which the names inside it begin."""
    return f"layer{index}" if index < len(chain) - 1 else "output"


def _stays_fp32(first: LayerSpec) -> bool:
    """Whether a network's first layer stays in fp32 in an int8 file.

    It reads the fp32 image, and XNNPACK's int8 kernels fill vectors of 8 to 64 input channels
    with the 1 to 4 that there are: on AMX that took 3 times as long as fp32.
    """
    return first.kind == "conv" and first.in_channels <= _IMAGE_CHANNELS


def _parts(size: int) -> list[list[int]]:
    """Rows of a depthwise window in parts that XNNPACK has kernels for, symmetric about its middle.

    XNNPACK's depthwise kernels end at 25 taps. A wider window falls back on a convolution with as
    many groups as channels, which was measured 7 times slower in fp32 and 30 times in int8 than
    the sum of three parts. A part is the middle rows, or two rows equally far from the middle,
    which a dilation puts there.

    Args:
        size: Rows and columns of the window, odd.

    Returns:
        Row indices of each part; one part with all rows where a single kernel does.
    """
    if size * size <= _DEPTHWISE_TAPS:
        return [[*range(size)]]
    middle = size // 2
    around = 1 if 3 * size <= _DEPTHWISE_TAPS else 0
    pairs = [[row, size - 1 - row] for row in range(middle - around)]
    return [[*range(middle - around, middle + around + 1)], *pairs]


def _input_shape(chain: Sequence[LayerSpec]) -> tuple[int, ...]:
    if not chain:
        return (1, 1)
    first = chain[0]
    if first.kind == "linear":
        return (1, first.in_channels)
    return (1, first.resolution, first.resolution, first.in_channels)
