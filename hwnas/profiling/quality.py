"""How far predictions are from measurements."""

from collections.abc import Sequence

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.latency_table import NetworkTiming, Quality
from hwnas.measurement import Measurement

NORMAL_90 = 1.6449
"""Standard deviations to either side of the mean that hold 90 % of a normal distribution."""


def quality(
    held_out: Sequence[NetworkTiming], *, calibrated_on: int, sums: FloatArray, scaled: FloatArray
) -> Quality:
    """What a table states of itself.

    Args:
        held_out: At least two networks that the table was not fitted on.
        calibrated_on: Number of networks that it was.
        sums: What layers measured alone come to for each, without boundary and scale.
        scaled: The same with boundary and scale.
    """
    measured = np.array([network.measured_ms for network in held_out])
    predicted = np.array([network.predicted_ms for network in held_out])
    halves = [Measurement(network.samples).halves_ms for network in held_out]
    first, second = np.array(halves).T
    return Quality(
        networks=len(held_out),
        calibrated_on=calibrated_on,
        mape=_percent(mape(predicted, measured)),
        bias=_percent(float(np.mean(predicted / measured - 1))),
        within_5=_percent(within(predicted, measured, 0.05)),
        within_10=_percent(within(predicted, measured, 0.10)),
        spearman=round(spearman(predicted, measured), 4),
        coverage_90=coverage_90(held_out),
        unscaled_mape=_percent(mape(sums, measured)),
        unscaled_bias=_percent(float(np.mean(sums / measured - 1))),
        scaled_mape=_percent(mape(scaled, measured)),
        repeatability_mape=_percent(mape(first, second)),
        repeatability_spearman=round(spearman(first, second), 4),
    )


def coverage_90(networks: Sequence[NetworkTiming]) -> float | None:
    """Percent of networks within the 90 % intervals stated for them; None where none were."""
    inside = [
        abs(network.predicted_ms - network.measured_ms) <= NORMAL_90 * network.predicted_std_ms
        for network in networks
        if network.predicted_std_ms is not None
    ]
    return _percent(sum(inside) / len(inside)) if inside else None


def within(predicted: FloatArray, measured: FloatArray, share: float) -> float:
    """How many predictions are at most a share of what was measured away from it, as a fraction."""
    return float(np.mean(np.abs(predicted / measured - 1) <= share))


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
