import itertools

import numpy as np
import pytest

from hwnas.additive import decompose, lowest


def chain(seed):
    """A sum of parts of two neighbouring genes and one that all of them share."""
    rng = np.random.default_rng(seed)
    cardinalities = rng.integers(1, 5, size=6)
    tables = rng.normal(size=(5, 5, 5, 5, 2))

    def function(genes):
        return sum(tables[i, genes[:, i], genes[:, (i + 1) % 5], genes[:, 5]] for i in range(5))

    return cardinalities, function


def every(cardinalities):
    return np.array(list(itertools.product(*map(range, cardinalities))))


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_add_up_to_the_function_everywhere(seed):
    cardinalities, function = chain(seed)
    parts = decompose(function, cardinalities)
    rows = every(cardinalities)
    assert np.allclose(parts.of(rows), function(rows))


@pytest.mark.parametrize("seed", range(5))
def test_the_lowest_sum_is_the_lowest_of_all(seed):
    cardinalities, function = chain(seed)
    row = lowest(decompose(function, cardinalities), cardinalities)
    assert np.isclose(function(row[None])[0, 0], function(every(cardinalities))[:, 0].min())


def test_genes_that_add_up_have_parts_of_their_own():
    parts = decompose(lambda genes: genes @ np.array([[1.0], [10.0], [100.0]]), np.array([3, 2, 4]))
    assert sorted(part.genes for part in parts.parts) == [(0,), (1,), (2,)]


def test_a_gene_that_only_acts_with_another_shares_a_part_with_it():
    gated = decompose(
        lambda genes: (genes[:, 1] * (genes[:, 0] == 2))[:, None] * 1.0, np.array([3, 4, 2])
    )
    assert {frozenset(part.genes) for part in gated.parts if len(part.genes) > 1} == {
        frozenset({0, 1})
    }


def test_what_all_genes_have_a_part_in_is_not_taken_apart():
    cardinalities = np.full(20, 3)
    assert decompose(lambda genes: np.exp(genes.sum(axis=1))[:, None], cardinalities) is None


def test_a_space_without_choices_is_a_constant():
    parts = decompose(lambda genes: np.full((len(genes), 1), 7.0), np.array([1, 1]))
    assert parts.of(np.zeros((1, 2), dtype=int)).tolist() == [[7.0]]
    nothing = decompose(lambda genes: np.full((len(genes), 1), 7.0), np.array([], dtype=int))
    assert lowest(nothing, np.array([], dtype=int)).tolist() == []
