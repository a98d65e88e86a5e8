"""Regularized evolution (Real et al. 2019): the best of a random few is mutated, the oldest dies.

Made for one objective. Here the best of a few is the one that no other of the population
dominates, and of these the most isolated, as in NSGA-II.
"""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._survival import ranked
from hwnas.strategies._variation import one_changed, stratified

_POPULATION = 50
_START = 20
_SAMPLE = 0.25


class RegularizedEvolution:
    """Aging evolution whose population is as large as two batches, but at least 50."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)
        self._size = max(2 * problem.batch, _POPULATION)
        start = max(problem.batch, _START)
        # what an archive knows is a start as good
        self._start = stratified(problem.cardinalities, start, self._rng)[len(self._history) :]
        # the population, oldest first, and the place of each from the best to the worst
        self._genes: IntArray = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
        self._losses: FloatArray = np.zeros((0, problem.objectives))
        self._violations: FloatArray = np.zeros((0, problem.budgets))
        self._places: IntArray = np.zeros(0, dtype=np.int64)

    def ask(self) -> IntArray:
        """The next canonical genes, shape (batch, genes); fewer when no more are found."""
        batch = self._problem.batch
        if len(self._start):
            rows, self._start = np.split(self._start, [batch])
            return self._history.propose_rows(rows, batch, self._rng)
        return self._history.propose(batch, [self._mutants], self._rng)

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        self._genes = np.concatenate([self._genes, genes])[-self._size :]
        self._losses = np.concatenate([self._losses, losses])[-self._size :]
        self._violations = np.concatenate([self._violations, violations])[-self._size :]
        order, _ = ranked(self._losses, self._violations)
        self._places = np.argsort(order)

    def _mutants(self, count: int) -> IntArray:
        """Mutants of parents that each won a tournament, shape (count, genes)."""
        entrants = max(2, int(_SAMPLE * len(self._genes)))
        drawn = self._rng.integers(len(self._genes), size=(count, entrants))
        winners = drawn[np.arange(count), self._places[drawn].argmin(axis=1)]
        return one_changed(self._genes[winners], self._problem.cardinalities, self._rng)


def create(problem: StrategyProblem) -> RegularizedEvolution:
    """A fresh regularized evolution."""
    return RegularizedEvolution(problem)
