"""How far a search has come: the hypervolume of its front as evaluations go by."""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import BoolArray, hypervolume, non_dominated


class FrontTracker:
    """The front of what was seen so far, kept up without looking at everything again.

    Attributes:
        front: Losses of the feasible points that no other dominates, shape (points, objectives).
        best: Smallest losses seen, feasible or not, shape (objectives,).
        worst: Largest losses seen, feasible or not, shape (objectives,).
    """

    def __init__(self, objectives: int) -> None:
        self.front = np.zeros((0, objectives))
        self.best = np.full(objectives, np.inf)
        self.worst = np.full(objectives, -np.inf)

    def add(self, losses: FloatArray, feasible: BoolArray) -> None:
        """Take in finite losses of shape (points, objectives)."""
        if len(losses) == 0:
            return
        self.best = np.minimum(self.best, losses.min(axis=0))
        self.worst = np.maximum(self.worst, losses.max(axis=0))
        # equal points add nothing to the volume, and cheap searches make many
        merged = np.unique(np.concatenate([self.front, losses[feasible]]), axis=0)
        self.front = merged[non_dominated(merged)]

    def hypervolume(self) -> float:
        """Share of the box from best to worst that the front dominates, 0 to 1."""
        return _share(self.front, self.best, self.worst)


def hypervolume_history(
    losses: FloatArray,
    feasible: BoolArray,
    *,
    reference: FloatArray | None = None,
    points: int = 200,
) -> tuple[IntArray, FloatArray]:
    """Hypervolume of the front after ever more evaluations.

    Args:
        losses: Shape (evaluations, objectives), in order; rows with NaN were not evaluated and
            do not count.
        feasible: Shape (evaluations,); only these are on the front.
        reference: The reference point, shape (objectives,); None for the worst loss of each
            objective among the evaluations, so that a point that is worst in one adds nothing.
        points: At most so many numbers of evaluations, evenly spread, the last one included.

    Returns:
        Numbers of evaluations, and the hypervolume after each as a share of the box between
        the best losses of all evaluations and the reference; both of shape (points,).
    """
    complete = ~np.isnan(losses).any(axis=1)
    losses, feasible = losses[complete], feasible[complete]
    if len(losses) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    worst = losses.max(axis=0) if reference is None else reference
    best = losses.min(axis=0)
    counts = np.unique(np.linspace(1, len(losses), min(points, len(losses))).astype(np.int64))
    tracker, shares, start = FrontTracker(losses.shape[1]), [], 0
    for count in counts:
        tracker.add(losses[start:count], feasible[start:count])
        shares.append(_share(tracker.front, best, worst))
        start = count
    return counts, np.array(shares)


def _share(front: FloatArray, best: FloatArray, worst: FloatArray) -> float:
    if len(front) == 0:
        return 0.0
    scaled = (front - best) / np.where(worst > best, worst - best, 1.0)
    return hypervolume(scaled, np.ones(len(best)))
