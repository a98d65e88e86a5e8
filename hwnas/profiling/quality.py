"""How far predictions are from measurements."""

from collections.abc import Sequence

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.latency_table import NetworkTiming, Quality
from hwnas.measurement import Measurement


def quality(networks: Sequence[NetworkTiming], sums: FloatArray) -> Quality:
    """What a table states of itself.

    Args:
        networks: At least two.
        sums: What the table predicts for each without boundary and scale, in milliseconds.
    """
    measured = np.array([network.measured_ms for network in networks])
    predicted = np.array([network.predicted_ms for network in networks])
    halves = [Measurement(network.samples).halves_ms for network in networks]
    first, second = np.array(halves).T
    return Quality(
        networks=len(networks),
        mape=_percent(mape(predicted, measured)),
        bias=_percent(float(np.mean(predicted / measured - 1))),
        spearman=round(spearman(predicted, measured), 4),
        unscaled_mape=_percent(mape(sums, measured)),
        unscaled_bias=_percent(float(np.mean(sums / measured - 1))),
        repeatability_mape=_percent(mape(first, second)),
        repeatability_spearman=round(spearman(first, second), 4),
    )


def mape(predicted: FloatArray, measured: FloatArray) -> float:
    """Mean absolute error relative to what was measured, as a fraction."""
    return float(np.mean(np.abs(predicted / measured - 1)))


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Rank correlation, equal values sharing their mean rank; 0 where one does not vary."""
    a, b = _ranks(first), _ranks(second)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _percent(fraction: float) -> float:
    return round(100 * fraction, 3)
