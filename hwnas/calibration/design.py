"""Which networks to measure: those that tell most about layers, one after another."""

from typing import Literal

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError

Criterion = Literal["A", "D"]


def choose_networks(
    candidates: FloatArray,
    count: int,
    *,
    covariance: FloatArray,
    noise: float,
    criterion: Criterion = "D",
    reference: FloatArray | None = None,
) -> IntArray:
    """Rows of the candidates that are worth measuring, in that order, shape (count,).

    Greedy, each network given those before it. ``D`` takes the network whose latency is known
    least, which adds most to the determinant of the information; ``A`` the one that lowers the
    mean variance over reference networks most (Chaloner and Verdinelli, Bayesian experimental
    design, Statistical Science 10, 1995, section 2.2). What will be measured has no part in
    either, so a whole batch can be chosen beforehand; between batches give the covariance of the
    posterior to let it count.

    Args:
        candidates: Counts of layers, shape (networks, layers); subtract their mean where the
            overhead is not known.
        count: How many.
        covariance: Of the layers' costs before the first of them is measured, shape
            (layers, layers).
        noise: Variance of a measurement, in the covariance's unit.
        criterion: ``A`` or ``D``.
        reference: Networks whose variances ``A`` lowers; None is the candidates.

    Raises:
        InputError: More networks are asked for than there are candidates.
    """
    if not 0 < count <= len(candidates):
        raise InputError(
            f"Cannot choose {count} of {len(candidates)} candidate networks; ask for 1 to "
            f"{len(candidates)}, or offer more."
        )
    rows = candidates if reference is None else reference
    spread = covariance @ candidates.T  # of costs with candidates
    variances = np.einsum("nl,ln->n", candidates, spread)
    across = rows @ spread if criterion == "A" else spread
    taken = np.zeros(len(candidates), dtype=bool)
    chosen = []
    for _ in range(count):
        gains = variances + noise
        if criterion == "A":
            gains = np.einsum("rn,rn->n", across, across) / np.maximum(gains, 1e-300)
        best = int(np.argmax(np.where(taken, -np.inf, gains)))
        chosen.append(best)
        taken[best] = True
        direction = spread[:, best] / np.sqrt(max(variances[best] + noise, 1e-300))
        told = candidates @ direction
        if criterion == "A":
            across = across - np.outer(rows @ direction, told)
        spread = spread - np.outer(direction, told)
        variances = np.maximum(variances - told**2, 0.0)
    return np.array(chosen)
