"""Entries of published tables as layers of ours; both known formats are of MobileNetV3's kind."""

from dataclasses import replace

from hwnas.layers import LayerSpec, make_divisible
from hwnas.published_tables._entries import Entry

Layers = tuple[LayerSpec, ...]
"""The layer that an entry is a figure of, then those whose time is in that figure too."""


def stem(entry: Entry) -> Layers:
    """The first convolution, 3x3 with stride 2."""
    layer = _plain(entry, LayerSpec("conv", *_sizes(entry), activation="hard_swish"))
    return (replace(layer, kernel_size=3, stride=2),)


def block(entry: Entry, *, hidden_channels: int, hard_swish: bool) -> Layers:
    """An inverted residual block; kernel, stride, se and idskip are in its options.

    Raises:
        FileFormatError: It cannot be, or adds its input where ours does not, or the reverse.
    """
    options = entry.options
    if options["kernel"] % 2 == 0:
        raise entry.fault(f"has kernel {options['kernel']}; expected an odd number")
    for name in ("stride", "expand"):
        if options[name] < 1:
            raise entry.fault(f"has {name} {options[name]}; expected 1 or more")
    layer = LayerSpec(
        "mbconv", *_sizes(entry), hidden_channels=hidden_channels,
        kernel_size=options["kernel"], stride=options["stride"],
        se_channels=make_divisible(hidden_channels // 4) if entry.flag("se") else 0,
        activation="hard_swish" if hard_swish else "relu",
    )  # fmt: skip
    if layer.residual != entry.flag("idskip"):
        raise entry.fault(
            f"has idskip {options['idskip']}; here blocks add their input whenever it has the "
            "shape of their output, and only then"
        )
    return (layer,)


def last_convolution(entry: Entry) -> Layers:
    """The 1x1 convolution before pooling."""
    return (_plain(entry, LayerSpec("conv", *_sizes(entry), activation="hard_swish")),)


def last_convolution_and_pool(entry: Entry) -> Layers:
    """The 1x1 convolution and the pooling after it, in one figure."""
    pooled = LayerSpec("pool", entry.out_resolution, entry.out_channels, entry.out_channels)
    return (*last_convolution(entry), pooled)


def pool(entry: Entry) -> Layers:
    """Global average pooling."""
    return (_plain(entry, LayerSpec("pool", *_sizes(entry))),)


def features(entry: Entry) -> Layers:
    """The wide layer between pooling and classifier, without a bias."""
    return (_plain(entry, LayerSpec("linear", *_sizes(entry), activation="hard_swish")),)


def classifier(entry: Entry) -> Layers:
    """The last layer, with a bias."""
    return (_plain(entry, LayerSpec("linear", *_sizes(entry), bias=True)),)


def _sizes(entry: Entry) -> tuple[int, int, int]:
    return entry.resolution, entry.in_channels, entry.out_channels


def _plain(entry: Entry, layer: LayerSpec) -> LayerSpec:
    """The layer of an entry that has no options."""
    entry.check_options()
    return layer
