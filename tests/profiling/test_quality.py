import numpy as np
import pytest
from scipy import stats

from hwnas.latency_table import NetworkTiming
from hwnas.measurement import Samples
from hwnas.profiling.quality import mape, quality, spearman


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

    stated = quality([network(2, 4), network(3, 3)], np.array([3.0, 1.5]))
    assert stated.repeatability_mape == pytest.approx(100 * (0.5 + 0) / 2)
    assert stated.mape == pytest.approx(0.0)
    assert stated.unscaled_mape == pytest.approx(25.0)
    assert stated.unscaled_bias == pytest.approx(-25.0)
