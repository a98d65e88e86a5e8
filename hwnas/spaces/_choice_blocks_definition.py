"""What the TOML file of a space of choice blocks says, and what it may not say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hwnas import files
from hwnas.errors import FileFormatError
from hwnas.layers import Activation, Gate
from hwnas.spaces._mobilenet_v3_definition import Stem, hidden_channels

IDENTITY = "identity"
"""Name of the choice that does nothing, or the least that changes the shape."""


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted residual block that a position may hold.

    Attributes:
        name: What architectures call it.
        kernel_size: Of the depthwise convolution; odd.
        expand_ratio: Of hidden channels to input channels.
        se: Whether it squeezes and excites.
    """

    name: str
    kernel_size: int
    expand_ratio: int | float
    se: bool = False

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Stage:
    """Positions at one resolution; all have the same choices.

    Attributes:
        width: Channels out of each position.
        depth: Number of positions.
        stride: Of the first position; the others have 1.
    """

    width: int
    depth: int
    stride: int = 1

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Head:
    """What follows the last stage: a 1x1 convolution, pooling, the classifier."""

    conv_width: int
    activation: Activation = "relu"

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Definition:
    """A space of this family as its TOML file says it.

    Attributes:
        name: The preset's name, or the stem of the file.
        resolutions: Height and width of the images; a gene where there are several.
        stem: The first convolution.
        blocks: What each position chooses from.
        stages: The positions.
        head: The end.
        identity: Whether a position may also hold nothing, which is then the first choice. Where
            the shape must change, it is a 1x1 convolution with batch-norm, without activation.
        shared_weights: Whether a supernet cuts all blocks of a position from the largest, instead
            of giving each weights of its own.
        activation: Of the blocks.
        gate: Of their squeeze-excite.
        se_ratio: Of squeezed channels to hidden channels.
        classes: Of the classifier.
        in_channels: Of the images.
    """

    name: str
    resolutions: tuple[int, ...]
    stem: Stem
    blocks: tuple[Block, ...]
    stages: tuple[Stage, ...]
    head: Head
    identity: bool = True
    shared_weights: bool = False
    activation: Activation = "relu"
    gate: Gate = "hard_sigmoid"
    se_ratio: float = 0.25
    classes: int = 1000
    in_channels: int = 3

    __pydantic_config__ = files.STRICT

    @property
    def choices(self) -> tuple[str, ...]:
        """Names of what a position chooses from, in the order in which genes count them."""
        first = (IDENTITY,) if self.identity else ()
        return (*first, *(block.name for block in self.blocks))


def check(definition: Definition, source: str) -> None:
    """Refuse a definition that pydantic cannot: empty, repeated or impossible choices."""
    lists: dict[str, Sequence[Any]] = {
        "resolutions": definition.resolutions,
        "names of blocks": definition.choices,
    }
    for where, choices in lists.items():
        if len(set(choices)) != len(choices):
            raise FileFormatError(f"{source}: {where} repeats a choice: {list(choices)}.")
    for where in ("resolutions", "blocks", "stages"):
        if not getattr(definition, where):
            raise FileFormatError(f"{source}: {where} is empty; give at least one.")
    if len(definition.choices) < 2:
        raise FileFormatError(
            f"{source}: there is nothing to choose from; give a second block, or identity = true."
        )
    _check_numbers(definition, source)
    _check_distinct(definition, source)


def _check_numbers(definition: Definition, source: str) -> None:
    stem, head = definition.stem, definition.head
    positive: dict[str, float] = {
        "resolutions": min(definition.resolutions), "classes": definition.classes,
        "in_channels": definition.in_channels, "se_ratio": definition.se_ratio,
        "stem.width": stem.width, "stem.stride": stem.stride, "head.conv_width": head.conv_width,
    }  # fmt: skip
    kernels = {"stem.kernel_size": stem.kernel_size}
    for i, block in enumerate(definition.blocks):
        kernels[f"blocks.{i}.kernel_size"] = block.kernel_size
        positive[f"blocks.{i}.expand_ratio"] = block.expand_ratio
    for s, stage in enumerate(definition.stages):
        positive |= {f"stages.{s}.{n}": getattr(stage, n) for n in ("width", "depth", "stride")}
    for where, value in (positive | kernels).items():
        if value <= 0:
            raise FileFormatError(f"{source}: {where} is {value}; expected more than 0.")
    for where, size in kernels.items():
        if size % 2 == 0:
            raise FileFormatError(f"{source}: {where} is {size}; expected an odd number.")


def _check_distinct(definition: Definition, source: str) -> None:
    """Refuse choices that rounding to multiples of 8 makes the same layer."""
    for channels in {definition.stem.width, *(stage.width for stage in definition.stages)}:
        made = [
            (b.kernel_size, b.se, hidden_channels(channels, b.expand_ratio))
            for b in definition.blocks
        ]
        if len(set(made)) < len(made):
            raise FileFormatError(
                f"{source}: blocks makes the same layers of two choices for {channels} channels; "
                "choose other kernel sizes or wider steps of expand_ratio."
            )
