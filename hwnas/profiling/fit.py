"""What turns timings of layers alone into the latency of a network: two numbers, fitted."""

from collections.abc import Sequence

import numpy as np

from hwnas.catalog import FloatArray

_LEAST_FOR_BOUNDARY = 8  # networks; with fewer, the second number is noise


def fit(costs: Sequence[FloatArray], measured: FloatArray) -> tuple[float, float]:
    """The boundary and the scale with which sums of layers come to the measured networks.

    Args:
        costs: For each network, what its layers alone take beyond the runtime's overhead.
        measured: What the networks take beyond it, shape (networks,).

    Returns:
        Boundary in milliseconds, and scale: a network is ``scale * sum(max(cost - boundary, 0))``.
    """
    boundary = _boundary(costs, measured) if len(costs) >= _LEAST_FOR_BOUNDARY else 0.0
    return boundary, float(np.median(measured / sums(costs, boundary)))


def sums(costs: Sequence[FloatArray], boundary: float) -> FloatArray:
    """Sums of what layers take beyond overhead and boundary, shape (networks,)."""
    return np.array([np.maximum(layers - boundary, 0.0).sum() for layers in costs])


def _boundary(costs: Sequence[FloatArray], measured: FloatArray) -> float:
    """Least squares of relative errors over sums and numbers of layers."""
    design = np.array([[layers.sum(), -len(layers)] for layers in costs]) / measured[:, None]
    (scale, shift), *_ = np.linalg.lstsq(design, np.ones(len(costs)), rcond=None)
    # beyond a typical layer's own time it would be no boundary but nonsense
    limit = float(np.median(np.concatenate(costs)))
    return float(np.clip(shift / scale, -limit, limit)) if scale > 0 else 0.0
