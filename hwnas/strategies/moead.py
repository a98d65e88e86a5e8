"""MOEA/D (Zhang and Li 2007): one problem for each of many weights, and neighbours help.

Weighted Chebyshev distances to the best losses seen, each loss on the scale of the population.
A new architecture is offered where it is best and around there (Wang et al. 2014). Of two that
break budgets the one that breaks them less is better, and whatever meets them is better than
both. It is not pymoo's, which takes no budgets and proposes architectures again.
"""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._directions import directions
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._variation import stratified, varied

_FEWEST, _MOST = 20, 500
_NEIGHBOURS = 0.5
_ELSEWHERE = 0.1
_LEAST_WEIGHT = 1e-3


class Moead:
    """MOEA/D with one weight for each architecture of a batch, but 20 to 500."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)
        size = max(min(problem.batch, _MOST), _FEWEST, problem.objectives)
        # what an archive knows is a start as good
        self._start = stratified(problem.cardinalities, size, self._rng)[len(self._history) :]
        self._weights = np.maximum(directions(size, problem.objectives), _LEAST_WEIGHT)
        apart = np.abs(self._weights[:, None] - self._weights[None]).sum(axis=2)
        near = max(4, int(size * _NEIGHBOURS))
        self._near = np.argsort(apart, axis=1, kind="stable")[:, :near]
        # the incumbent of each weight; what nobody told yet is worse than anything
        self._genes: IntArray = np.zeros((size, len(problem.cardinalities)), dtype=np.int64)
        self._losses: FloatArray = np.zeros((size, problem.objectives))
        self._beyond = np.full(size, np.inf)
        self._best = np.full(problem.objectives, np.inf)

    def ask(self) -> IntArray:
        """The next canonical genes, shape (batch, genes); fewer when no more are found."""
        batch = self._problem.batch
        if len(self._start):
            rows, self._start = np.split(self._start, [batch])
            return self._history.propose_rows(rows, batch, self._rng)
        return self._history.propose(batch, [self._children], self._rng)

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        if len(genes) == 0:
            return
        self._best = np.minimum(self._best, losses.min(axis=0))
        known = np.isfinite(self._beyond)
        extent = (self._losses[known] if known.any() else losses).max(axis=0) - self._best
        scale = np.where(extent > 0, extent, 1.0)
        for row, loss, beyond in zip(genes, losses, violations.sum(axis=1), strict=True):
            self._offer(row, loss, float(beyond), scale)

    def _offer(self, row: IntArray, loss: FloatArray, beyond: float, scale: FloatArray) -> None:
        """Let one architecture replace incumbents that it is better than."""
        own = self._distances(loss[None], self._weights, scale)
        place = int(own.argmin())
        around = self._near[place]
        unknown = np.flatnonzero(np.isinf(self._beyond))
        around = np.concatenate([around, unknown]) if len(unknown) else around
        theirs = self._distances(self._losses[around], self._weights[around], scale)
        better = (beyond < self._beyond[around]) | (
            (beyond == self._beyond[around]) & (own[around] < theirs)
        )
        replaced = around[better]
        self._genes[replaced], self._losses[replaced] = row, loss
        self._beyond[replaced] = beyond

    def _distances(self, losses: FloatArray, weights: FloatArray, scale: FloatArray) -> FloatArray:
        return np.asarray((weights * (losses - self._best) / scale).max(axis=1))

    def _children(self, count: int) -> IntArray:
        """Children of neighbours, now and then of any two, shape (count, genes)."""
        places = self._rng.integers(len(self._weights), size=count)
        mates = self._rng.integers(self._near.shape[1], size=count)
        fathers = self._near[places, mates]
        anywhere = self._rng.random(count) < _ELSEWHERE
        fathers[anywhere] = self._rng.integers(len(self._weights), size=anywhere.sum())
        cardinalities = self._problem.cardinalities
        return varied(self._genes[places], self._genes[fathers], cardinalities, self._rng)


def create(problem: StrategyProblem) -> Moead:
    """A fresh MOEA/D."""
    return Moead(problem)
