"""NSGA-III (Deb and Jain 2014) from pymoo: a front spread along given directions."""

from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.operators.selection.tournament import TournamentSelection

from hwnas.catalog import IntArray
from hwnas.protocols import SearchStrategy, StrategyProblem
from hwnas.strategies._directions import directions
from hwnas.strategies._history import History
from hwnas.strategies._pymoo import PymooStrategy, operators, population_size


def create(problem: StrategyProblem) -> SearchStrategy:
    """A fresh NSGA-III with one direction for each member of its population."""
    history = History(problem)
    algorithm = NSGA3(
        directions(population_size(problem), problem.objectives),
        # pymoo's own draws from a generator without a seed where budgets are broken alike
        selection=TournamentSelection(func_comp=_less_beyond),
        **operators(problem, history),
    )
    return PymooStrategy(algorithm, problem, history)


def _less_beyond(population: Any, pairs: IntArray, **kwargs: Any) -> IntArray:  # noqa: ARG001
    """Of each random pair the one that breaks budgets less, else the first; shape (pairs, 1)."""
    beyond = population.get("CV")[:, 0][pairs]
    return np.take_along_axis(pairs, beyond.argmin(axis=1)[:, None], axis=1)
