import numpy as np
import pytest

from hwnas.errors import InputError
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite


def history(*cardinalities, canonical=lambda genes: genes):
    return History(StrategyProblem(np.array(cardinalities), canonical, 2, 0, seed=0, batch=4))


def test_a_row_is_fresh_until_it_is_added_and_only_once_in_a_batch():
    seen = history(3, 3)
    rows = np.array([[0, 1], [2, 2], [0, 1]])
    assert seen.fresh(rows).tolist() == [True, True, False]
    seen.add(rows[:1])
    assert seen.fresh(rows).tolist() == [False, True, False]


def test_equal_rows_are_equal_in_any_integer_type():
    seen = history(3, 3)
    seen.add(np.array([[0, 1]], dtype=np.int8))
    assert seen.fresh(np.array([[0, 1]], dtype=np.int64)).tolist() == [False]


def test_a_space_is_sampled_to_the_last_row():
    seen, rng = history(4, 5, 6), np.random.default_rng(0)
    rows = seen.sample(1000, rng)
    assert len(np.unique(rows, axis=0)) == len(rows) == 120
    seen.add(rows[:119])
    assert seen.sample(2, rng).tolist() == rows[119:].tolist()
    seen.add(rows[119:])
    assert len(seen.sample(2, rng)) == 0


def test_rows_that_mean_the_same_network_are_sampled_once():
    # the second gene has an effect only when the first is 1
    seen = history(2, 9, canonical=lambda genes: genes * [[1, 0]] + genes[:, :1] * genes * [[0, 1]])
    rows = seen.sample(100, np.random.default_rng(0))
    assert sorted(map(tuple, rows)) == [(0, 0), *((1, i) for i in range(9))]


def test_a_large_space_of_one_network_is_given_up_after_many_tries():
    seen = history(*[10] * 9, canonical=np.zeros_like)
    assert len(seen.sample(5, np.random.default_rng(0))) == 1


def test_what_is_proposed_is_new_and_random_where_a_strategy_makes_nothing_new():
    seen, rng = history(4, 5), np.random.default_rng(0)
    seen.add(np.array([[0, 0]]))
    rows = seen.propose(3, [lambda n: np.zeros((n, 2), dtype=int)], rng)
    assert len(np.unique(rows, axis=0)) == 3
    assert (rows != 0).any(axis=1).all()
    assert not seen.fresh(rows).any()


def test_another_way_to_make_rows_is_tried_before_random_ones():
    seen, rng = history(9, 9), np.random.default_rng(0)
    makes = [
        lambda n: np.zeros((n, 2), dtype=int),
        lambda n: rng.integers(9, size=(n, 1)) * [[1, 1]],
    ]
    rows = seen.propose(5, makes, rng)
    assert len(rows) == 5
    assert (rows[:, 0] == rows[:, 1]).all()


def test_given_rows_are_proposed_once_and_made_up_to_the_count():
    seen = history(4, 5)
    rows = seen.propose_rows(np.array([[1, 1], [1, 1], [2, 3]]), 4, np.random.default_rng(0))
    assert rows[:2].tolist() == [[1, 1], [2, 3]]
    assert len(np.unique(rows, axis=0)) == 4


def test_rows_of_many_choices_are_told_apart():
    seen = history(1000, 3)
    seen.add(np.array([[1, 0]]))
    assert seen.fresh(np.array([[257, 0]])).tolist() == [True]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_losses_that_cannot_be_compared_are_refused(wrong):
    with pytest.raises(InputError, match=rf"told {wrong} as loss 1 of architecture 2"):
        check_finite(np.array([[0, 0], [0, 0], [0, wrong]]), np.zeros((3, 0)))
