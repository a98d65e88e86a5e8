import numpy as np
import pytest
from scipy.stats import spearmanr

from hwnas.calibration import (
    KnownDevices,
    Layout,
    additive_costs,
    calibrate,
    choose_networks,
    one_hot,
    transfer,
)
from hwnas.errors import InputError

CARDINALITIES = np.full(12, 6)
LAYOUT = Layout.of_choices(CARDINALITIES)


def networks(count: int, *, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return one_hot(rng.integers(0, CARDINALITIES, (count, 12)), CARDINALITIES)


def devices(count: int) -> np.ndarray:
    """Costs on devices that differ by three factors and a little of their own."""
    rng = np.random.default_rng(0)
    factors = rng.gamma(2, 0.5, (72, 3))
    return factors @ rng.random((3, count)) * (1 + 0.01 * rng.standard_normal((72, count)))


def known(costs: np.ndarray) -> KnownDevices:
    return KnownDevices(costs, LAYOUT, networks(300, seed=1))


def test_ten_networks_give_a_new_device_that_mixes_known_factors():
    costs = devices(8)
    seen, unseen = networks(10, seed=2), networks(500, seed=3)
    posterior = transfer(seen, 3 + seen @ costs[:, 0], known=known(costs[:, 1:]))
    assert spearmanr(posterior.means(unseen), unseen @ costs[:, 0])[0] > 0.98


def test_known_devices_help_even_when_the_new_one_is_unlike_them():
    costs, own = devices(8), np.random.default_rng(5).gamma(2, 0.5, 72)
    new = 0.7 * costs[:, 0] + 0.3 * own
    seen, unseen = networks(15, seed=6), networks(500, seed=7)
    ranks = [
        spearmanr(posterior.means(unseen), unseen @ new)[0]
        for posterior in (
            transfer(seen, seen @ new, known=known(costs[:, 1:])),
            calibrate(seen, seen @ new, layout=LAYOUT),
        )
    ]
    assert ranks[0] > ranks[1] + 0.1


def test_one_known_device_that_is_the_new_one_at_another_clock_is_found_out():
    costs = devices(1)
    seen, unseen = networks(5, seed=8), networks(200, seed=9)
    posterior = transfer(seen, 2 + 3 * seen @ costs[:, 0], known=known(costs))
    assert spearmanr(posterior.means(unseen), unseen @ costs[:, 0])[0] > 0.99


def test_quantities_tell_a_device_whose_price_no_known_one_pays():
    costs, bytes_moved = devices(4), np.random.default_rng(5).gamma(2, 0.5, 72)
    new = 0.2 * costs[:, 0] + bytes_moved
    seen, unseen = networks(10, seed=14), networks(500, seed=15)
    told = KnownDevices(costs[:, 1:], LAYOUT, networks(300, seed=1), 1e6 * bytes_moved[:, None])
    with_bytes, without = (
        spearmanr(transfer(seen, 3 + seen @ new, known=prior).means(unseen), unseen @ new)[0]
        for prior in (told, known(costs[:, 1:]))
    )
    assert with_bytes > 0.95
    assert with_bytes > without + 0.1


def test_a_quantity_that_all_networks_share_changes_nothing():
    costs = devices(4)
    seen, unseen = networks(10, seed=16), networks(50, seed=17)
    constant = KnownDevices(costs[:, 1:], LAYOUT, networks(300, seed=1), np.ones((72, 1)))
    expected = transfer(seen, 3 + seen @ costs[:, 0], known=constant).means(unseen)
    assert np.isfinite(expected).all()
    assert spearmanr(expected, unseen @ costs[:, 0])[0] > 0.9


def test_networks_are_chosen_by_the_prior_before_and_by_the_posterior_after():
    costs, pool = devices(6), networks(200, seed=10)
    centred = pool - pool.mean(axis=0)
    prior = known(costs[:, 1:])
    first = choose_networks(centred, 5, covariance=prior.expected_covariance(), noise=0.1)
    posterior = transfer(pool[first], pool[first] @ costs[:, 0], known=prior)
    following = choose_networks(
        centred, 1, covariance=posterior.covariance[:-1, :-1], noise=posterior.noise_ms**2
    )
    assert following[0] not in first


def test_additive_costs_explain_additive_latencies():
    costs, seen = devices(3), networks(400, seed=11)
    found = additive_costs(seen, 4 + seen @ costs)
    unseen = networks(30, seed=12)
    both = unseen @ found, unseen @ costs
    assert both[0] - both[0][0] == pytest.approx(both[1] - both[1][0], abs=1e-9)


def test_layers_of_another_catalog_and_missing_devices_are_refused():
    costs = devices(3)
    with pytest.raises(InputError, match="at least one known device"):
        known(costs[:, :0])
    with pytest.raises(InputError, match="NaN"):
        known(np.where(np.arange(72)[:, None] == 3, np.nan, costs))
    with pytest.raises(InputError, match="quantities of 72 layers"):
        KnownDevices(costs, LAYOUT, networks(300, seed=1), np.ones((3, 2)))
    with pytest.raises(InputError, match="NaN"):
        KnownDevices(costs, LAYOUT, networks(300, seed=1), np.full((72, 1), np.inf))
    with pytest.raises(InputError, match="equally long"):
        known(np.zeros((72, 2))).family()
    with pytest.raises(InputError, match="same catalog"):
        transfer(np.eye(5), np.arange(1.0, 6), known=known(costs))
    with pytest.raises(InputError, match="apart by least squares"):
        additive_costs(networks(20, seed=0), np.ones((20, 1)))
