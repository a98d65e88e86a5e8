"""By how much an evaluation is expected to enlarge the dominated hypervolume.

The box between the ideal point and the reference is cut into cells along the coordinates of
the front. For independent normal losses the expected length that a point covers of an interval
[a, b] is psi(b) - psi(a) with psi(z) = E[max(z - Y, 0)], and the expected improvement is the sum
over the cells that nothing dominates yet of the product of lengths (Emmerich, Deutz and Klinkenberg
2011, "Hypervolume-based expected improvement"). A loss known beforehand is a normal one without
deviation. This is exact as long as a grid of all coordinates is small enough; otherwise
coordinates are thinned out evenly.
"""

import numpy as np
from scipy.special import ndtr

from hwnas.catalog import FloatArray
from hwnas.pareto import non_dominated

_CELLS = 40_000
_MOST_CUTS = 160
_AT_ONCE = 2_000


def expected_improvement(
    mean: FloatArray, std: FloatArray, front: FloatArray, reference: FloatArray
) -> FloatArray:
    """Expected gain in hypervolume of each candidate alone, shape (candidates,).

    Args:
        mean: Expected losses, shape (candidates, objectives).
        std: Their deviations, same shape; 0 where a loss is known.
        front: Losses found so far, shape (points, objectives).
        reference: Shape (objectives,).
    """
    inside = front[(front < reference).all(axis=1)]
    inside = inside[non_dominated(inside)] if len(inside) else inside
    cuts = _cuts(inside, reference)
    free = _free(inside, cuts)
    parts = [slice(i, i + _AT_ONCE) for i in range(0, len(mean), _AT_ONCE)]
    gains = [_summed(mean[part], std[part], cuts, free) for part in parts]
    return np.concatenate([np.zeros(0), *gains])


def _summed(
    mean: FloatArray, std: FloatArray, cuts: list[FloatArray], free: FloatArray
) -> FloatArray:
    """Sum over the free cells of the product of expected lengths, shape (candidates,)."""
    total = free[None]
    for j, cut in enumerate(cuts):
        # one objective after the other is summed over: (candidates, cells of those left)
        lengths = _lengths(mean[:, j], std[:, j], cut)
        total = total.reshape(len(total), len(cut), -1)
        total = np.einsum("nc,ncr->nr", lengths, total) if j else lengths @ total[0]
    return np.maximum(total.reshape(len(mean)), 0.0)


def _cuts(front: FloatArray, reference: FloatArray) -> list[FloatArray]:
    """Where each objective's axis is cut: ascending, the reference last."""
    most = int(min(_CELLS ** (1 / len(reference)), _MOST_CUTS))
    cuts = []
    for j, end in enumerate(reference):
        values = np.unique(front[:, j])
        if len(values) > most - 1:
            values = values[np.linspace(0, len(values) - 1, most - 1).round().astype(int)]
        cuts.append(np.append(values, end))
    return cuts


def _free(front: FloatArray, cuts: list[FloatArray]) -> FloatArray:
    """1 for cells that no front point dominates, else 0; one axis for each objective.

    Cell i of an axis ends at cut i and begins at the cut before, the first one at minus infinity.
    """
    dominated = np.zeros([len(cut) for cut in cuts], dtype=bool)
    if len(front):
        # a point covers cells that begin at or beyond it; thinned cuts round towards worse
        first = [np.searchsorted(cut, front[:, j]) + 1 for j, cut in enumerate(cuts)]
        inside = np.all([f < len(cut) for f, cut in zip(first, cuts, strict=True)], axis=0)
        dominated[tuple(f[inside] for f in first)] = True
        for axis in range(len(cuts)):
            dominated = np.logical_or.accumulate(dominated, axis=axis)
    return (~dominated).astype(np.float64)


def _lengths(mean: FloatArray, std: FloatArray, cuts: FloatArray) -> FloatArray:
    """Expected covered length of each cell, shape (candidates, cells)."""
    gap = cuts[None, :] - mean[:, None]
    psi = np.maximum(gap, 0.0)
    unsure = std > 0
    if unsure.any():
        deviation = std[unsure, None]
        z = gap[unsure] / deviation
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        psi[unsure] = gap[unsure] * ndtr(z) + deviation * density
    return np.diff(psi, axis=1, prepend=0.0)
