"""Pareto fronts: who is on them, how good they are, and where they bend."""

import moocore
import numpy as np
from numpy.typing import NDArray

from hwnas.catalog import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

CERTAIN = 0.9
"""Probability from which on a point counts as dominated in a noise-aware front."""


def non_dominated(losses: FloatArray, *, feasible: BoolArray | None = None) -> BoolArray:
    """Which points no other point dominates, as a boolean mask of shape (points,).

    Args:
        losses: Shape (points, objectives), all minimised. Equal points are all kept.
        feasible: Shape (points,); infeasible points are neither on the front nor dominate.
    """
    mask = np.zeros(len(losses), dtype=bool)
    candidates = np.arange(len(losses)) if feasible is None else np.flatnonzero(feasible)
    if len(candidates):
        mask[candidates] = moocore.is_nondominated(losses[candidates], keep_weakly=True)
    return mask


def noise_aware_front(
    losses: FloatArray, stds: FloatArray, *, feasible: BoolArray | None = None
) -> BoolArray:
    """Which points are not beaten for certain, as a boolean mask of shape (points,).

    A point leaves the front only where a point of the plain front (`non_dominated`) dominates it
    with a probability of at least `CERTAIN` (`domination_probability`). All points of the plain
    front stay, and so does what the noise of the numbers cannot tell from them.

    Dominance as a probability above a threshold is that of Teich (2001), "Pareto-front
    exploration with uncertain objectives", with the normal deviations of Hughes (2001),
    "Evolutionary multi-objective ranking with uncertainty and noise". We differ in two ways: what
    dominates has to do so in its means too, and only the plain front dominates, so that time
    grows with the size of the front and not with the square of the points.

    Args:
        losses: Shape (points, objectives), all minimised.
        stds: Their standard deviations, same shape; 0 where a loss is exact.
        feasible: Shape (points,); infeasible points are neither on the front nor dominate.
    """
    plain = non_dominated(losses, feasible=feasible)
    beaten = domination_probability(losses, stds, np.flatnonzero(plain)) >= CERTAIN
    allowed = np.ones(len(losses), dtype=bool) if feasible is None else feasible
    return np.asarray(plain | (allowed & ~beaten))


def domination_probability(
    losses: FloatArray, stds: FloatArray, dominators: IntArray
) -> FloatArray:
    """How probably each point is dominated by the one that does so most probably.

    Of two points whose means say that one dominates the other, the probability that it truly is
    nowhere worse is the product over the objectives of the probability that the difference of two
    normal variables is not above 0. Deviations count as independent. Those of predictions from
    one latency table are not: they err together in part, so differences are surer than this says,
    and more points are kept than need be.

    Args:
        losses: Shape (points, objectives), all minimised.
        stds: Their standard deviations, same shape; 0 where a loss is exact.
        dominators: Indices of the points that may dominate.

    Returns:
        Shape (points,); 0 where no mean is dominated.
    """
    # takes a third of what it takes to import a search, and few searches need it
    from scipy.special import ndtr

    found = np.zeros(len(losses))
    for index in dominators:
        ahead = losses - losses[index]
        spread = np.hypot(stds, stds[index])
        certain = spread == 0
        odds = np.where(certain, ahead >= 0, ndtr(ahead / np.where(certain, 1.0, spread)))
        dominates = (ahead >= 0).all(axis=1) & (ahead > 0).any(axis=1)
        found = np.maximum(found, np.where(dominates, odds.prod(axis=1), 0.0))
    return found


def hypervolume(losses: FloatArray, reference: FloatArray) -> float:
    """Volume dominated by the points and bounded by a reference point.

    Args:
        losses: Shape (points, objectives), all minimised. Points beyond the reference add nothing.
        reference: Shape (objectives,).
    """
    inside = losses[(losses < reference).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def normalised(losses: FloatArray) -> FloatArray:
    """Losses scaled so that each objective goes from 0 to 1 over the points; constants are 0."""
    low, high = losses.min(axis=0), losses.max(axis=0)
    return np.asarray((losses - low) / np.where(high > low, high - low, 1.0))


def knee(front: FloatArray) -> int:
    """Index of the point where a front bends most: gaining in one objective costs most in others.

    After Das (1999), "On characterizing the knee of the Pareto curve": the point farthest
    below the hyperplane through the extremes of the normalised front, which is the one with the
    smallest sum. Ties go to the lower index.

    Args:
        front: Losses of shape (points, objectives), at least one point.
    """
    return int(normalised(front).sum(axis=1).argmin())


def evenly(front: FloatArray, count: int) -> NDArray[np.int64]:
    """Indices of members that are spread evenly over a front, the most telling first.

    After the best in each objective, each time the one farthest from all that were taken
    (Gonzalez 1985), by the largest difference in a normalised objective.

    Args:
        front: Losses of shape (points, objectives).
        count: How many; all where there are fewer.
    """
    scaled = normalised(front) if len(front) else front
    taken: list[int] = []
    distance = np.full(len(front), np.inf)
    extremes = [int(column.argmin()) for column in scaled.T] if len(front) else []
    while len(taken) < min(count, len(front)):
        new = [index for index in extremes if distance[index] > 0][:1] or [int(distance.argmax())]
        taken += new
        distance = np.minimum(distance, np.abs(scaled - scaled[new]).max(axis=1))
        distance[new] = -1.0
    return np.array(taken, dtype=np.int64)
