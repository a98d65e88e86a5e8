import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwnas.pareto import (
    domination_probability,
    evenly,
    hypervolume,
    knee,
    noise_aware_front,
    non_dominated,
    normalised,
)

# few distinct values, so that equal and weakly dominated points are common
losses_of = st.tuples(st.integers(1, 30), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-3, 3).map(float))
)


def dominates(one, other):
    return bool((one <= other).all() and (one < other).any())


def slow_non_dominated(losses, feasible):
    return [
        bool(feasible[i])
        and not any(feasible[j] and dominates(losses[j], losses[i]) for j in range(len(losses)))
        for i in range(len(losses))
    ]


@settings(deadline=None)
@given(losses_of, st.randoms(use_true_random=False))
def test_the_front_equals_that_of_comparing_all_pairs(losses, random):
    feasible = np.array([random.random() < 0.7 for _ in losses])
    assert non_dominated(losses, feasible=feasible).tolist() == slow_non_dominated(losses, feasible)
    everything = np.ones(len(losses), dtype=bool)
    assert non_dominated(losses).tolist() == slow_non_dominated(losses, everything)


@settings(deadline=None)
@given(losses_of)
def test_members_of_a_front_do_not_dominate_each_other_but_everything_else(losses):
    mask = non_dominated(losses)
    front = losses[mask]
    assert not any(dominates(one, other) for one in front for other in front)
    assert all(any(dominates(one, other) for one in front) for other in losses[~mask])


@settings(deadline=None)
@given(losses_of)
def test_a_front_is_its_own_front_and_has_the_whole_hypervolume(losses):
    front = losses[non_dominated(losses)]
    assert non_dominated(front).all()
    reference = np.full(losses.shape[1], 4.0)
    assert hypervolume(front, reference) == hypervolume(losses, reference)


@settings(deadline=None)
@given(losses_of)
def test_hypervolume_of_integers_counts_dominated_unit_boxes(losses):
    reference = np.full(losses.shape[1], 4.0)
    corners = np.stack(
        np.meshgrid(*[np.arange(-3.0, 4.0)] * losses.shape[1]), axis=-1
    ).reshape(-1, losses.shape[1])  # fmt: skip
    dominated = (losses[:, None, :] <= corners[None, :, :]).all(axis=2).any(axis=0)
    assert hypervolume(losses, reference) == pytest.approx(dominated.sum())


def test_no_points_have_no_front_and_no_hypervolume():
    assert non_dominated(np.zeros((0, 2))).tolist() == []
    assert hypervolume(np.zeros((0, 2)), np.ones(2)) == 0.0


def test_equal_points_are_all_on_the_front():
    assert non_dominated(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0]])).tolist() == [1, 1, 0]


def test_infeasible_points_may_hold_nan():
    losses = np.array([[np.nan, 0.0], [1.0, 1.0]])
    assert non_dominated(losses, feasible=np.array([False, True])).tolist() == [False, True]


def test_points_on_or_beyond_the_reference_add_nothing():
    losses = np.array([[0.0, 2.0], [1.0, 1.0], [5.0, 0.0]])
    assert hypervolume(losses, np.array([2.0, 2.0])) == 1.0


def test_normalised_losses_go_from_0_to_1_and_constants_are_0():
    losses = np.array([[1.0, 10.0, 7.0], [3.0, 30.0, 7.0], [2.0, 15.0, 7.0]])
    assert normalised(losses).tolist() == [[0, 0, 0], [1, 1, 0], [0.5, 0.25, 0]]


def test_the_knee_of_a_bent_front_is_its_bend_whatever_the_units():
    front = np.array([[0.0, 10.0], [1.0, 2.0], [5.0, 1.0], [10.0, 0.0]])
    assert knee(front) == 1
    assert knee(front * [1e-3, 1e6]) == 1


def test_a_front_of_one_point_has_its_knee_there():
    assert knee(np.array([[3.0, 4.0]])) == 0


def test_the_probability_of_domination_is_a_product_over_objectives():
    # 1 apart with a deviation of 1 each: sqrt(2) deviations of the difference, P = 0.7602
    losses, stds = np.array([[0.0, 0.0], [1.0, 1.0]]), np.ones((2, 2))
    found = domination_probability(losses, stds, np.array([0, 1]))
    assert found == pytest.approx([0.0, 0.7602**2], abs=1e-4)


def test_exact_objectives_are_certain():
    losses = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.5]])
    found = domination_probability(losses, np.zeros((4, 2)), np.arange(4))
    assert found.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert noise_aware_front(losses, np.zeros((4, 2))).tolist() == non_dominated(losses).tolist()


def test_a_noise_aware_front_holds_the_plain_one_and_grows_with_the_noise():
    losses = np.random.default_rng(0).random((300, 3))
    feasible = np.arange(300) % 7 > 0
    smaller = non_dominated(losses, feasible=feasible)
    for noise in (1e-9, 0.01, 0.05, 0.3):
        larger = noise_aware_front(losses, np.full((300, 3), noise), feasible=feasible)
        assert (larger >= smaller).all()
        assert not larger[~feasible].any()
        smaller = larger
    assert smaller.sum() > 200


def test_the_probability_is_how_often_samples_dominate():
    rng = np.random.default_rng(0)
    losses, stds = np.array([[1.0, 3.0], [1.4, 3.9]]), np.array([[0.3, 0.5], [0.2, 0.6]])
    draws = rng.normal(losses, stds, size=(200_000, 2, 2))
    share = (draws[:, 0] <= draws[:, 1]).all(axis=1).mean()
    found = domination_probability(losses, stds, np.array([0]))
    assert found[1] == pytest.approx(share, abs=0.005)


def test_members_are_spread_evenly_with_the_ends_first():
    steps = np.linspace(0, 1, 9)
    assert evenly(np.stack([steps, 1 - steps], axis=1), 5).tolist() == [0, 8, 4, 2, 6]


def test_no_more_members_are_spread_than_there_are():
    assert evenly(np.zeros((0, 2)), 3).tolist() == []
    assert sorted(evenly(np.zeros((3, 2)), 5).tolist()) == [0, 1, 2]
