"""What is known of two published spaces beside their choices: sizes of operations, and unused ones.

FBNet (Wu and others, 2019) as HW-NAS-Bench measured it: 22 layers of a choice each, 32 px images.
NAS-Bench-201 (Dong and Yang, 2020): six edges between four nodes of a cell, an operation each.
"""

from dataclasses import dataclass

import numpy as np

from hwnas.calibration import Layout, one_hot
from hwnas.catalog import FloatArray, IntArray

SPACES = ("fbnet", "nasbench201", "none")

# kernel, expansion, groups; skipping comes last
_BLOCKS = ((3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1))
# layers, channels, stride
_STAGES = ((1, 16, 1), (4, 24, 1), (4, 32, 2), (4, 64, 2), (4, 112, 1), (4, 184, 2), (1, 352, 1))
_STEM_CHANNELS, _PIXELS = 16, 32

_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_NONE, _SKIP, _CONV_1X1, _CONV_3X3, _POOL = range(5)


@dataclass(frozen=True, eq=False)
class Description:
    """Networks of a file as counts of whatever may cost something.

    Attributes:
        space: Its name; ``none`` where nothing is known beside the choices.
        counts: Shape (networks, columns).
        layout: Of the columns.
        quantities: Sizes of what a column stands for, shape (columns, quantities); None where
            nothing is known.
    """

    space: str
    counts: FloatArray
    layout: Layout
    quantities: FloatArray | None


def recognised(cardinalities: IntArray) -> str:
    """The space that a file is of, by its choices."""
    sizes = tuple(int(size) for size in cardinalities)
    return {(9,) * 22: "fbnet", (5,) * 6: "nasbench201"}.get(sizes, "none")


def described(genes: IntArray, cardinalities: IntArray, *, space: str) -> Description:
    """Networks with all that is known of their space.

    Args:
        genes: Shape (networks, positions).
        cardinalities: Number of choices at each position, shape (positions,).
        space: One of `SPACES`.
    """
    counts, layout = one_hot(genes, cardinalities), Layout.of_choices(cardinalities)
    if space == "fbnet":
        return Description(space, counts, layout, fbnet_quantities())
    if space == "nasbench201":
        return _with_unused(genes, counts, layout)
    return Description("none", counts, layout, None)


def fbnet_quantities() -> FloatArray:
    """Of each choice, shape (198, 7).

    Multiply-accumulates of pointwise and of depthwise convolutions, weights, numbers written by
    all convolutions and by the depthwise one, output pixels, convolutions.
    """
    rows, channels, pixels = [], _STEM_CHANNELS, _PIXELS
    for layers, out_channels, first_stride in _STAGES:
        for layer in range(layers):
            stride = first_stride if layer == 0 else 1
            sizes = channels, out_channels, pixels**2, (pixels // stride) ** 2
            rows += [_block(*block, *sizes) for block in _BLOCKS]
            rows.append(_skip(*sizes))
            channels, pixels = out_channels, pixels // stride
    return np.array(rows, dtype=np.float64)


def _block(
    kernel: int, expansion: int, groups: int, channels: int, out_channels: int, before: int,
    after: int,
) -> tuple[float, ...]:  # fmt: skip
    hidden = channels * expansion
    pointwise = (channels * hidden * before + hidden * out_channels * after) / groups
    weights = hidden * (channels + out_channels) / groups + hidden * kernel**2
    written = hidden * (before + after) + out_channels * after
    return (
        pointwise, hidden * kernel**2 * after, weights, written, hidden * after, after,
        3 + (groups > 1),
    )  # fmt: skip


def _skip(channels: int, out_channels: int, before: int, after: int) -> tuple[float, ...]:
    """Nothing, or a 1x1 convolution where the shape changes."""
    if (channels, before) == (out_channels, after):
        return (0.0,) * 7
    weights = channels * out_channels
    return (weights * after, 0, weights, out_channels * after, 0, after, 1)


def _with_unused(genes: IntArray, counts: FloatArray, layout: Layout) -> Description:
    """Operations again, as far as the cell's output depends on them, and what graphs cost beside.

    Some runtimes leave out what nothing depends on, such as all of a cell without a path. A node's
    sum that a skip or a pool reads as it is cannot be fused away into the ReLU that every
    convolution begins with; where it costs more, this may be why.
    """
    used, connected = used_operations(genes)
    kinds = int(layout.kinds.max()) + 1
    again = one_hot(used, np.full(len(_EDGES), kinds))
    quantities = np.zeros((2 * len(layout) + 3, 9))
    for block in (0, 1):
        rows = slice(block * len(layout), (block + 1) * len(layout))
        quantities[rows, 4 * block : 4 * block + 4] = _cell_quantities(layout.kinds)
    quantities[-2:, 8] = 1
    return Description(
        "nasbench201",
        np.column_stack([counts, again, ~connected, kept_nodes(used)]),
        Layout(
            np.concatenate([layout.positions, layout.positions, [layout.positions.mean(), 1, 2]]),
            np.concatenate([layout.kinds, layout.kinds + kinds, 2 * kinds + np.array([0, 1, 1])]),
        ),
        quantities,
    )


def kept_nodes(used: IntArray) -> np.ndarray:
    """Whether a skip or a pool reads nodes 1 and 2 as they are, shape (networks, 2).

    Args:
        used: Genes without the operations that the output does not depend on.
    """
    as_it_is = np.isin(used, (_SKIP, _POOL))
    starts = np.array([start for start, _ in _EDGES])
    return np.stack([as_it_is[:, starts == node].any(axis=1) for node in (1, 2)], axis=1)


def used_operations(genes: IntArray) -> tuple[IntArray, np.ndarray]:
    """Genes without the operations that the output does not depend on, and which have a path.

    Args:
        genes: Shape (networks, edges).

    Returns:
        Genes, none in place of what is not used, and whether any path leads from input to output,
        shape (networks,).
    """
    live = genes != _NONE
    leads = np.zeros((len(genes), 4), dtype=bool)  # whether a node leads to the output
    leads[:, 3] = True
    for edge, (start, end) in reversed(tuple(enumerate(_EDGES))):
        leads[:, start] |= leads[:, end] & live[:, edge]
    ends = [end for _, end in _EDGES]
    return np.where(leads[:, ends], genes, _NONE), leads[:, 0]


def _cell_quantities(kinds: IntArray) -> FloatArray:
    """Multiply-accumulates, operations, convolutions or pools, pools: each in any unit."""
    macs = (kinds == _CONV_1X1) + 9 * (kinds == _CONV_3X3)
    return np.stack([macs, kinds != _NONE, kinds > _SKIP, kinds == _POOL], axis=1).astype(float)
