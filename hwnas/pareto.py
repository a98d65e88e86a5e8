"""Pareto fronts: who is on them, how good they are, and where they bend."""

import moocore
import numpy as np
from numpy.typing import NDArray

from hwnas.catalog import FloatArray

BoolArray = NDArray[np.bool_]


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
