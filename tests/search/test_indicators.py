import numpy as np
import pytest

from hwnas.search import hypervolume_history
from hwnas.search.indicators import FrontTracker


def test_hypervolume_grows_to_a_value_worked_out_by_hand():
    # a 4 x 4 box from the best (0, 0) to the reference (4, 4), in sixteenths
    losses = np.array([[4.0, 4.0], [2.0, 2.0], [0.0, 3.0], [3.0, 0.0]])
    counts, shares = hypervolume_history(losses, np.ones(4, dtype=bool))
    assert counts.tolist() == [1, 2, 3, 4]
    assert shares.tolist() == [0.0, 4 / 16, 6 / 16, 8 / 16]


def test_a_given_reference_bounds_the_volume():
    losses = np.array([[0.0, 1.0], [1.0, 0.0]])
    _, shares = hypervolume_history(losses, np.ones(2, bool), reference=np.array([2.0, 2.0]))
    assert shares.tolist() == [2 / 4, 3 / 4]


def test_infeasible_points_add_nothing_and_unevaluated_ones_do_not_count():
    losses = np.array([[2.0, 2.0], [np.nan, 1.0], [1.0, 1.0], [0.0, 0.0]])
    counts, shares = hypervolume_history(losses, np.array([True, False, True, False]))
    assert counts.tolist() == [1, 2, 3]
    assert shares.tolist() == [0.0, 0.25, 0.25]


def test_no_evaluations_give_no_points():
    counts, shares = hypervolume_history(np.zeros((0, 2)), np.zeros(0, bool))
    assert len(counts) == len(shares) == 0


def test_few_points_are_those_of_many():
    rng = np.random.default_rng(0)
    losses, feasible = rng.random((300, 3)), rng.random(300) < 0.7
    every, exact = hypervolume_history(losses, feasible, points=300)
    counts, shares = hypervolume_history(losses, feasible, points=7)
    assert counts[-1] == 300
    assert shares.tolist() == exact[np.searchsorted(every, counts)].tolist()
    assert (np.diff(exact) >= 0).all()


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_the_front_kept_up_in_steps_is_the_front_of_everything(objectives):
    rng = np.random.default_rng(objectives)
    losses, feasible = rng.integers(0, 9, (200, objectives)) / 8.0, rng.random(200) < 0.5
    steps, whole = FrontTracker(objectives), FrontTracker(objectives)
    for start in range(0, 200, 17):
        steps.add(losses[start : start + 17], feasible[start : start + 17])
    whole.add(losses, feasible)
    assert steps.front.tolist() == whole.front.tolist()
    assert steps.hypervolume() == whole.hypervolume()


def test_a_constant_objective_does_not_divide_by_zero():
    _, shares = hypervolume_history(np.array([[1.0, 5.0], [2.0, 5.0]]), np.ones(2, bool))
    assert shares.tolist() == [1.0, 1.0]
