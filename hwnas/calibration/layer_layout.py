"""Where the layers of a catalog stand and what kind they are, told from the layers themselves."""

from collections.abc import Sequence

import numpy as np

from hwnas.calibration.layout import Layout
from hwnas.layers import LayerSpec


def layer_layout(layers: Sequence[LayerSpec]) -> Layout:
    """The layout of layers of any networks, in their order.

    A layer stands where its number of input channels says, on a logarithmic scale: it grows along
    every network, whatever the resolution. Of one kind are layers that run the same steps, however
    large; how wide they expand is in what they cost when measured alone.
    """
    positions = [float(np.log2(max(layer.in_channels, 1))) for layer in layers]
    known: dict[tuple[object, ...], int] = {}
    kinds = [
        -1 if layer.kind == "empty" else known.setdefault(_steps(layer), len(known))
        for layer in layers
    ]
    return Layout(np.array(positions), np.array(kinds))


def _steps(layer: LayerSpec) -> tuple[object, ...]:
    return (
        layer.kind, layer.kernel_size, layer.stride, layer.expands, layer.se_channels > 0,
        layer.activation,
    )  # fmt: skip
