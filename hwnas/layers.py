"""A layer as data, and what it costs: multiply-accumulates, parameters, bytes."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["empty", "conv", "mbconv", "pool", "linear"]
Activation = Literal["none", "relu", "relu6", "hard_swish"]
Gate = Literal["hard_sigmoid", "sigmoid"]


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer of a network, in full; a network is a sequence of them.

    Kinds:
        ``empty``: nothing; what an absent slot of an architecture points at.
        ``conv``: convolution, batch-norm, activation.
        ``mbconv``: inverted residual block: 1x1 expansion (left out when ``hidden_channels``
            equals ``in_channels``), depthwise convolution, squeeze-excite, 1x1 projection; each
            convolution with batch-norm, activation after the first two. The input is added
            when the shape is unchanged.
        ``pool``: global average pooling, (N, C, H, W) to (N, C).
        ``linear``: matrix product on (N, C), optionally a bias, activation. MobileNetV3's
            1x1 convolution after pooling is one.

    Attributes:
        kind: Which of the kinds above.
        resolution: Height and width of the input; 1 after pooling.
        in_channels: Channels in.
        out_channels: Channels out.
        hidden_channels: Channels of the depthwise convolution; 0 unless ``mbconv``.
        kernel_size: Odd; padding is ``kernel_size // 2`` on all sides.
        stride: Of the (depthwise) convolution.
        se_channels: Squeezed channels of the squeeze-excite; 0 for none.
        activation: The non-linearity.
        gate: The gate of the squeeze-excite, whose inner activation is ReLU.
        bias: Whether a ``linear`` layer adds a bias; convolutions get theirs from batch-norm.
    """

    kind: Kind
    resolution: int
    in_channels: int
    out_channels: int
    hidden_channels: int = 0
    kernel_size: int = 1
    stride: int = 1
    se_channels: int = 0
    activation: Activation = "none"
    gate: Gate = "hard_sigmoid"
    bias: bool = False

    @property
    def out_resolution(self) -> int:
        """Height and width of the output."""
        return 1 if self.kind == "pool" else -(-self.resolution // self.stride)

    @property
    def expands(self) -> bool:
        """Whether an ``mbconv`` has its 1x1 expansion."""
        return self.kind == "mbconv" and self.hidden_channels != self.in_channels

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        unchanged = self.stride == 1 and self.in_channels == self.out_channels
        return self.kind == "mbconv" and unchanged


EMPTY = LayerSpec(kind="empty", resolution=0, in_channels=0, out_channels=0)


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a layer as an inference runtime executes it, batch-norm folded, batch 1.

    Counts are elements, not bytes. Activations and the residual addition are computed in
    place by the step that produces their operand, so they are no steps of their own.

    Attributes:
        macs: Multiply-accumulates of convolutions and matrix products, without bias.
        params: Trained parameters, counting batch-norm's scale and shift.
        weights: Stored numbers once batch-norm is folded: weights and biases.
        read: Activation elements read.
        written: Activation elements written.
        live: Activation elements held while the step runs: its inputs, its output, and
            whatever a later step of the same layer still needs.
        kept: Of them, those that are held after the step beside its output.
        biases: Biases among ``weights``.
        filters: Output channels with weights of their own; quantized weights have a scale each.
        hard_swish: Elements of the output that a hard-swish is applied to: all or none.
    """

    macs: int
    params: int
    weights: int
    read: int
    written: int
    live: int
    kept: int = 0
    biases: int = 0
    filters: int = 0
    hard_swish: int = 0


def operations(layer: LayerSpec) -> Iterator[Operation]:
    """The steps of a layer, in order."""
    before = layer.resolution**2
    after = layer.out_resolution**2
    if layer.kind == "conv":
        fan_in = layer.in_channels * layer.kernel_size**2
        image = layer.in_channels * before
        yield _convolution(image, layer.out_channels, after, fan_in, activation=layer.activation)
    elif layer.kind == "mbconv":
        yield from _mbconv(layer, before, after)
    elif layer.kind == "pool":
        read = layer.in_channels * before
        yield Operation(0, 0, 0, read, layer.out_channels, read + layer.out_channels)
    elif layer.kind == "linear":
        yield _matrix_product(
            layer.in_channels, layer.out_channels, bias=layer.bias, activation=layer.activation
        )


def macs(layer: LayerSpec) -> int:
    """Multiply-accumulates for one image, without biases; 1 MAC is 2 FLOPs."""
    return sum(step.macs for step in operations(layer))


def params(layer: LayerSpec) -> int:
    """Trained parameters; a batch-norm counts its scale and shift, not its statistics."""
    return sum(step.params for step in operations(layer))


def weights(layer: LayerSpec) -> int:
    """Numbers that an exported file stores: weights and biases with batch-norm folded."""
    return sum(step.weights for step in operations(layer))


def biases(layer: LayerSpec) -> int:
    """Biases among the numbers that `weights` counts."""
    return sum(step.biases for step in operations(layer))


def filters(layer: LayerSpec) -> int:
    """Output channels with weights of their own; an int8 file holds a scale for each."""
    return sum(step.filters for step in operations(layer))


def hard_swish_elements(layer: LayerSpec) -> int:
    """Activation elements that go through a hard-swish, for one image."""
    return sum(step.hard_swish for step in operations(layer))


def int8_peak_bytes(layer: LayerSpec) -> int:
    """The most bytes of activations alive at once in an int8 network, for one image.

    As `peak_activations`, a byte an element; but hard-swish is computed in fp32, so that its
    elements are alive as int8 and as fp32 while they are converted.
    """
    steps = operations(layer)
    converted = 1 + 4
    return max((max(s.live, s.kept + converted * s.hard_swish) for s in steps), default=0)


def peak_activations(layer: LayerSpec) -> int:
    """The most activation elements alive at once while the layer runs, for one image.

    Liveness: a tensor lives from the step that writes it to the last step that reads it; a
    step needs its inputs and its output at the same time. A block's input lives until the
    residual addition. Weights are not included.
    """
    return max((step.live for step in operations(layer)), default=0)


def moved(layer: LayerSpec) -> int:
    """Elements moved for one image: each step reads its inputs and weights, writes its output."""
    return sum(step.read + step.written + step.weights for step in operations(layer))


def check_chain(layers: Iterable[LayerSpec]) -> tuple[LayerSpec, ...]:
    """The layers as a tuple, without empty ones, once it is certain that they fit together.

    Raises:
        ValueError: A layer's input is not the output of the one before.
    """
    chain = tuple(layer for layer in layers if layer.kind != "empty")
    for first, second in itertools.pairwise(chain):
        given = (first.out_channels, first.out_resolution)
        expected = (second.in_channels, second.resolution)
        if given != expected:
            raise ValueError(f"{second} cannot follow {first}: gets {given}, expects {expected}")
    return chain


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Channels rounded to a multiple of ``divisor``, never below 90 % of what was asked.

    The rule of the MobileNet papers' reference code, which Once-for-All uses too.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def _convolution(
    read: int,
    out_channels: int,
    positions: int,
    fan_in: int,
    *,
    activation: Activation = "none",
    held: int = 0,
    kept: int = 0,
) -> Operation:
    """A convolution with batch-norm: ``fan_in`` products for each of its outputs.

    Args:
        read: Elements read.
        out_channels: Channels written.
        positions: Height times width of the output.
        fan_in: Weights of a filter.
        activation: What follows.
        held: Elements of other tensors that live while it runs.
        kept: Elements of tensors beside the output that live on after it.
    """
    kernel = out_channels * fan_in
    written = out_channels * positions
    return Operation(
        macs=kernel * positions,
        params=kernel + 2 * out_channels,
        weights=kernel + out_channels,
        read=read,
        written=written,
        live=read + written + held,
        kept=kept,
        biases=out_channels,
        filters=out_channels,
        hard_swish=written if activation == "hard_swish" else 0,
    )


def _matrix_product(
    fan_in: int, fan_out: int, *, bias: bool, activation: Activation = "none", held: int = 0
) -> Operation:
    """A matrix product on a vector."""
    kernel = fan_in * fan_out
    biases = fan_out * bias
    return Operation(
        macs=kernel,
        params=kernel + biases,
        weights=kernel + biases,
        read=fan_in,
        written=fan_out,
        live=fan_in + fan_out + held,
        kept=held,
        biases=biases,
        filters=fan_out,
        hard_swish=fan_out if activation == "hard_swish" else 0,
    )


def _mbconv(layer: LayerSpec, before: int, after: int) -> Iterator[Operation]:
    hidden = layer.hidden_channels
    block_input = layer.in_channels * before
    held = block_input if layer.residual else 0
    if layer.expands:
        yield _convolution(
            block_input, hidden, before, layer.in_channels,
            activation=layer.activation, kept=held,
        )  # fmt: skip
    # without an expansion the depthwise step reads the block's input, which counts once
    held_beside_depthwise = held if layer.expands else 0
    yield _convolution(
        hidden * before, hidden, after, layer.kernel_size**2,
        activation=layer.activation, held=held_beside_depthwise, kept=held,
    )  # fmt: skip
    feature_map = hidden * after
    if layer.se_channels:
        yield from _squeeze_excite(layer, feature_map, held)
    yield _convolution(feature_map + held, layer.out_channels, after, hidden)


def _squeeze_excite(layer: LayerSpec, feature_map: int, held: int) -> Iterator[Operation]:
    hidden, squeezed = layer.hidden_channels, layer.se_channels
    waiting = feature_map + held
    yield Operation(0, 0, 0, feature_map, hidden, waiting + hidden)
    for fan_in, fan_out in ((hidden, squeezed), (squeezed, hidden)):
        yield _matrix_product(fan_in, fan_out, bias=True, held=waiting)
    # the scaling overwrites the feature map
    yield Operation(0, 0, 0, feature_map + hidden, feature_map, waiting + hidden)
