"""Slots of a space of choice blocks: which layer each holds for which choice."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hwnas.layers import EMPTY, LayerSpec, make_divisible
from hwnas.spaces._choice_blocks_definition import Block, Definition
from hwnas.spaces._mobilenet_v3_definition import hidden_channels

_SIZES = ("resolution", "hidden_channels", "kernel_size", "se_channels")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that holds one layer at most.

    Attributes:
        position: Whose choice decides; None where the layer is always the same.
        layers: Resolution by resolution its layer for each choice, empty where it holds none; a
            single one where there is no choice.
    """

    position: int | None
    layers: tuple[tuple[LayerSpec, ...], ...]

    @property
    def largest(self) -> LayerSpec:
        """The layer from which all of the slot's layers can be cut."""
        present = [layer for row in self.layers for layer in row if layer != EMPTY]
        sizes = {size: max(getattr(layer, size) for layer in present) for size in _SIZES}
        return replace(present[0], **sizes)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a position is given and must give."""

    resolution: int
    in_channels: int
    out_channels: int
    stride: int

    @property
    def changes(self) -> bool:
        return self.stride != 1 or self.in_channels != self.out_channels


def slots_of(definition: Definition) -> list[Slot]:
    """The slots of a space in order."""
    whole = [_slots_at(definition, resolution) for resolution in definition.resolutions]
    return [
        Slot(slots[0][0], tuple(layers for _, layers in slots))
        for slots in zip(*whole, strict=True)
    ]


_AtOneResolution = tuple[int | None, tuple[LayerSpec, ...]]
"""Position and layers of a slot, as `Slot` has them, at one resolution of the images."""


def _slots_at(definition: Definition, resolution: int) -> list[_AtOneResolution]:
    """All slots at one resolution of the images."""
    stem, head = definition.stem, definition.head
    first = LayerSpec(
        "conv", resolution, definition.in_channels, stem.width, kernel_size=stem.kernel_size,
        stride=stem.stride, activation=stem.activation,
    )  # fmt: skip
    slots: list[_AtOneResolution] = [(None, (first,))]
    size, channels, position = first.out_resolution, stem.width, 0
    for stage in definition.stages:
        for index in range(stage.depth):
            shape = _Shape(size, channels, stage.width, stage.stride if index == 0 else 1)
            slots += [(position, layers) for layers in _choices(definition, shape)]
            size, channels, position = -(-size // shape.stride), stage.width, position + 1
    wide = head.conv_width
    for layer in (
        LayerSpec("conv", size, channels, wide, activation=head.activation),
        LayerSpec("pool", size, wide, wide),
        LayerSpec("linear", 1, wide, definition.classes, bias=True),
    ):
        slots.append((None, (layer,)))
    return slots


def _choices(definition: Definition, shape: _Shape) -> Iterator[tuple[LayerSpec, ...]]:
    """The slots of a position: each layer for each choice.

    An identity that changes the shape is another kind of layer and needs a slot of its own.
    """
    blocks = [_block(definition, block, shape) for block in definition.blocks]
    before = [EMPTY] if definition.identity else []
    if before and shape.changes:
        bare = LayerSpec(
            "conv", shape.resolution, shape.in_channels, shape.out_channels, stride=shape.stride
        )
        yield (bare, *[EMPTY] * len(blocks))
    if definition.shared_weights:
        yield (*before, *blocks)
    else:
        for own in range(len(blocks)):
            yield (*before, *(b if i == own else EMPTY for i, b in enumerate(blocks)))


def _block(definition: Definition, block: Block, shape: _Shape) -> LayerSpec:
    hidden = hidden_channels(shape.in_channels, block.expand_ratio)
    return LayerSpec(
        kind="mbconv",
        resolution=shape.resolution,
        in_channels=shape.in_channels,
        out_channels=shape.out_channels,
        hidden_channels=hidden,
        kernel_size=block.kernel_size,
        stride=shape.stride,
        se_channels=make_divisible(hidden * definition.se_ratio) if block.se else 0,
        activation=definition.activation,
        gate=definition.gate,
    )
