"""AGE-MOEA (Panichella 2019): survival that first estimates how the front is curved.

The first front is scaled to [0, 1], and p is chosen so that its middle has an Lp norm of 1, as its
ends have. Diversity and closeness to the ideal are then both measured in that norm. We scale by
the extent of the front, not by the intercepts of a hyperplane, which may not exist; it is not
pymoo's, which needs numba.
"""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._genetic import Genetic
from hwnas.strategies._survival import constrained_ranks

_TINY = 1e-12
_LOWEST_P, _HIGHEST_P = 0.1, 20.0


def create(problem: StrategyProblem) -> Genetic:
    """A fresh AGE-MOEA."""
    return Genetic(problem, survivors)


def survivors(losses: FloatArray, violations: FloatArray, count: int) -> tuple[IntArray, int]:
    """The best by rank, then by the score of the front's geometry, and how many are of rank 0.

    Args:
        losses: Shape (architectures, objectives), minimised.
        violations: Shape (architectures, budgets).
        count: How many survive.

    Returns:
        Indices, the best first, shape (up to count,).
    """
    ranks = constrained_ranks(losses, violations)
    first = np.flatnonzero(ranks == 0)
    low = losses[first].min(axis=0)
    extent = losses[first].max(axis=0) - low
    scaled = (losses - low) / np.where(extent > 0, extent, 1.0)
    p = curvature(scaled[first])
    scores = 1 / np.maximum(_norms(scaled, p), _TINY)
    scores[first] = front_scores(scaled[first], p)
    order = np.lexsort((-scores, ranks))[:count]
    return order, int((ranks[order] == 0).sum())


def curvature(front: FloatArray) -> float:
    """The p for which the middle of a front has an Lp norm of 1; 1 where there is no middle.

    Args:
        front: Scaled to [0, 1], shape (members, objectives).
    """
    inner = np.delete(front, _ends(front), axis=0)
    if len(inner) == 0:
        return 1.0
    off_diagonal = ((inner - inner.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    level = float(inner[off_diagonal.argmin()].mean())
    if not 0 < level < 1:
        return 1.0
    p = float(np.log(front.shape[1]) / -np.log(level))
    return min(p, _HIGHEST_P) if p > _LOWEST_P else 1.0


def front_scores(front: FloatArray, p: float) -> FloatArray:
    """Survival scores of a first front, shape (members,); infinite at its ends.

    From the ends inwards, always the member with the largest score joins those chosen: its
    distances to the two nearest of them, summed, relative to its own norm.

    Args:
        front: Scaled to [0, 1], shape (members, objectives).
        p: Of the norm.
    """
    scores = np.full(len(front), np.inf)
    left = np.ones(len(front), dtype=bool)
    norms = np.maximum(_norms(front, p), _TINY)
    nearest, second = np.full((2, len(front)), np.inf)
    joining = list(_ends(front))
    while joining:
        for member in joining:
            left[member] = False
            distances = _norms(front - front[member], p)
            second = np.minimum(second, np.maximum(nearest, distances))
            nearest = np.minimum(nearest, distances)
        joining = []
        if left.any():
            sums = (nearest + np.where(np.isfinite(second), second, 0.0)) / norms
            best = int(np.where(left, sums, -1.0).argmax())
            scores[best] = sums[best]
            joining = [best]
    return scores


def _ends(front: FloatArray) -> IntArray:
    """Indices of the members that are farthest out in one objective."""
    return np.unique(front.argmax(axis=0))


def _norms(points: FloatArray, p: float) -> FloatArray:
    return np.asarray((np.abs(points) ** p).sum(axis=1) ** (1 / p))
