import numpy as np
import pytest
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from hwnas.strategies._survival import constrained_ranks, crowding, ranked


def test_ranks_are_those_of_dominance_and_equal_points_share_one():
    losses = np.array([[0, 2], [1, 1], [1, 1], [2, 2], [3, 3], [2, 0]], dtype=float)
    assert constrained_ranks(losses, np.zeros((6, 0))).tolist() == [0, 0, 0, 1, 2, 0]


def test_what_breaks_budgets_is_ranked_after_all_others_by_how_much_in_sum():
    losses = np.array([[9, 9], [0, 0], [8, 8], [0, 0], [1, 1]], dtype=float)
    violations = np.array([[0, 0], [2, 1], [0, 0], [1, 1], [0, 2]], dtype=float)
    assert constrained_ranks(losses, violations).tolist() == [1, 3, 0, 2, 2]


def test_crowding_is_the_distance_between_neighbours_relative_to_the_extent():
    losses = np.array([[0, 10], [1, 4], [3, 2], [4, 0], [9, 9]], dtype=float)
    found = crowding(losses, np.array([0, 0, 0, 0, 1]))
    assert found.tolist() == [np.inf, 3 / 4 + 8 / 10, 3 / 4 + 4 / 10, np.inf, 0.0]


def test_a_constant_objective_isolates_nobody():
    losses = np.array([[0.0, 7], [1, 7], [4, 7]])
    assert crowding(losses, np.zeros(3, dtype=int)).tolist() == [np.inf, 1.0, np.inf]


def test_no_points_have_no_order():
    order, ranks = ranked(np.zeros((0, 2)), np.zeros((0, 1)))
    assert len(order) == len(ranks) == 0


def pymoo_survivors(losses, violations, count):
    """Indices of the architectures that pymoo's NSGA-II would keep."""
    problem = Problem(n_var=1, n_obj=losses.shape[1], n_ieq_constr=violations.shape[1])
    population = Population.new(X=np.arange(len(losses))[:, None], F=losses, G=violations)
    kept = RankAndCrowding().do(
        problem, population, n_survive=count, random_state=np.random.default_rng(0)
    )
    return kept.get("X")[:, 0]


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
@pytest.mark.parametrize("feasible", [1.0, 0.5, 0.05])
def test_the_survivors_are_those_of_pymoo(objectives, feasible):
    rng = np.random.default_rng(objectives)
    for _ in range(20):
        # no two are equal in any loss, so that neither may choose
        losses = rng.permuted(np.tile(np.arange(60.0), (objectives, 1)), axis=1).T
        violations = rng.random((60, 2)) * (rng.random((60, 1)) > feasible)
        order, _ = ranked(losses, violations)
        for count in (5, 20, 40):
            theirs = pymoo_survivors(losses, violations, count)
            assert _same(order[:count], theirs, losses, violations)


def _same(ours, theirs, losses, violations):
    """The same survivors, but for some of equal rank that are equally isolated."""
    ranks = constrained_ranks(losses, violations)
    distances = crowding(losses, ranks).round(9)
    return sorted(zip(ranks[ours], distances[ours], strict=True)) == sorted(
        zip(ranks[theirs], distances[theirs], strict=True)
    )
