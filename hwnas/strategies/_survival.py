"""Who survives in NSGA-II (Deb et al. 2002), for whole arrays of losses at once."""

import moocore
import numpy as np

from hwnas.catalog import FloatArray, IntArray


def ranked(losses: FloatArray, violations: FloatArray) -> tuple[IntArray, IntArray]:
    """Architectures from best to worst, and the rank of each in that order.

    Lower ranks are better; of equal ranks, the more isolated; of equally isolated ones, the one
    that was given first.

    Args:
        losses: Shape (architectures, objectives), minimised.
        violations: Shape (architectures, budgets).

    Returns:
        Indices and ranks, both of shape (architectures,).
    """
    ranks = constrained_ranks(losses, violations)
    order = np.lexsort((-crowding(losses, ranks), ranks))
    return order, ranks[order]


def constrained_ranks(losses: FloatArray, violations: FloatArray) -> IntArray:
    """Rank of each architecture, 0 the best, shape (architectures,).

    What meets all budgets is ranked by Pareto dominance; after that comes what breaks them, by
    the sum of its violations alone (section VI of the paper).
    """
    beyond = violations.sum(axis=1)
    feasible = beyond == 0
    ranks = np.zeros(len(losses), dtype=np.int64)
    levels = 0
    if feasible.any():
        ranks[feasible] = moocore.pareto_rank(losses[feasible])
        levels = int(ranks.max()) + 1
    ranks[~feasible] = levels + np.unique(beyond[~feasible], return_inverse=True)[1]
    return ranks


def crowding(losses: FloatArray, ranks: IntArray) -> FloatArray:
    """How isolated each point is among those of its rank, shape (points,).

    The crowding distance (section III-B of the paper): summed over objectives, the distance
    between the two neighbours as a share of the rank's extent; infinite at its ends.
    """
    distances = np.zeros(len(losses))
    for values in losses.T:
        order = np.lexsort((values, ranks))
        ordered = values[order]
        bounds = np.flatnonzero(np.diff(ranks[order], prepend=-1, append=-1))
        low, high = bounds[:-1], bounds[1:] - 1
        gaps = np.empty(len(ordered))
        gaps[1:-1] = ordered[2:] - ordered[:-2]
        gaps[low] = gaps[high] = np.inf
        extent = np.repeat(ordered[high] - ordered[low], high - low + 1)
        # where all are equal, none is more isolated than another
        distances[order] += np.divide(gaps, extent, out=np.zeros(len(gaps)), where=extent > 0)
    return distances
