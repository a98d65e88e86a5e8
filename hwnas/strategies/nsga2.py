"""NSGA-II (Deb et al. 2002) from pymoo, with operators for rows of choices.

Budgets are constraints: whatever meets them is better than whatever does not, and of two that
do not, the one with the smaller sum of violations is better (section VI of the paper).
"""

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.operators.crossover.ux import UniformCrossover

from hwnas.protocols import SearchStrategy, StrategyProblem
from hwnas.strategies._history import History
from hwnas.strategies._pymoo import (
    CanonicalRepair,
    ChoiceMutation,
    FreshSampling,
    NeverTwice,
    PymooStrategy,
)


def create(problem: StrategyProblem) -> SearchStrategy:
    """A fresh NSGA-II whose population is ``problem.batch`` large."""
    history = History(problem)
    algorithm = NSGA2(
        pop_size=problem.batch,
        sampling=FreshSampling(history),
        crossover=UniformCrossover(prob=0.9),
        mutation=ChoiceMutation(),
        repair=CanonicalRepair(problem),
        eliminate_duplicates=NeverTwice(history),
        output=None,
    )
    return PymooStrategy(algorithm, problem, history)
