import numpy as np
import pytest

from hwnas.strategies.age_moea import curvature, front_scores, survivors


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 4.0])
def test_the_curvature_of_a_front_is_found(p):
    first = np.linspace(0, 1, 101)
    second = (1 - first**p) ** (1 / p)
    # the middle of the front lies between two of its members
    assert curvature(np.stack([first, second], axis=1)) == pytest.approx(p, rel=0.03)


def test_a_front_without_a_middle_is_taken_as_straight():
    assert curvature(np.array([[0.0, 1.0], [1.0, 0.0]])) == 1.0
    assert curvature(np.zeros((4, 2))) == 1.0


def test_ends_come_first_and_then_what_is_far_from_all_chosen():
    front = np.array([[0.0, 1.0], [0.1, 0.9], [0.5, 0.5], [0.9, 0.1], [1.0, 0.0]])
    scores = front_scores(front, 1.0)
    assert np.isinf(scores[[0, 4]]).all()
    # all norms are 1; each is 2 away from both ends together, so the first joins; the middle is
    # then 0.8 from it and 1 from an end, and the last 0.2 from an end and 0.8 from the middle
    assert scores[1:4] == pytest.approx([2.0, 1.8, 1.0])


def test_lower_ranks_survive_before_higher_ones_and_feasible_ones_before_both():
    losses = np.array([[1.0, 1.0], [0.0, 2.0], [2.0, 2.0], [0.0, 0.0]])
    violations = np.array([[0.0], [0.0], [0.0], [1.0]])
    order, first = survivors(losses, violations, 3)
    assert sorted(order[:2]) == [0, 1]
    assert order[2] == 2
    assert first == 2
