"""Pareto local search (Paquete et al. 2004): architectures one gene away from the front.

Members of the front are open until all their neighbours were proposed. A batch is drawn from the
neighbours of random open members; when none is open, the search starts again from random
architectures, with a front of its own.
"""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import BoolArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._survival import constrained_ranks
from hwnas.strategies._variation import stratified

_START = 20


class LocalSearch:
    """Local search from as many random architectures as a batch, but at least 20."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)
        self._start: IntArray = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
        # the front
        self._genes: IntArray = self._start
        self._losses: FloatArray = np.zeros((0, problem.objectives))
        self._violations: FloatArray = np.zeros((0, problem.budgets))
        self._open: BoolArray = np.zeros(0, dtype=bool)
        self._restart()

    def ask(self) -> IntArray:
        """The next canonical genes, shape (batch, genes); fewer when no more are found."""
        batch = self._problem.batch
        if len(self._start) == 0:
            neighbours = self._open_neighbours(batch)
            if len(neighbours):
                return self._history.propose_rows(neighbours, batch, self._rng)
            self._restart()
        rows, self._start = np.split(self._start, [batch])
        return self._history.propose_rows(rows, batch, self._rng)

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        genes = np.concatenate([self._genes, genes])
        losses = np.concatenate([self._losses, losses])
        violations = np.concatenate([self._violations, violations])
        unexplored: BoolArray = np.ones(len(genes), dtype=bool)
        unexplored[: len(self._open)] = self._open
        front = constrained_ranks(losses, violations) == 0
        self._genes, self._losses = genes[front], losses[front]
        self._violations, self._open = violations[front], unexplored[front]

    def _restart(self) -> None:
        """Forget the front, and begin with random architectures."""
        problem = self._problem
        size = max(problem.batch, _START)
        # what an archive knows is a start as good
        self._start = stratified(problem.cardinalities, size, self._rng)[len(self._history) :]
        self._genes, self._losses = self._genes[:0], self._losses[:0]
        self._violations, self._open = self._violations[:0], self._open[:0]

    def _open_neighbours(self, count: int) -> IntArray:
        """Neighbours of open members, never proposed, shape (up to count, genes), at random."""
        unexplored = self._rng.permutation(np.flatnonzero(self._open))
        found = self._genes[:0]
        for start in range(0, len(unexplored), count):
            members = unexplored[start : start + count]
            around = [self._around(self._genes[member]) for member in members]
            self._open[members] = [len(rows) > 0 for rows in around]
            found = np.concatenate([found, *around])
            if len(found) >= count:
                break
        found = found[self._rng.permutation(len(found))]
        return found[self._history.fresh(found)][:count]

    def _around(self, row: IntArray) -> IntArray:
        """Canonical rows one gene away that were never proposed, shape (neighbours, genes)."""
        cardinalities = self._problem.cardinalities
        genes = np.repeat(np.arange(len(cardinalities)), cardinalities - 1)
        steps = np.concatenate([np.arange(1, c) for c in cardinalities] or [genes])
        rows = np.repeat(row[None], len(genes), axis=0)
        places = (np.arange(len(genes)), genes)
        rows[places] = (rows[places] + steps) % cardinalities[genes]
        rows = self._problem.canonical(rows)
        return np.asarray(rows[self._history.fresh(rows)])


def create(problem: StrategyProblem) -> LocalSearch:
    """A fresh Pareto local search."""
    return LocalSearch(problem)
