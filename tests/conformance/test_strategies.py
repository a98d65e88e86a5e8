"""What every search strategy must do, for each file in ``hwnas/strategies``.

A strategy that needs all losses known (`strategies.needs_known`) is given them, and proposes its
answer alone: what is said of searching is not said of it.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hwnas import estimators, strategies
from hwnas.errors import ExtraMissingError, InputError
from hwnas.estimators import EstimatorContext
from hwnas.pareto import hypervolume
from hwnas.problem import Budget
from hwnas.protocols import KnownLosses, StrategyProblem
from hwnas.search import Run, RunConfig, search
from hwnas.spaces import load_space


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


def created(name, problem, *, losses=toy, violations=within):
    """A fresh strategy, which is told beforehand what it cannot do without."""
    if strategies.needs_known(name):
        problem = all_known(problem, losses=losses, violations=violations)
    return strategies.create(name, problem)


def all_known(problem, *, losses=toy, violations=within):
    """The problem when everything is cheap."""
    objectives, budgets = tuple(range(problem.objectives)), tuple(range(problem.budgets))
    known = KnownLosses(objectives, budgets, lambda genes: (losses(genes), violations(genes)))
    return replace(problem, known=known)


def proposals(name, problem, *, asks=4, losses=toy, violations=within):
    """Everything that a strategy proposes, batch by batch.

    Four batches are 48 evaluations: by then those that begin with a random sample have left it.
    """
    strategy = created(name, problem, losses=losses, violations=violations)
    batches = []
    for _ in range(asks):
        genes = strategy.ask()
        if len(genes) == 0:
            break
        batches.append(genes)
        strategy.tell(genes, losses(genes), violations(genes))
    return batches


@cache
def usual(name):
    """What a strategy proposes for the problem as it is, eight batches."""
    return tuple(proposals(name, PROBLEM, asks=8))


def installed(name):
    try:
        created(name, PROBLEM)
    except ExtraMissingError as error:
        pytest.skip(str(error))
    return name


@pytest.fixture(params=strategies.names())
def name(request):
    return installed(request.param)


@pytest.fixture(params=[n for n in strategies.names() if not strategies.needs_known(n)])
def searching(request):
    return installed(request.param)


def test_equal_seeds_give_equal_proposals_whatever_is_drawn_meanwhile(name):
    def drawing(genes):
        np.random.default_rng().random(5)
        np.random.seed(None)  # noqa: NPY002 - the global state that a strategy might use
        return toy(genes)

    disturbed = proposals(name, PROBLEM, asks=8, losses=drawing)
    assert [batch.tolist() for batch in usual(name)] == [batch.tolist() for batch in disturbed]


def test_other_seeds_give_other_proposals(searching):
    other = created(searching, replace(PROBLEM, seed=2)).ask()
    assert usual(searching)[0].tolist() != other.tolist()


def test_proposals_are_canonical_integers_within_the_space(name):
    genes = np.concatenate(usual(name))
    assert np.issubdtype(genes.dtype, np.integer)
    assert (genes >= 0).all()
    assert (genes < PROBLEM.cardinalities).all()
    assert (genes == absent_genes_to_zero(genes)).all()


def test_no_architecture_is_proposed_twice(name):
    genes = np.concatenate(usual(name))
    assert len(np.unique(genes, axis=0)) == len(genes)


def test_a_batch_is_as_large_as_was_asked_for(searching):
    assert [len(batch) for batch in usual(searching)] == [PROBLEM.batch] * 8


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_batch_may_be_as_small_as_one(searching, batch):
    asks = 24 // batch
    batches = proposals(searching, replace(PROBLEM, batch=batch), asks=asks)
    assert [len(each) for each in batches] == [batch] * asks


def test_it_goes_on_when_nothing_is_feasible(searching):
    batches = proposals(searching, PROBLEM, violations=lambda genes: within(genes) + 1)
    assert len(batches) == 4


def test_it_goes_on_when_all_objectives_are_constant(searching):
    batches = proposals(searching, PROBLEM, losses=lambda genes: np.zeros((len(genes), 2)))
    assert len(batches) == 4


@pytest.mark.parametrize("objectives", [1, 3, 5])
def test_any_number_of_objectives_is_taken(searching, objectives):
    problem = replace(PROBLEM, objectives=objectives)
    batches = proposals(
        searching, problem, losses=lambda genes: np.cos(genes[:, :objectives].astype(float))
    )
    assert len(batches) == 4


def test_budgets_are_not_needed(searching):
    problem = replace(PROBLEM, budgets=0)
    batches = proposals(searching, problem, violations=lambda genes: np.zeros((len(genes), 0)))
    assert len(batches) == 4


@pytest.mark.parametrize("cardinalities", [[2, 3], [7], [2], [1], [1, 1, 3], []])
def test_a_tiny_space_is_proposed_in_full_and_then_nothing(searching, cardinalities):
    problem = replace(TINY, cardinalities=np.array(cardinalities, dtype=int))
    genes = np.concatenate(
        proposals(
            searching, problem, losses=lambda genes: np.stack([genes.sum(axis=1) / 2] * 2, axis=1)
        )
    )
    assert len(np.unique(genes, axis=0)) == len(genes) == np.prod(cardinalities)


def test_a_small_space_is_exhausted_in_the_end(searching):
    problem = replace(PROBLEM, cardinalities=np.array([3, 3, 3]), canonical=np.asarray)
    genes = np.concatenate(
        proposals(searching, problem, losses=lambda genes: genes[:, :2].astype(float))
    )
    assert len(np.unique(genes, axis=0)) == len(genes) == 27


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_losses_that_cannot_be_compared_are_refused(name, wrong):
    strategy = created(name, PROBLEM)
    genes = strategy.ask()
    losses = toy(genes)
    losses[1, 1] = wrong
    with pytest.raises(InputError, match=f"told {wrong} as loss 1 of architecture 1"):
        strategy.tell(genes, losses, within(genes))


def test_a_replay_of_what_was_told_goes_on_alike(name):
    whole = usual(name)
    half = len(whole) // 2
    rows = np.concatenate(whole)
    told = dict(zip(map(tuple, rows), toy(rows), strict=True))
    strategy = created(name, PROBLEM)
    for batch in whole[:half]:
        genes = strategy.ask()
        assert genes.tolist() == batch.tolist()
        strategy.tell(genes, np.array([told[tuple(row)] for row in genes]), within(genes))
    assert strategy.ask().tolist() == whole[half].tolist()


def test_a_search_stopped_anywhere_ends_with_the_same_log(name, tmp_path):
    space = load_space(Path(__file__).parents[1] / "data" / "tiny_space.toml")
    context = EstimatorContext(space)
    size, work = estimators.create("params", context), estimators.create("macs", context)
    large = replace(size, objective=replace(size.objective, maximise=True))
    config = RunConfig(
        space=space.definition(),
        objectives=(large.objective, work.objective),
        budgets=(Budget("macs", 40_000),),
        strategy=name,
        population=12,
        evaluations=48,
    )
    log = search(Run.create(tmp_path / "run", config), [large, work]).log_path
    whole = log.read_bytes()
    for length in np.linspace(0, len(whole), 4, dtype=int):
        log.write_bytes(whole[:length])
        search(Run.open(tmp_path / "run"), [large, work])
        assert log.read_bytes() == whole


# what a model needs few evaluations for, and takes its time over
ASKS_TO_WIN = {"bayesian": 4, "surrogate": 4}


@cache
def found_at_random(seed):
    return np.concatenate(proposals("random", replace(PROBLEM, seed=seed), asks=20))


@pytest.mark.parametrize("strategy", [n for n in strategies.names() if n != "random"])
def test_it_beats_random_search_over_ten_seeds(strategy):
    def dominated(genes):
        return hypervolume(toy(genes)[within(genes)[:, 0] == 0], np.array([1.0, 1.0]))

    installed(strategy)
    asks = ASKS_TO_WIN.get(strategy, 20)
    gains = []
    for seed in range(10):
        found = np.concatenate(proposals(strategy, replace(PROBLEM, seed=seed), asks=asks))
        gains.append(dominated(found) - dominated(found_at_random(seed)[: asks * PROBLEM.batch]))
    assert np.median(gains) > 0
    assert sum(gain > 0 for gain in gains) >= 8


def test_what_is_known_beforehand_may_be_used(name):
    genes = np.concatenate(proposals(name, all_known(PROBLEM)))
    assert len(np.unique(genes, axis=0)) == len(genes)
    assert (genes == absent_genes_to_zero(genes)).all()


@pytest.mark.parametrize("name", list(filter(strategies.needs_known, strategies.names())))
def test_a_strategy_that_needs_all_losses_known_refuses_to_go_without(name):
    with pytest.raises(InputError, match="cheap"):
        strategies.create(name, PROBLEM)
