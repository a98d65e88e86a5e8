"""Hypervolume by directions, which makes gains of many points in many draws cheap.

The volume that points dominate is, but for a constant, the mean over directions from the reference
point of how far along the points reach, to the power of the number of objectives (Deng and Zhang
2019, "Approximating hypervolume and hypervolume contributions using polar coordinate"; Golovin
and Zhang 2020, "Random hypervolume scalarizations for provable multi-objective black box
optimization"). So the volume of a set is a maximum over its points, direction by direction.
"""

import numpy as np

from hwnas.catalog import FloatArray, IntArray


def random_directions(count: int, objectives: int, rng: np.random.Generator) -> FloatArray:
    """Uniform on the part of the unit sphere that has no negative coordinate.

    Returns:
        Shape (count, objectives).
    """
    rows = np.abs(rng.standard_normal((count, objectives)))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def reach(gains: FloatArray, directions: FloatArray) -> FloatArray:
    """How far each point reaches, to the power of the number of objectives.

    Args:
        gains: How much better than the reference point, shape (..., objectives); a point that is
            worse in any objective reaches nowhere.
        directions: Shape (directions, objectives).

    Returns:
        Shape (..., directions).
    """
    objectives = gains.shape[-1]
    farthest = np.full((*gains.shape[:-1], len(directions)), np.inf)
    for j in range(objectives):
        along = np.maximum(gains[..., j, None], 0.0) / directions[:, j]
        np.minimum(farthest, along, out=farthest)
    return np.asarray(farthest**objectives)


def gains(reached: FloatArray, before: FloatArray) -> FloatArray:
    """What each point alone is expected to add, but for a constant, shape (points,).

    Args:
        reached: What `reach` says of each point, shape (draws, points, directions).
        before: The most that is reached already, shape (draws, directions).
    """
    # among points that add nothing, the one that reaches farthest
    ties = 1e-9 * reached.mean(axis=(0, 2))
    return np.asarray(np.maximum(reached - before[:, None], 0.0).mean(axis=(0, 2)) + ties)


def greedy(reached: FloatArray, before: FloatArray, count: int) -> IntArray:
    """Points that together add most, one after the other, best first, shape (up to count,).

    Args:
        reached: As for `gains`.
        before: As for `gains`.
        count: How many are wanted.
    """
    chosen: list[int] = []
    for _ in range(min(count, reached.shape[1])):
        worth = gains(reached, before)
        worth[chosen] = -1.0
        chosen.append(int(worth.argmax()))
        before = np.maximum(before, reached[:, chosen[-1]])
    return np.array(chosen, dtype=np.int64)
