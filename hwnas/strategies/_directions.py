"""Directions in which to look for a front: weights of the objectives that spread evenly."""

import numpy as np

from hwnas.catalog import FloatArray


def directions(count: int, objectives: int) -> FloatArray:
    """Weights that sum to 1, each objective alone first, shape (count, objectives).

    The others lie evenly in between: on a line for two objectives; for more, where the gaps
    between sorted points of a Kronecker sequence put them, which fills the simplex uniformly for
    any count.

    Args:
        count: At least as many as there are objectives.
        objectives: How many.
    """
    between = np.arange(1, count - objectives + 1)[:, None]
    if objectives == 2:
        points = between / (count - 1)
    else:
        points = np.sort((between * _steps(objectives - 1)) % 1.0, axis=1)
    edges = np.zeros((len(points), 1))
    inner = np.diff(np.concatenate([edges, points, edges + 1], axis=1), axis=1)
    return np.concatenate([np.eye(objectives), inner])


def _steps(dimensions: int) -> FloatArray:
    """Step of a Kronecker sequence in each dimension: powers of the inverse golden ratio's kin.

    The root of x ** (d + 1) = x + 1, which is the golden ratio for one dimension.
    """
    root = 2.0
    for _ in range(50):
        root = (1 + root) ** (1 / (dimensions + 1))
    return np.asarray(root ** -np.arange(1.0, dimensions + 1))
