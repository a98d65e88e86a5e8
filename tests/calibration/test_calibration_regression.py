import numpy as np
import pytest

from hwnas.calibration import Posterior, layer_counts
from hwnas.calibration.regression import INTERCEPT_VARIANCE, checked, reduced, solve
from hwnas.errors import InputError


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def a_posterior(layers: int) -> Posterior:
    rng = rng_of(3)
    factor = rng.standard_normal((layers + 1, layers + 1))
    return Posterior(rng.random(layers), 2.0, factor @ factor.T, 0.5)


def test_one_layer_and_no_doubt_of_it_gives_the_conjugate_result():
    # target = cost * x, prior variance 4, noise 1, the intercept pinned by opposite networks:
    # precision 1/4 + 2, mean (1 * 1 + -1 * -1) / precision
    mean, covariance = solve(
        np.array([[1.0], [-1.0]]),
        np.array([1.0, -1.0]),
        covariance=np.array([[4.0]]),
        noise=np.ones(2),
    )
    assert mean == pytest.approx([2 / 2.25, 0])
    assert covariance[0, 0] == pytest.approx(1 / 2.25)
    assert covariance[1, 1] == pytest.approx(1 / (1 / INTERCEPT_VARIANCE + 2))


@pytest.mark.parametrize("networks", [4, 40])
def test_few_and_many_networks_give_what_normal_equations_give(networks):
    rng = rng_of(0)
    design, target = rng.standard_normal((networks, 6)), rng.standard_normal(networks)
    noise = rng.random(networks) + 0.1
    prior = np.diag(rng.random(6) + 0.5)
    mean, covariance = solve(design, target, covariance=prior, noise=noise)
    rows = np.column_stack([design, np.ones(networks)])
    full = np.zeros((7, 7))
    full[:6, :6], full[6, 6] = prior, INTERCEPT_VARIANCE
    precision = np.linalg.inv(full) + rows.T @ (rows / noise[:, None])
    assert covariance == pytest.approx(np.linalg.inv(precision), abs=1e-9)
    assert mean == pytest.approx(np.linalg.solve(precision, rows.T @ (target / noise)), abs=1e-9)


def test_a_layer_in_no_network_keeps_its_prior():
    design = np.array([[1.0, 0], [2, 0], [4, 0]])
    mean, covariance = solve(
        design, np.array([-1.0, 0, 1]), covariance=np.diag([1.0, 9.0]), noise=np.full(3, 0.1)
    )
    assert mean[1] == 0
    assert covariance[1].tolist() == [0, 9, 0]


def test_a_shorter_design_holds_the_same_information():
    rng = rng_of(1)
    design, target, noise = rng.random((30, 4)), rng.random(30), rng.random(30) + 0.1
    rows, values = reduced(design, target, noise=noise)
    assert rows.shape == (4, 4)
    assert rows.T @ rows == pytest.approx(design.T @ (design / noise[:, None]))
    assert rows.T @ values == pytest.approx(design.T @ (target / noise))


def test_predictions_from_layers_equal_those_from_counts():
    posterior = a_posterior(9)
    indices = rng_of(2).integers(0, 9, (50, 4))
    counts = layer_counts(indices, 9)
    assert posterior.means_of(indices) == pytest.approx(posterior.means(counts))
    assert posterior.deviations_of(indices) == pytest.approx(posterior.deviations(counts))


def test_a_deviation_is_that_of_the_sum_with_overhead_and_noise():
    covariance = np.array([[4.0, 1.0], [1.0, 9.0]])
    posterior = Posterior(np.array([1.0]), 0.0, covariance, 2.0)
    # 3 layers: 9 * 4 + 2 * 3 * 1 + 9, and the noise's 4
    assert posterior.deviations(np.array([[3.0]])) == pytest.approx([np.sqrt(55)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
def test_latencies_that_cannot_have_been_measured_are_refused(value):
    with pytest.raises(InputError, match="network 2 took"):
        checked(np.eye(4), np.array([1.0, 2, value, 3]))


def test_too_few_different_networks_are_refused():
    counts = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    with pytest.raises(InputError, match="2 different networks"):
        checked(counts, np.arange(1.0, 5))


def test_equal_latencies_are_refused():
    with pytest.raises(InputError, match="finer clock"):
        checked(np.eye(4), np.full(4, 3.0))


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="one latency for each"):
        checked(np.eye(4), np.ones(3))
    with pytest.raises(InputError, match="negative"):
        checked(-np.eye(4), np.ones(4))
