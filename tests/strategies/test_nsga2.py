import numpy as np

from hwnas import strategies
from hwnas.protocols import StrategyProblem

PROBLEM = StrategyProblem(np.array([10] * 6), np.asarray, 2, 2, seed=0, batch=20)


def search(losses, violations, asks):
    strategy = strategies.create("nsga2", PROBLEM)
    for _ in range(asks):
        genes = strategy.ask()
        strategy.tell(genes, losses(genes), violations(genes))
    return genes


def test_feasible_architectures_are_found_before_good_ones():
    # all good losses are where budgets are broken
    last = search(
        losses=lambda genes: -genes[:, :2].astype(float),
        violations=lambda genes: np.maximum(genes[:, :2] - 1.0, 0.0),
        asks=25,
    )
    assert (last[:, :2] <= 1).all(axis=1).mean() > 0.5


def test_what_breaks_the_budgets_least_survives_when_all_break_them():
    last = search(
        losses=lambda genes: np.zeros((len(genes), 2)),
        violations=lambda genes: genes[:, :2] + 1.0,
        asks=25,
    )
    assert np.median(last[:, :2]) == 0


def test_choices_that_no_parent_has_are_reached_by_mutation():
    last = search(
        losses=lambda genes: np.stack([(genes != 7).sum(axis=1)] * 2, axis=1).astype(float),
        violations=lambda genes: np.zeros((len(genes), 2)),
        asks=60,
    )
    assert ((last == 7).sum(axis=1) >= 4).any()
