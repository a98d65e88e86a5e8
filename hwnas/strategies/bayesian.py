"""Bayesian optimisation by BoTorch (extra ``bayesian``): what `surrogate` is measured against.

Its processes see the one-hot choices, and what is known beforehand as further inputs; batches are
chosen by qLogNEHVI (`_botorch`) among random architectures and neighbours of the front.
"""

import numpy as np

from hwnas import extras
from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import non_dominated
from hwnas.protocols import SearchStrategy, StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._surrogate_model import margin, reference_point
from hwnas.strategies._variation import one_changed

_FIRST = 16
_RANDOM = 256
_NEIGHBOURS = 256


class BayesianSearch:
    """Random architectures first, then the batches that qLogNEHVI chooses."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)
        known = problem.known
        self._checked = list(known.budgets if known else ())
        self._genes = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
        self._losses = np.zeros((0, problem.objectives))
        self._violations = np.zeros((0, problem.budgets))

    def ask(self) -> IntArray:
        """The next canonical genes, shape (up to batch, genes); empty when no more are found."""
        genes = self._within(self._history.sample(_RANDOM + self._problem.batch, self._rng))
        if len(self._genes) >= _FIRST and len(genes):
            genes = self._chosen(genes)
        genes = genes[: self._problem.batch]
        self._history.add(genes)
        return genes

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        # where a budget known beforehand is broken, expensive losses are made up
        real = (violations[:, self._checked] == 0).all(axis=1)
        self._genes = np.concatenate([self._genes, genes[real]])
        self._losses = np.concatenate([self._losses, losses[real]])
        self._violations = np.concatenate([self._violations, violations[real]])

    def _chosen(self, drawn: IntArray) -> IntArray:
        from hwnas.strategies import _botorch  # torch and BoTorch take seconds to import

        feasible = (self._violations == 0).all(axis=1)
        front = self._genes[non_dominated(self._losses, feasible=feasible)]
        parents = front if len(front) else self._genes
        parents = parents[self._rng.integers(len(parents), size=_NEIGHBOURS)]
        near = one_changed(parents, self._problem.cardinalities, self._rng)
        rows = np.concatenate([self._problem.canonical(near), drawn])
        rows = self._within(rows[self._history.fresh(rows)])
        unsure = [j for j in range(self._problem.budgets) if j not in self._checked]
        broken = [j for j in unsure if self._violations[:, j].any()]
        told = _botorch.Told(
            inputs=self._inputs(self._genes),
            losses=self._losses,
            margins=margin(self._violations[:, broken]),
            reference=reference_point(list(self._losses[:_FIRST].T), self._losses.min(axis=0)),
        )
        seed = int(self._rng.integers(2**31))
        best = _botorch.most_promising(told, self._inputs(rows), self._problem.batch, seed=seed)
        return rows[best]

    def _within(self, genes: IntArray) -> IntArray:
        """Those that meet the known budgets; those that break them least where too few do."""
        if self._problem.known is None or not self._checked:
            return genes
        broken = self._problem.known.of(genes)[1].sum(axis=1)
        order = np.argsort(broken, kind="stable")
        return genes[order[: max(self._problem.batch, int((broken == 0).sum()))]]

    def _inputs(self, genes: IntArray) -> FloatArray:
        """One-hot choices, and known losses scaled by those told, shape (rows, inputs)."""
        sizes = self._problem.cardinalities
        columns = [genes[:, [j]] == np.arange(size) for j, size in enumerate(sizes)]
        empty, known = np.zeros((len(genes), 0)), self._problem.known
        if known and known.objectives:
            told = self._losses[:, known.objectives]
            low, span = told.min(axis=0), np.ptp(told, axis=0)
            columns.append((known.of(genes)[0] - low) / np.where(span > 0, span, 1.0))
        return np.concatenate([empty, *columns], axis=1)


def create(problem: StrategyProblem) -> SearchStrategy:
    """A fresh Bayesian search.

    Raises:
        ExtraMissingError: BoTorch is not installed.
    """
    extras.require("botorch", extra="bayesian", purpose="the search strategy bayesian")
    return BayesianSearch(problem)
