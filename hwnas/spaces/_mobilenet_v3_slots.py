"""Genes and slots of a MobileNetV3 space: which layer each slot holds for which choices."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

from hwnas.layers import EMPTY, LayerSpec, make_divisible
from hwnas.spaces._mobilenet_v3_definition import (
    Definition,
    Stage,
    hidden_channels,
    resolution_after,
    scaled,
)

GeneKey = tuple[str, int | None, int | None]
"""What is chosen, such as ``ks``, and for which stage and block."""

RESOLUTION: GeneKey = ("r", None, None)


@dataclass(frozen=True, slots=True)
class Gene:
    """One integer of an architecture, with the key and the choices it stands for.

    ``stage`` and ``block`` are None where the gene speaks for the whole network or stage.
    """

    key: str
    choices: tuple[Any, ...]
    stage: int | None = None
    block: int | None = None

    @property
    def place(self) -> GeneKey:
        """What identifies the gene."""
        return (self.key, self.stage, self.block)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that holds one layer.

    Attributes:
        keys: What its layer depends on, the slowest first.
        layers: Its layer for each combination of their choices; empty where it is absent.
    """

    keys: tuple[GeneKey, ...]
    layers: tuple[LayerSpec, ...]

    @property
    def largest(self) -> LayerSpec:
        """The layer from which all of the slot's layers can be cut."""
        present = [layer for layer in self.layers if layer.kind != "empty"]
        sizes = {size: max(getattr(layer, size) for layer in present) for size in _SIZES}
        return replace(present[0], **sizes)


_SIZES = (
    "resolution", "in_channels", "out_channels", "hidden_channels", "kernel_size", "se_channels",
)  # fmt: skip


def stage_choices(stage: Stage) -> dict[str, tuple[Any, ...]]:
    """A stage's choices by the keys that genes have."""
    return {
        "w": stage.width,
        "se": stage.se,
        "act": stage.activation,
        "d": stage.depth,
        "ks": stage.kernel_size,
        "e": stage.expand_ratio,
    }


def genes_of(definition: Definition) -> tuple[Gene, ...]:
    """The genes of a space in order; what has a single choice has none."""
    genes = [Gene("r", definition.resolutions)]
    for s, stage in enumerate(definition.stages):
        choices = stage_choices(stage)
        genes += [Gene(key, choices[key], s) for key in ("w", "se", "act", "d")]
    for s, stage in enumerate(definition.stages):
        for b in range(max(stage.depth)):
            genes += [Gene("ks", stage.kernel_size, s, b), Gene("e", stage.expand_ratio, s, b)]
    return tuple(gene for gene in genes if len(gene.choices) > 1)


def slots_of(definition: Definition) -> tuple[Slot, ...]:
    """The slots of a space in order: stem, blocks at full depth, head."""
    slots = [_stem_slot(definition)]
    for s, stage in enumerate(definition.stages):
        slots += [_block_slot(definition, s, b) for b in range(max(stage.depth))]
    return (*slots, *_head_slots(definition))


def _stem_slot(definition: Definition) -> Slot:
    stem = definition.stem
    layers = (
        LayerSpec(
            "conv", r, definition.in_channels, scaled(stem.width, definition),
            kernel_size=stem.kernel_size, stride=stem.stride, activation=stem.activation,
        )
        for r in definition.resolutions
    )  # fmt: skip
    return Slot((RESOLUTION,), tuple(layers))


def _block_slot(definition: Definition, s: int, b: int) -> Slot:
    stage = definition.stages[s]
    before: tuple[GeneKey, ...] = ()
    inputs: tuple[int | None, ...] = (None,)  # a later block's input is its own stage's width
    if b == 0 and s > 0:
        before = (("w", s - 1, None),)
        inputs = tuple(scaled(width, definition) for width in definition.stages[s - 1].width)
    elif b == 0:
        inputs = (scaled(definition.stem.width, definition),)
    of_stage: tuple[GeneKey, ...] = tuple((key, s, None) for key in ("w", "se", "act", "d"))
    keys = (RESOLUTION, *before, *of_stage, ("ks", s, b), ("e", s, b))
    passed = s if b == 0 else s + 1
    layers = []
    for r, given, width, se, activation, depth, kernel_size, expand_ratio in itertools.product(
        [resolution_after(r, definition, passed) for r in definition.resolutions],
        inputs, stage.width, stage.se, stage.activation, stage.depth, stage.kernel_size,
        stage.expand_ratio,
    ):  # fmt: skip
        out_channels = scaled(width, definition)
        in_channels = out_channels if given is None else given
        hidden = hidden_channels(in_channels, expand_ratio)
        layer = LayerSpec(
            kind="mbconv",
            resolution=r,
            in_channels=in_channels,
            out_channels=out_channels,
            hidden_channels=hidden,
            kernel_size=kernel_size,
            stride=stage.stride if b == 0 else 1,
            se_channels=make_divisible(hidden * definition.se_ratio) if se else 0,
            activation=activation,
            gate=definition.gate,
        )
        layers.append(layer if b < depth else EMPTY)
    return Slot(keys, tuple(layers))


def _head_slots(definition: Definition) -> list[Slot]:
    head, stages = definition.head, definition.stages
    sizes = [resolution_after(r, definition, len(stages)) for r in definition.resolutions]
    widths = [scaled(width, definition) for width in stages[-1].width]
    # the width that the last stage chose matters until a layer of fixed width follows
    by_width: tuple[GeneKey, ...] = (("w", len(stages) - 1, None),)
    slots = []
    if head.conv_width:
        out = scaled(head.conv_width, definition)
        layers = [
            LayerSpec("conv", r, width, out, activation=head.activation)
            for r, width in itertools.product(sizes, widths)
        ]
        slots.append(Slot((RESOLUTION, *by_width), tuple(layers)))
        widths, by_width = [out], ()
    pools = [LayerSpec("pool", r, width, width) for r, width in itertools.product(sizes, widths)]
    slots.append(Slot((RESOLUTION, *by_width), tuple(pools)))
    if head.features:
        out = scaled(head.features, definition)
        wide = [
            LayerSpec("linear", 1, width, out, activation=head.activation, bias=head.feature_bias)
            for width in widths
        ]
        slots.append(Slot(by_width, tuple(wide)))
        widths, by_width = [out], ()
    classifiers = [LayerSpec("linear", 1, width, definition.classes, bias=True) for width in widths]
    return [*slots, Slot(by_width, tuple(classifiers))]
