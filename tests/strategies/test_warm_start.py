"""What an archive knows is told to a strategy before it is first asked."""

from dataclasses import replace

import numpy as np
import pytest

from hwnas import strategies
from hwnas.protocols import KnownLosses, StrategyProblem

CARDINALITIES = np.array([4, 3, 4, 5, 3, 4, 2])


def losses_of(genes):
    """Two losses in conflict; few genes trade one for the other, the rest cost in both."""
    level = genes / (CARDINALITIES - 1)
    return np.stack(
        [level.sum(axis=1), level[:, 3:].sum(axis=1) + 2 * (1 - level[:, :3]).sum(axis=1)], axis=1
    )


def no_violations(genes):
    return np.zeros((len(genes), 0))


PROBLEM = StrategyProblem(
    cardinalities=CARDINALITIES,
    canonical=np.asarray,
    objectives=2,
    budgets=0,
    seed=1,
    batch=10,
    known=KnownLosses((0, 1), (), lambda genes: (losses_of(genes), no_violations(genes))),
)


def archive(count):
    drawn = np.random.default_rng(5).integers(CARDINALITIES, size=(4 * count, len(CARDINALITIES)))
    rows = np.unique(drawn, axis=0)
    return rows[np.random.default_rng(6).permutation(len(rows))[:count]]


def proposals(name, told, *, problem=PROBLEM, asks=5):
    strategy = strategies.create(name, replace(problem, archive=told))
    if len(told):
        strategy.tell(told, losses_of(told), no_violations(told))
    batches = []
    for _ in range(asks):
        genes = strategy.ask()
        if len(genes) == 0:
            break
        batches.append(genes)
        strategy.tell(genes, losses_of(genes), no_violations(genes))
    return np.concatenate(batches)


@pytest.mark.parametrize("count", [3, 60])
@pytest.mark.parametrize("name", strategies.names())
def test_what_was_told_before_the_first_ask_is_not_proposed(name, count):
    told = archive(count)
    rows = np.concatenate([told, proposals(name, told)])
    assert len(np.unique(rows, axis=0)) == len(rows)


@pytest.mark.parametrize("name", strategies.names())
def test_equal_archives_give_equal_proposals(name):
    assert proposals(name, archive(60)).tolist() == proposals(name, archive(60)).tolist()


@pytest.mark.parametrize("name", [n for n in strategies.names() if n not in ("random", "exact")])
def test_a_strategy_goes_on_from_what_the_archive_knows(name):
    """Its first proposals are better than random ones, which they are without an archive."""
    told = archive(200)
    better = 0
    for seed in range(10):
        problem = replace(PROBLEM, seed=seed)
        warm = losses_of(proposals(name, told, problem=problem, asks=1)).sum(axis=1).mean()
        random = losses_of(proposals("random", told, problem=problem, asks=1)).sum(axis=1).mean()
        better += warm < random
    assert better >= 9
