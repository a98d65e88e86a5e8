import numpy as np
import pytest
from scipy import stats

from hwnas.latency_table import NetworkTiming
from hwnas.measurement import Samples
from hwnas.profiling.quality import coverage_90, mape, quality, spearman, within


def test_mape_is_relative_to_what_was_measured() -> None:
    assert mape(np.array([1.1, 1.8]), np.array([1.0, 2.0])) == pytest.approx(0.1)


def test_spearman_equals_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 6, size=(2, 15)).astype(float)
        expected = stats.spearmanr(first, second).statistic
        assert spearman(first, second) == pytest.approx(expected)


def test_spearman_of_a_constant_is_zero() -> None:
    assert spearman(np.ones(3), np.arange(3.0)) == 0.0


def test_repeatability_compares_every_other_visit() -> None:
    def network(first: int, second: int) -> NetworkTiming:
        visits = tuple(Samples((value * 1_000_000,)) for value in (first, second) * 2)
        return NetworkTiming((), (first + second) / 2, 3.0, visits)

    stated = quality(
        [network(2, 4), network(3, 3)], calibrated_on=5, sums=np.array([3.0, 1.5]),
        scaled=np.array([3.0, 2.7]),
    )  # fmt: skip
    assert stated.repeatability_mape == pytest.approx(100 * (0.5 + 0) / 2)
    assert stated.mape == pytest.approx(0.0)
    assert stated.unscaled_mape == pytest.approx(25.0)
    assert stated.unscaled_bias == pytest.approx(-25.0)
    assert stated.scaled_mape == pytest.approx(5.0)
    assert (stated.networks, stated.calibrated_on) == (2, 5)
    assert stated.coverage_90 is None


def test_shares_count_predictions_near_enough() -> None:
    predicted = np.array([1.0, 1.04, 0.93, 1.2])
    assert within(predicted, np.ones(4), 0.05) == 0.5
    assert within(predicted, np.ones(4), 0.10) == 0.75


def test_coverage_counts_networks_within_their_interval() -> None:
    # 90 % of a normal distribution are within 1.645 standard deviations
    timings = [
        NetworkTiming((), 1.0, 1.0 + error, (Samples((1,)),), True, predicted_std_ms=0.1)
        for error in (0.0, 0.16, -0.16, 0.17)
    ]
    assert coverage_90(timings) == 75.0
    assert coverage_90([NetworkTiming((), 1.0, 1.0, (Samples((1,)),), True)]) is None
