import numpy as np
import pytest
from scipy.stats import spearmanr

from hwnas.calibration import Layout, calibrate, layer_counts, one_hot
from hwnas.errors import InputError

CARDINALITIES = np.full(10, 5)
LAYOUT = Layout.of_choices(CARDINALITIES)


def device(seed: int) -> np.ndarray:
    """Costs that a kind shares along the network, with a share of its own at each place."""
    rng = np.random.default_rng(seed)
    kinds, slope = rng.gamma(4, 0.25, 5), rng.random(5)
    costs = kinds[LAYOUT.kinds] * (1 + slope[LAYOUT.kinds] * LAYOUT.positions / 10)
    return costs * (1 + 0.05 * rng.standard_normal(len(costs)))


def networks(count: int, *, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return one_hot(rng.integers(0, CARDINALITIES, (count, 10)), CARDINALITIES)


def measured(counts: np.ndarray, costs: np.ndarray, *, noise: float = 0.0) -> np.ndarray:
    spread = noise * np.random.default_rng(9).standard_normal(len(counts))
    return 5 + counts @ costs + spread


def test_thirty_networks_rank_others_where_fifty_costs_are_unknown():
    costs, seen, unseen = device(0), networks(30, seed=1), networks(500, seed=2)
    posterior = calibrate(seen, measured(seen, costs, noise=0.02), layout=LAYOUT)
    rank = spearmanr(posterior.means(unseen), measured(unseen, costs))[0]
    assert rank > 0.95


def test_intervals_cover_about_what_they_state():
    inside = []
    for seed in range(4):
        costs, seen, unseen = device(seed), networks(40, seed=seed), networks(300, seed=90 + seed)
        posterior = calibrate(seen, measured(seen, costs, noise=0.1), layout=LAYOUT)
        errors = posterior.means(unseen) - measured(unseen, costs, noise=0.1)
        inside.append(np.abs(errors) <= 1.645 * posterior.deviations(unseen))
    assert 0.8 < np.mean(inside) < 0.99


def test_many_networks_without_noise_are_predicted_exactly():
    costs, seen, unseen = device(1), networks(400, seed=3), networks(50, seed=4)
    posterior = calibrate(seen, measured(seen, costs), layout=LAYOUT)
    assert posterior.means(unseen) == pytest.approx(measured(unseen, costs), rel=2e-3)


def test_another_unit_of_time_changes_nothing_but_the_unit():
    costs, seen, unseen = device(2), networks(25, seed=5), networks(20, seed=6)
    latency = measured(seen, costs, noise=0.05)
    slow, fast = (calibrate(seen, unit * latency, layout=LAYOUT) for unit in (1.0, 1e-3))
    assert fast.means(unseen) == pytest.approx(1e-3 * slow.means(unseen), rel=1e-3)
    assert fast.deviations(unseen) == pytest.approx(1e-3 * slow.deviations(unseen), rel=1e-2)


def test_isolated_measurements_are_corrected_by_a_common_factor():
    costs, seen, unseen = device(3), networks(8, seed=7), networks(100, seed=8)
    isolated = costs / 1.4
    posterior = calibrate(seen, measured(seen, costs), layout=LAYOUT, isolated_ms=isolated)
    assert posterior.means(unseen) == pytest.approx(measured(unseen, costs), rel=0.02)


def test_deviations_shrink_with_measurements():
    costs, unseen = device(4), networks(100, seed=10)
    means = []
    for count in (10, 40, 160):
        seen = networks(count, seed=11)
        posterior = calibrate(seen, measured(seen, costs, noise=0.02), layout=LAYOUT)
        means.append(posterior.deviations(unseen).mean())
    assert means[0] > means[1] > means[2]


def test_three_networks_are_enough_to_say_something_with_doubt():
    costs, seen, unseen = device(5), networks(3, seed=12), networks(200, seed=13)
    latency = measured(seen, costs)
    posterior = calibrate(seen, latency, layout=LAYOUT)
    assert np.isfinite(posterior.means(unseen)).all()
    assert posterior.deviations(unseen).mean() > 0.3 * latency.std()


def test_a_singular_design_is_solved():
    # two layers that are always together, and one that is in every network
    counts = np.array([[1.0, 1, 0, 1], [0, 0, 1, 1], [2, 2, 0, 1], [1, 1, 1, 1], [0, 0, 2, 1]])
    layout = Layout(np.arange(4.0), np.array([0, 1, 1, 2]))
    latency = counts @ np.array([1.0, 2, 4, 8])
    posterior = calibrate(counts, latency, layout=layout)
    assert np.isfinite(posterior.covariance).all()
    assert spearmanr(posterior.means(counts), latency)[0] > 0.8


def test_a_large_catalog_is_calibrated_and_predicted_with_deviations():
    slots, choices, rng = 26, 90, np.random.default_rng(0)
    layers = 1 + slots * choices
    positions = np.concatenate([[0.0], np.repeat(np.arange(slots), choices)])
    kinds = np.concatenate([[-1], np.tile(np.arange(choices) % 10, slots)])
    first = 1 + np.arange(slots) * choices
    seen = first + rng.integers(0, choices, (200, slots))
    isolated = np.concatenate([[0.0], rng.gamma(3, 0.1, layers - 1)])
    counts = layer_counts(seen, layers)
    latency = 1 + counts @ (1.2 * isolated)
    posterior = calibrate(counts, latency, layout=Layout(positions, kinds), isolated_ms=isolated)
    unseen = first + rng.integers(0, choices, (2000, slots))
    expected = 1 + layer_counts(unseen, layers) @ (1.2 * isolated)
    assert posterior.means_of(unseen) == pytest.approx(expected, rel=0.02)
    assert (posterior.deviations_of(unseen) > 0).all()


def test_arrays_of_another_catalog_are_refused():
    counts = networks(5, seed=0)
    with pytest.raises(InputError, match="same catalog"):
        calibrate(counts[:, :-1], np.arange(1.0, 6), layout=LAYOUT)
    with pytest.raises(InputError, match="isolated latencies"):
        calibrate(counts, np.arange(1.0, 6), layout=LAYOUT, isolated_ms=np.ones(3))
    with pytest.raises(InputError, match="isolated latencies"):
        calibrate(counts, np.arange(1.0, 6), layout=LAYOUT, isolated_ms=np.full(50, np.nan))
