import numpy as np
import pytest

from hwnas.strategies._directions import directions
from hwnas.strategies._variation import crossed, one_changed, stratified, varied

CARDINALITIES = np.array([2, 5, 1, 3])


def rows(count, seed=0):
    return np.random.default_rng(seed).integers(CARDINALITIES, size=(count, 4))


def test_exactly_one_gene_is_changed_to_any_of_its_other_choices():
    genes = rows(4000)
    changed = one_changed(genes, CARDINALITIES, np.random.default_rng(1))
    differs = changed != genes
    assert (differs.sum(axis=1) == 1).all()
    assert (changed < CARDINALITIES).all()
    assert np.allclose(differs.mean(axis=0), [1 / 3, 1 / 3, 0, 1 / 3], atol=0.03)
    steps = (changed - genes)[differs[:, 1], 1] % 5
    assert np.allclose(np.bincount(steps, minlength=5) / len(steps), [0, *[1 / 4] * 4], atol=0.03)


def test_where_no_gene_has_a_choice_nothing_changes():
    genes = np.zeros((3, 2), dtype=int)
    assert (one_changed(genes, np.array([1, 1]), np.random.default_rng(0)) == 0).all()


def test_crossing_takes_each_gene_from_either_parent():
    mothers, fathers = np.zeros((2000, 4), dtype=int), np.ones((2000, 4), dtype=int)
    assert np.allclose(
        crossed(mothers, fathers, np.random.default_rng(0)).mean(axis=0), 0.5, atol=0.05
    )


def test_children_are_changed_and_crossed_by_turns():
    mothers, fathers = rows(100), rows(100, seed=1)
    children = varied(mothers, fathers, CARDINALITIES, np.random.default_rng(2))
    assert ((children[::2] != mothers[::2]).sum(axis=1) == 1).all()
    assert ((children[1::2] == mothers[1::2]) | (children[1::2] == fathers[1::2])).all()


@pytest.mark.parametrize("count", [1, 7, 30])
def test_a_stratified_start_has_each_choice_as_often_as_the_others(count):
    genes = stratified(CARDINALITIES, count, np.random.default_rng(0))
    assert genes.shape == (count, 4)
    for column, choices in zip(genes.T, CARDINALITIES, strict=True):
        assert np.ptp(np.bincount(column, minlength=choices)) <= 1


@pytest.mark.parametrize(("count", "objectives"), [(1, 1), (20, 1), (20, 2), (21, 3), (40, 5)])
def test_directions_are_weights_that_differ_and_begin_with_each_objective(count, objectives):
    found = directions(count, objectives)
    assert found.shape == (count, objectives)
    assert (found >= 0).all()
    assert np.allclose(found.sum(axis=1), 1)
    assert (found[:objectives] == np.eye(objectives)).all()
    if objectives > 1:
        assert len(np.unique(found.round(9), axis=0)) == count


def test_directions_of_many_objectives_spread_as_a_uniform_choice_would():
    # a weight that is uniform on the simplex has a mean of 1/3, and is above 1/2 in a quarter
    found = directions(403, 3)[3:]
    assert np.allclose(found.mean(axis=0), 1 / 3, atol=0.01)
    assert np.allclose((found > 0.5).mean(axis=0), 0.25, atol=0.02)
