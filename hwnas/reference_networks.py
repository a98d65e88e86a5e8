"""Hand-made mobile networks as lists of layers: the baselines that a search has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hwnas.errors import InputError, UnknownNameError
from hwnas.layers import Activation, Gate, LayerSpec, check_chain, make_divisible


@dataclass(frozen=True, slots=True)
class _Stage:
    """Equal inverted residual blocks, of which only the first strides.

    Attributes:
        expansion: Ratio of hidden to input channels, or the hidden channels themselves at width
            1.0, as the family says.
    """

    expansion: int
    out_channels: int
    kernel_size: int
    stride: int
    repeats: int = 1
    squeezes: bool = False
    activation: Activation = "relu"


@dataclass(frozen=True, slots=True)
class _Family:
    """A published network and the rule by which its width multiplier works.

    Attributes:
        stem: Channels of the first convolution.
        stages: The blocks.
        head: Channels of the 1x1 convolution before pooling; None for six times its input.
        activation: Of stem and head.
        features: Width of a biased layer between pooling and classifier; 0 for none.
        hidden_given: Whether stages give hidden channels rather than ratios.
        squeeze_from: Which channels squeeze-excite keeps a quarter of.
        gate: Of squeeze-excite.
        scales_stem: Whether the width multiplier applies to the stem.
        scales_head: Whether it applies to the head: never, or only when it widens.
    """

    stem: int
    stages: tuple[_Stage, ...]
    head: int | None
    activation: Activation
    features: int = 0
    hidden_given: bool = False
    squeeze_from: Literal["hidden", "input"] = "hidden"
    gate: Gate = "hard_sigmoid"
    scales_stem: bool = True
    scales_head: Literal["never", "upwards"] = "never"


# Howard et al., "Searching for MobileNetV3" (ICCV 2019, https://arxiv.org/abs/1905.02244), tables
# 1 and 2. Widths scale as in torchvision: every layer, the wide one included, which the paper's
# own code leaves at full width below 1.0. Parameters count its bias, as torchvision's do.
_MOBILENET_V3_LARGE = _Family(
    stem=16,
    stages=(
        _Stage(16, 16, 3, 1),
        _Stage(64, 24, 3, 2),
        _Stage(72, 24, 3, 1),
        _Stage(72, 40, 5, 2, squeezes=True),
        _Stage(120, 40, 5, 1, repeats=2, squeezes=True),
        _Stage(240, 80, 3, 2, activation="hard_swish"),
        _Stage(200, 80, 3, 1, activation="hard_swish"),
        _Stage(184, 80, 3, 1, repeats=2, activation="hard_swish"),
        _Stage(480, 112, 3, 1, squeezes=True, activation="hard_swish"),
        _Stage(672, 112, 3, 1, squeezes=True, activation="hard_swish"),
        _Stage(672, 160, 5, 2, squeezes=True, activation="hard_swish"),
        _Stage(960, 160, 5, 1, repeats=2, squeezes=True, activation="hard_swish"),
    ),
    head=None,
    activation="hard_swish",
    features=1280,
    hidden_given=True,
)

_MOBILENET_V3_SMALL = _Family(
    stem=16,
    stages=(
        _Stage(16, 16, 3, 2, squeezes=True),
        _Stage(72, 24, 3, 2),
        _Stage(88, 24, 3, 1),
        _Stage(96, 40, 5, 2, squeezes=True, activation="hard_swish"),
        _Stage(240, 40, 5, 1, repeats=2, squeezes=True, activation="hard_swish"),
        _Stage(120, 48, 5, 1, squeezes=True, activation="hard_swish"),
        _Stage(144, 48, 5, 1, squeezes=True, activation="hard_swish"),
        _Stage(288, 96, 5, 2, squeezes=True, activation="hard_swish"),
        _Stage(576, 96, 5, 1, repeats=2, squeezes=True, activation="hard_swish"),
    ),
    head=None,
    activation="hard_swish",
    features=1024,
    hidden_given=True,
)

# Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018,
# https://arxiv.org/abs/1801.04381), table 2; section 4: below 1.0 the last convolution keeps its
# width.
_MOBILENET_V2 = _Family(
    stem=32,
    stages=(
        _Stage(1, 16, 3, 1, activation="relu6"),
        _Stage(6, 24, 3, 2, repeats=2, activation="relu6"),
        _Stage(6, 32, 3, 2, repeats=3, activation="relu6"),
        _Stage(6, 64, 3, 2, repeats=4, activation="relu6"),
        _Stage(6, 96, 3, 1, repeats=3, activation="relu6"),
        _Stage(6, 160, 3, 2, repeats=3, activation="relu6"),
        _Stage(6, 320, 3, 1, activation="relu6"),
    ),
    head=1280,
    activation="relu6",
    scales_head="upwards",
)

# Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile" (CVPR 2019,
# https://arxiv.org/abs/1807.11626), figure 7, with the channels of the authors' code and timm's
# semnasnet: squeeze-excite keeps a quarter of the block's input channels. The authors' first
# block never adds its input; ours does at width 0.25, where rounding makes its ends equal.
_MNASNET_A1 = _Family(
    stem=32,
    stages=(
        _Stage(1, 16, 3, 1),
        _Stage(6, 24, 3, 2, repeats=2),
        _Stage(3, 40, 5, 2, repeats=3, squeezes=True),
        _Stage(6, 80, 3, 2, repeats=4),
        _Stage(6, 112, 3, 1, repeats=2, squeezes=True),
        _Stage(6, 160, 5, 2, repeats=3, squeezes=True),
        _Stage(6, 320, 3, 1),
    ),
    head=1280,
    activation="relu",
    squeeze_from="input",
    gate="sigmoid",
)

# Tan and Le, "EfficientNet" (ICML 2019, https://arxiv.org/abs/1905.11946), table 1, in the Lite
# variant of the authors' code: no squeeze-excite, ReLU6, stem and head of fixed width.
_EFFICIENTNET_LITE0 = _Family(
    stem=32,
    stages=(
        _Stage(1, 16, 3, 1, activation="relu6"),
        _Stage(6, 24, 3, 2, repeats=2, activation="relu6"),
        _Stage(6, 40, 5, 2, repeats=2, activation="relu6"),
        _Stage(6, 80, 3, 2, repeats=3, activation="relu6"),
        _Stage(6, 112, 5, 1, repeats=3, activation="relu6"),
        _Stage(6, 192, 5, 2, repeats=4, activation="relu6"),
        _Stage(6, 320, 3, 1, activation="relu6"),
    ),
    head=1280,
    activation="relu6",
    scales_stem=False,
)

_FAMILIES: Mapping[str, _Family] = {
    "MobileNetV3-Large": _MOBILENET_V3_LARGE,
    "MobileNetV3-Small": _MOBILENET_V3_SMALL,
    "MobileNetV2": _MOBILENET_V2,
    "MnasNet-A1": _MNASNET_A1,
    "EfficientNet-Lite0": _EFFICIENTNET_LITE0,
}

REFERENCE_NAMES = tuple(_FAMILIES)
"""Names that `reference_network` knows."""

_Widths = dict[str, tuple[float, ...]]

_SMALL_IMAGE = 64
_SMALL_IMAGE_WIDTHS: _Widths = {
    "MobileNetV3-Small": (0.25, 0.5, 1.0),
    "MobileNetV3-Large": (0.25, 0.5),
    "MobileNetV2": (0.25, 0.5),
    "MnasNet-A1": (0.25, 0.5),
    "EfficientNet-Lite0": (0.25, 0.5),
}
_FINE_STEM_WIDTHS: _Widths = {
    "MobileNetV3-Small": (0.25, 0.5),
    "MobileNetV3-Large": (0.25,),
    "MobileNetV2": (0.25,),
    "MnasNet-A1": (0.25,),
    "EfficientNet-Lite0": (0.25,),
}
_WIDTHS: _Widths = {
    "MobileNetV3-Small": (0.75, 1.0),
    "MobileNetV3-Large": (0.75, 1.0),
    "MobileNetV2": (0.5, 0.75, 1.0),
    "MnasNet-A1": (0.5, 1.0),
    "EfficientNet-Lite0": (1.0,),
}


def reference_network(
    name: str,
    *,
    width_mult: float = 1.0,
    resolution: int = 224,
    classes: int = 1000,
    in_channels: int = 3,
    stem_stride: int = 2,
) -> tuple[LayerSpec, ...]:
    """A published network as layers.

    Args:
        name: One of `REFERENCE_NAMES`.
        width_mult: Scales channels by the family's own rule, to multiples of 8.
        resolution: Height and width of the images.
        classes: Outputs of the classifier.
        in_channels: Channels of the images.
        stem_stride: Of the first convolution; the papers' 2. With 1, as is usual for images of
            about 32 pixels, every feature map is twice as high and wide.

    Raises:
        UnknownNameError: There is no such network.
        InputError: A number is not positive.
    """
    if name not in _FAMILIES:
        raise UnknownNameError("reference network", name, REFERENCE_NAMES)
    numbers = {"width_mult": width_mult, "resolution": resolution, "classes": classes,
               "in_channels": in_channels, "stem_stride": stem_stride}  # fmt: skip
    for argument, number in numbers.items():
        if number <= 0:
            raise InputError(f"{argument} of {name} is {number}; expected more than 0.")
    family = _FAMILIES[name]
    stem = make_divisible(family.stem * width_mult) if family.scales_stem else family.stem
    layers = [
        LayerSpec(
            "conv", resolution, in_channels, stem,
            kernel_size=3, stride=stem_stride, activation=family.activation,
        )
    ]  # fmt: skip
    for stage in family.stages:
        for block in range(stage.repeats):
            stride = stage.stride if block == 0 else 1
            layers.append(_block(family, stage, layers[-1], stride, width_mult))
    layers += _head(family, layers[-1], width_mult, classes)
    return check_chain(layers)


def reference_set(
    resolution: int, classes: int, in_channels: int
) -> dict[str, tuple[LayerSpec, ...]]:
    """The baselines worth comparing with at a resolution, by labels as ``MobileNetV2 0.5``.

    Up to 64 pixels these are narrow networks, since full-width ones were made for ImageNet. With
    their 32-fold reduction they end on maps of a pixel or two there; so variants whose stem has
    stride 1, as is usual on such images, stand beside them, labelled ``MobileNetV2 0.25 s1``.
    """
    small = resolution <= _SMALL_IMAGE
    chosen = [(2, _SMALL_IMAGE_WIDTHS), (1, _FINE_STEM_WIDTHS)] if small else [(2, _WIDTHS)]
    return {
        f"{name} {width_mult}{' s1' if stem_stride == 1 else ''}": reference_network(
            name,
            width_mult=width_mult,
            resolution=resolution,
            classes=classes,
            in_channels=in_channels,
            stem_stride=stem_stride,
        )
        for stem_stride, widths_by_name in chosen
        for name, widths in widths_by_name.items()
        for width_mult in widths
    }


def _block(
    family: _Family, stage: _Stage, before: LayerSpec, stride: int, width_mult: float
) -> LayerSpec:
    given = before.out_channels
    hidden = make_divisible(stage.expansion * (width_mult if family.hidden_given else given))
    squeezed = given // 4 if family.squeeze_from == "input" else make_divisible(hidden // 4)
    return LayerSpec(
        kind="mbconv",
        resolution=before.out_resolution,
        in_channels=given,
        out_channels=make_divisible(stage.out_channels * width_mult),
        hidden_channels=hidden,
        kernel_size=stage.kernel_size,
        stride=stride,
        se_channels=squeezed if stage.squeezes else 0,
        activation=stage.activation,
        gate=family.gate,
    )


def _head(
    family: _Family, before: LayerSpec, width_mult: float, classes: int
) -> tuple[LayerSpec, ...]:
    if family.head is None:
        channels = 6 * before.out_channels
    elif family.scales_head == "upwards":
        channels = make_divisible(family.head * max(1.0, width_mult))
    else:
        channels = family.head
    resolution = before.out_resolution
    activation = family.activation
    head = [
        LayerSpec("conv", resolution, before.out_channels, channels, activation=activation),
        LayerSpec("pool", resolution, channels, channels),
    ]
    if family.features:
        features = make_divisible(family.features * width_mult)
        head.append(LayerSpec("linear", 1, channels, features, activation=activation, bias=True))
        channels = features
    return (*head, LayerSpec("linear", 1, channels, classes, bias=True))
