"""What every search strategy must do, for each file in ``hwnas/strategies``."""

from dataclasses import replace

import numpy as np
import pytest

from hwnas import strategies
from hwnas.errors import InputError
from hwnas.pareto import hypervolume
from hwnas.protocols import StrategyProblem


def absent_genes_to_zero(genes):
    """Gene 0 says how many of the others have an effect, as a depth does."""
    result = np.array(genes)
    for gene in range(1, result.shape[1]):
        result[result[:, 0] + 3 < gene, gene] = 0
    return result


PROBLEM = StrategyProblem(
    cardinalities=np.array([4, 3, 4, 5, 3, 4, 2]),
    canonical=absent_genes_to_zero,
    objectives=2,
    budgets=1,
    seed=1,
    batch=12,
)
TINY = replace(PROBLEM, cardinalities=np.array([2, 3]), canonical=np.asarray)


def toy(genes):
    """Two losses in conflict, with a valley that not every gene leads to."""
    level = genes / (PROBLEM.cardinalities - 1)
    first = level.mean(axis=1) + 0.3 * (genes[:, 1] != genes[:, 4])
    second = (1 - level).mean(axis=1) + 0.3 * (genes[:, 2] != genes[:, 5])
    return np.stack([first, second], axis=1)


def within(genes):
    """Violation of a budget that about half of the architectures meet."""
    return np.maximum(genes.sum(axis=1, keepdims=True) - 9.0, 0.0)


def proposals(name, problem, *, asks=8, losses=toy, violations=within):
    """Everything that a strategy proposes, batch by batch."""
    strategy = strategies.create(name, problem)
    batches = []
    for _ in range(asks):
        genes = strategy.ask()
        if len(genes) == 0:
            break
        batches.append(genes)
        strategy.tell(genes, losses(genes), violations(genes))
    return batches


@pytest.fixture(params=strategies.names())
def name(request):
    return request.param


def test_equal_seeds_give_equal_proposals(name):
    first, second = proposals(name, PROBLEM), proposals(name, PROBLEM)
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]


def test_other_random_numbers_drawn_meanwhile_change_nothing(name):
    def drawing(genes):
        np.random.default_rng().random(5)
        np.random.seed(None)  # noqa: NPY002 - the global state that a strategy might use
        return toy(genes)

    undisturbed, disturbed = proposals(name, PROBLEM), proposals(name, PROBLEM, losses=drawing)
    assert [batch.tolist() for batch in undisturbed] == [batch.tolist() for batch in disturbed]


def test_other_seeds_give_other_proposals(name):
    other = proposals(name, replace(PROBLEM, seed=2))
    assert proposals(name, PROBLEM)[0].tolist() != other[0].tolist()


def test_proposals_are_canonical_integers_within_the_space(name):
    genes = np.concatenate(proposals(name, PROBLEM))
    assert np.issubdtype(genes.dtype, np.integer)
    assert (genes >= 0).all()
    assert (genes < PROBLEM.cardinalities).all()
    assert (genes == absent_genes_to_zero(genes)).all()


def test_no_architecture_is_proposed_twice(name):
    genes = np.concatenate(proposals(name, PROBLEM, asks=30))
    assert len(np.unique(genes, axis=0)) == len(genes)


def test_a_batch_is_as_large_as_was_asked_for(name):
    assert [len(batch) for batch in proposals(name, PROBLEM)] == [PROBLEM.batch] * 8


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_batch_may_be_as_small_as_one(name, batch):
    assert len(proposals(name, replace(PROBLEM, batch=batch), asks=20)) == 20


def test_it_goes_on_when_nothing_is_feasible(name):
    batches = proposals(name, PROBLEM, violations=lambda genes: within(genes) + 1)
    assert len(batches) == 8


def test_it_goes_on_when_all_objectives_are_constant(name):
    batches = proposals(name, PROBLEM, losses=lambda genes: np.zeros((len(genes), 2)))
    assert len(batches) == 8


@pytest.mark.parametrize("objectives", [1, 3, 5])
def test_any_number_of_objectives_is_taken(name, objectives):
    problem = replace(PROBLEM, objectives=objectives)
    batches = proposals(
        name, problem, losses=lambda genes: np.cos(genes[:, :objectives].astype(float))
    )
    assert len(batches) == 8


def test_budgets_are_not_needed(name):
    problem = replace(PROBLEM, budgets=0)
    assert len(proposals(name, problem, violations=lambda genes: np.zeros((len(genes), 0)))) == 8


@pytest.mark.parametrize("cardinalities", [[2, 3], [7], [2], [1], [1, 1, 3], []])
def test_a_tiny_space_is_proposed_in_full_and_then_nothing(name, cardinalities):
    problem = replace(TINY, cardinalities=np.array(cardinalities, dtype=int))
    genes = np.concatenate(
        proposals(name, problem, losses=lambda genes: np.stack([genes.sum(axis=1) / 2] * 2, axis=1))
    )
    assert len(np.unique(genes, axis=0)) == len(genes) == np.prod(cardinalities)


def test_a_small_space_is_exhausted_in_the_end(name):
    problem = replace(PROBLEM, cardinalities=np.array([3, 3, 3]), canonical=np.asarray)
    batches = proposals(name, problem, losses=lambda genes: genes[:, :2].astype(float))
    assert sum(map(len, batches)) == 27


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_losses_that_cannot_be_compared_are_refused(name, wrong):
    strategy = strategies.create(name, PROBLEM)
    genes = strategy.ask()
    losses = toy(genes)
    losses[3, 1] = wrong
    with pytest.raises(InputError, match=f"told {wrong} as loss 1 of architecture 3"):
        strategy.tell(genes, losses, within(genes))


def test_a_replay_of_what_was_told_goes_on_alike(name):
    whole = proposals(name, PROBLEM, asks=10)
    rows = np.concatenate(whole)
    told = dict(zip(map(tuple, rows), toy(rows), strict=True))
    strategy = strategies.create(name, PROBLEM)
    for batch in whole[:6]:
        genes = strategy.ask()
        assert genes.tolist() == batch.tolist()
        strategy.tell(genes, np.array([told[tuple(row)] for row in genes]), within(genes))
    assert strategy.ask().tolist() == whole[6].tolist()


@pytest.mark.parametrize("name", [n for n in strategies.names() if n != "random"])
def test_it_beats_random_search_over_ten_seeds(name):
    def found(strategy, seed):
        problem = replace(PROBLEM, seed=seed)
        genes = np.concatenate(proposals(strategy, problem, asks=20))
        return hypervolume(toy(genes)[within(genes)[:, 0] == 0], np.array([1.0, 1.0]))

    gains = [found(name, seed) - found("random", seed) for seed in range(10)]
    assert np.median(gains) > 0
    assert sum(gain > 0 for gain in gains) >= 8
