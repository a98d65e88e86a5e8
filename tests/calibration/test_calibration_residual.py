import itertools

import numpy as np
import pytest

from hwnas.calibration.residual import Correction, Residual, Traits, correction, residual

SLOTS, CHOICES, KINDS = 12, 6, 4
LAYERS = 1 + SLOTS * CHOICES
RNG = np.random.default_rng(0)
TRAITS = Traits(
    kinds=np.concatenate([[-1], np.tile(np.arange(CHOICES) % KINDS, SLOTS)]),
    costs_ms=np.concatenate([[0.0], RNG.gamma(4, 0.1, LAYERS - 1)]),
    totals=np.concatenate([np.zeros((1, 2)), RNG.gamma(3, 1.0, (LAYERS - 1, 2))]),
)


def networks(count: int, seed: int) -> np.ndarray:
    """One choice at each slot; a third of the slots is absent."""
    rng = np.random.default_rng(seed)
    chosen = 1 + np.arange(SLOTS) * CHOICES + rng.integers(0, CHOICES, (count, SLOTS))
    chosen[rng.random(chosen.shape) < 1 / 3] = 0
    return chosen


def fusing(rows: np.ndarray) -> np.ndarray:
    """A device that runs a layer of kind 0 for nothing after one of kind 1."""
    missed = np.zeros(len(rows))
    for i, row in enumerate(rows):
        layers = [layer for layer in row if layer]
        for before, after in itertools.pairwise(layers):
            if (TRAITS.kinds[before], TRAITS.kinds[after]) == (1, 0):
                missed[i] -= TRAITS.costs_ms[after]
        missed[i] /= TRAITS.costs_ms[layers].sum()
    return missed - missed.mean()


def overflowing(rows: np.ndarray) -> np.ndarray:
    """A device that is a third slower when a total is above its median."""
    total = TRAITS.totals[rows, 0].sum(axis=1)
    return np.where(total > np.median(TRAITS.totals[networks(500, 9), 0].sum(axis=1)), 0.33, 0.0)


def noisy(missed: np.ndarray, noise: float = 0.01) -> np.ndarray:
    return missed + noise * np.random.default_rng(5).standard_normal(len(missed))


def learned(rows: np.ndarray, missed: np.ndarray) -> Correction:
    found = residual(rows, missed, traits=TRAITS, repeatability=0.01)
    assert found is not None
    return correction(rows, missed, traits=TRAITS, learned=found)


@pytest.mark.parametrize("device", [fusing, overflowing])
def test_what_is_not_additive_is_learned_and_errors_are_stated(device) -> None:
    rows, unseen = networks(96, 1), networks(400, 2)
    found = residual(rows, noisy(device(rows)), traits=TRAITS, repeatability=0.01)
    assert found is not None
    assert found.error < 0.85 * found.additive_error
    truth = noisy(device(unseen))
    left = truth - learned(rows, noisy(device(rows))).means(unseen)
    assert np.abs(left).mean() < 0.8 * np.abs(truth - truth.mean()).mean()


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_not_modelled(seed: int) -> None:
    missed = 0.03 * np.random.default_rng(seed).standard_normal(64)
    assert residual(networks(64, seed), missed, traits=TRAITS, repeatability=0.01) is None


def test_errors_that_the_measurement_explains_are_not_modelled() -> None:
    rows = networks(96, 1)
    assert residual(rows, fusing(rows), traits=TRAITS, repeatability=1.0) is None


def test_few_networks_give_no_second_model() -> None:
    rows = networks(12, 1)
    assert residual(rows, fusing(rows), traits=TRAITS, repeatability=0.0) is None


def test_intervals_cover_about_what_they_state() -> None:
    rows, unseen = networks(96, 1), networks(400, 2)
    model = learned(rows, noisy(fusing(rows)))
    errors = np.abs(noisy(fusing(unseen)) - model.means(unseen))
    assert 0.8 < np.mean(errors <= 1.645 * model.deviations(unseen)) < 0.99


def test_absent_slots_make_their_neighbours_follow_each_other() -> None:
    shown, _ = TRAITS.of(np.array([[1, 0, 0, 20], [1, 20, 0, 0]]), KINDS)
    np.testing.assert_array_equal(shown[0], shown[1])
    assert shown[0].sum() == pytest.approx(1.0)


def test_layers_in_another_order_give_the_same() -> None:
    rows = networks(96, 1)
    model = learned(rows, noisy(fusing(rows)))
    order = np.concatenate([[0], 1 + np.random.default_rng(3).permutation(LAYERS - 1)])
    renamed = np.argsort(order)[rows]
    np.testing.assert_allclose(model.only(order).means(renamed), model.means(rows), rtol=1e-9)
    np.testing.assert_allclose(model.only(order).deviations(renamed), model.deviations(rows))


def test_hyper_parameters_are_enough_to_get_a_model_back() -> None:
    rows, unseen = networks(64, 1), networks(10, 2)
    stored = Residual((0.1, 0.01, 0.0, 0.0), 0.02, (1.0,) * 64, 2.0, 4.0)
    first, second = (
        correction(rows, fusing(rows), traits=TRAITS, learned=stored) for _ in range(2)
    )
    np.testing.assert_array_equal(first.means(unseen), second.means(unseen))
