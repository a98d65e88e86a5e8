import numpy as np
import pytest

from hwnas.calibration.regression import Posterior
from hwnas.table_predictor import Predictor, padded

POSTERIOR = Posterior(
    costs_ms=np.array([1.0, 2.0, 4.0]),
    overhead_ms=0.5,
    covariance=np.diag([0.01, 0.04, 0.09, 0.16]),
    noise_ms=0.0,
)
PREDICTOR = Predictor.of(POSTERIOR, 0.1, None)


def test_networks_are_padded_with_the_empty_layer() -> None:
    assert padded([(0, 2), (), (1,)]).tolist() == [[1, 3], [0, 0], [2, 0]]
    assert padded([]).shape == (0, 0)


def test_a_latency_is_overhead_and_costs() -> None:
    assert PREDICTOR.means(padded([(0, 2), (1, 1), ()])).tolist() == [5.5, 4.5, 0.5]


def test_a_deviation_is_of_costs_overhead_and_noise() -> None:
    deviations = PREDICTOR.deviations(padded([(0, 2), (1, 1), ()]))
    variances = [
        0.01 + 0.09 + 0.16 + 0.55**2,
        4 * 0.04 + 0.16 + 0.45**2,
        0.16 + 0.05**2,
    ]
    assert deviations == pytest.approx(np.sqrt(variances))


def test_without_a_posterior_there_is_no_deviation() -> None:
    assert Predictor(np.array([0.0, 1.0]), 0.5).deviations(padded([(0,)])) is None


def test_some_layers_in_another_order_predict_the_same() -> None:
    chosen = PREDICTOR.only([0, 3, 1])
    given, renamed = padded([(0, 2), (2,)]), np.array([[2, 1], [1, 0]])
    np.testing.assert_array_equal(chosen.means(renamed), PREDICTOR.means(given))
    np.testing.assert_allclose(chosen.deviations(renamed), PREDICTOR.deviations(given))
