"""What the TOML file of a MobileNetV3 space says, and what it may not say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hwnas import files
from hwnas.errors import FileFormatError
from hwnas.layers import Activation, Gate, make_divisible


@dataclass(frozen=True, slots=True)
class Stem:
    """The first convolution."""

    width: int
    kernel_size: int = 3
    stride: int = 2
    activation: Activation = "hard_swish"

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks at one resolution; every list holds the choices, in the order genes count them.

    Attributes:
        width: Channels out of each block, before ``width_mult``.
        depth: Numbers of blocks; at least 1.
        kernel_size: Of each block's depthwise convolution; odd.
        expand_ratio: Of each block's hidden channels to its input channels.
        stride: Of the first block; the others have 1.
        se: Whether the blocks squeeze and excite.
        activation: Of the blocks.
    """

    width: tuple[int, ...]
    depth: tuple[int, ...]
    kernel_size: tuple[int, ...]
    expand_ratio: tuple[int | float, ...]
    stride: int = 1
    se: tuple[bool, ...] = (False,)
    activation: tuple[Activation, ...] = ("relu",)

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Head:
    """What follows the last stage: 1x1 convolution, pooling, a wide layer, the classifier.

    Attributes:
        conv_width: Channels of the 1x1 convolution; 0 for none.
        features: Width of the layer between pooling and classifier; 0 for none.
        activation: Of both.
        feature_bias: Whether the wide layer has a bias (MobileNetV3: yes; Once-for-All: no).
    """

    conv_width: int
    features: int = 0
    activation: Activation = "hard_swish"
    feature_bias: bool = False

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Definition:
    """A space of this family as its TOML file says it."""

    name: str
    resolutions: tuple[int, ...]
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head
    classes: int = 1000
    in_channels: int = 3
    width_mult: float = 1.0
    se_ratio: float = 0.25
    gate: Gate = "hard_sigmoid"

    __pydantic_config__ = files.STRICT


def resolution_after(resolution: int, definition: Definition, stages: int) -> int:
    """Resolution after the stem and the first ``stages`` stages."""
    strides = [definition.stem.stride, *(stage.stride for stage in definition.stages[:stages])]
    for stride in strides:
        resolution = -(-resolution // stride)
    return resolution


def scaled(width: int, definition: Definition) -> int:
    return make_divisible(width * definition.width_mult)


def hidden_channels(in_channels: int, expand_ratio: float) -> int:
    return make_divisible(round(in_channels * expand_ratio))


def check(definition: Definition, source: str) -> None:
    """Refuse a definition that pydantic cannot: empty, repeated or impossible choices."""
    lists: dict[str, Sequence[Any]] = {"resolutions": definition.resolutions}
    lists["stages"] = definition.stages
    for s, stage in enumerate(definition.stages):
        lists |= {f"stages.{s}.{name}": getattr(stage, name) for name in _CHOICES}
    for where, choices in lists.items():
        if not choices:
            raise FileFormatError(f"{source}: {where} is empty; give at least one choice.")
        if where != "stages" and len(set(choices)) != len(choices):
            raise FileFormatError(f"{source}: {where} repeats a choice: {list(choices)}.")
    _check_numbers(definition, source)
    _check_distinct(definition, source)


_CHOICES = ("width", "depth", "kernel_size", "expand_ratio", "se", "activation")


def _check_numbers(definition: Definition, source: str) -> None:
    kernels: dict[str, tuple[int, ...]] = {"stem.kernel_size": (definition.stem.kernel_size,)}
    positive: dict[str, Sequence[float]] = {
        "resolutions": definition.resolutions,
        "classes": (definition.classes,),
        "in_channels": (definition.in_channels,),
        "width_mult": (definition.width_mult,),
        "stem.width": (definition.stem.width,),
        "stem.stride": (definition.stem.stride,),
    }
    for s, stage in enumerate(definition.stages):
        kernels[f"stages.{s}.kernel_size"] = stage.kernel_size
        positive |= {
            f"stages.{s}.{name}": getattr(stage, name)
            for name in ("width", "depth", "expand_ratio")
        }
        positive[f"stages.{s}.stride"] = (stage.stride,)
    for where, values in (positive | kernels).items():
        if min(values) <= 0:
            raise FileFormatError(f"{source}: {where} is {min(values)}; expected more than 0.")
    for where, sizes in kernels.items():
        even = [size for size in sizes if size % 2 == 0]
        if even:
            raise FileFormatError(f"{source}: {where} is {even[0]}; expected an odd number.")


def _check_distinct(definition: Definition, source: str) -> None:
    """Refuse choices that rounding to multiples of 8 makes the same layer."""
    inputs = {scaled(definition.stem.width, definition)}
    for s, stage in enumerate(definition.stages):
        widths = {scaled(width, definition) for width in stage.width}
        if len(widths) < len(stage.width):
            raise FileFormatError(
                f"{source}: stages.{s}.width {list(stage.width)} rounds to the same channels "
                f"({sorted(widths)}) at width_mult {definition.width_mult}; choose wider steps."
            )
        inputs |= widths if max(stage.depth) > 1 else set()
        for channels in inputs:
            hidden = {hidden_channels(channels, ratio) for ratio in stage.expand_ratio}
            if len(hidden) < len(stage.expand_ratio):
                raise FileFormatError(
                    f"{source}: stages.{s}.expand_ratio {list(stage.expand_ratio)} gives the same "
                    f"hidden channels ({sorted(hidden)}) for {channels} channels; choose wider "
                    "steps."
                )
        inputs = widths
