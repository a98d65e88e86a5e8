import numpy as np
import pytest

from hwnas.profiling.fit import fit, sums


def networks(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(1, 3, size=rng.integers(3, 12)) for _ in range(count)]


def test_boundary_and_scale_are_found_again() -> None:
    costs = networks(12)
    boundary, scale = fit(costs, 1.5 * sums(costs, 0.4))
    assert (boundary, scale) == (pytest.approx(0.4), pytest.approx(1.5))


def test_a_layer_may_take_longer_in_a_network() -> None:
    costs = networks(12)
    boundary, scale = fit(costs, 1.5 * sums(costs, -0.4))
    assert (boundary, scale) == (pytest.approx(-0.4), pytest.approx(1.5))


def test_few_networks_give_a_scale_alone() -> None:
    costs = networks(7)
    boundary, scale = fit(costs, 2 * sums(costs, 0.0))
    assert (boundary, scale) == (0.0, pytest.approx(2.0))


def test_networks_of_equal_depth_still_give_finite_numbers() -> None:
    costs = [np.array([1.0, 2.0])] * 10
    assert np.all(np.isfinite(fit(costs, np.full(10, 6.0))))


def test_a_boundary_beyond_any_layer_is_cut() -> None:
    costs = networks(12)
    boundary, scale = fit(costs, np.linspace(1000, 1, 12))
    assert abs(boundary) <= np.median(np.concatenate(costs))
    assert np.isfinite(scale)


def test_a_sum_leaves_out_layers_below_the_boundary() -> None:
    np.testing.assert_allclose(sums([np.array([1.0, 0.2, 3.0])], 0.5), [3.0])
