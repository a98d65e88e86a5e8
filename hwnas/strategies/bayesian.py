"""Bayesian optimisation on BoTorch's models (extra ``bayesian``): what `surrogate` stands beside.

BoTorch's Gaussian processes see the one-hot choices. A batch is the one of greatest noisy expected
hypervolume improvement (qNEHVI; Daulton, Balandat and Bakshy 2021, "Parallel Bayesian Optimization
of Multiple Noisy Objectives with Expected Hypervolume Improvement"), one architecture after the
other, among random architectures and neighbours of the front.

We differ from BoTorch's own qLogNEHVI in how the improvement is worked out. Candidates are a list,
so their losses are drawn together once, and hypervolumes are summed up over directions
(`_hypervolume_reach`) in place of a box decomposition for each draw and each member of the
batch. The logarithm, which eases climbing along a gradient, does not change which candidate is
best. And BoTorch's own compiles C++ for the machine when it is first used, by which proposals could
differ from one machine to the next.
"""

import numpy as np
from scipy.special import expit

from hwnas import extras
from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import non_dominated
from hwnas.protocols import SearchStrategy, StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._hypervolume_reach import gains, greedy, random_directions, reach
from hwnas.strategies._surrogate_model import compressed, margin, reference_point
from hwnas.strategies._variation import one_changed

_FIRST = 16
_RANDOM = 1_500
_NEIGHBOURS = 1_000
_CLOSELY = 300
_DRAWS = 32
_DIRECTIONS = 48
_SOFTNESS = 0.1


class BayesianSearch:
    """Random architectures first, then the batches of greatest expected improvement."""

    def __init__(self, problem: StrategyProblem) -> None:
        from hwnas.strategies._botorch import Processes  # torch and BoTorch take seconds to import

        self._problem = problem
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)
        known = problem.known
        self._checked = list(known.budgets if known else ())
        self._columns = list(known.objectives if known else ())
        self._expensive = [j for j in range(problem.objectives) if j not in self._columns]
        self._processes = Processes()
        self._genes = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
        self._losses = np.zeros((0, problem.objectives))
        self._violations = np.zeros((0, problem.budgets))

    def ask(self) -> IntArray:
        """The next canonical genes, shape (up to batch, genes); empty when no more are found."""
        learned = len(self._genes) >= _FIRST
        choice = _RANDOM if learned or self._checked else 0
        genes = self._within(self._history.sample(choice + self._problem.batch, self._rng))
        if learned and len(genes):
            genes = self._improving(genes)
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

    def _improving(self, drawn: IntArray) -> IntArray:
        """Those of drawn architectures and of neighbours of the front that promise most."""
        self._learn()
        problem, best = self._problem, self._best()
        parents = self._genes[best[self._rng.integers(len(best), size=_NEIGHBOURS)]]
        near = one_changed(parents, problem.cardinalities, self._rng)
        rows = np.concatenate([problem.canonical(near), drawn])
        rows = self._within(rows[self._history.fresh(rows)])
        directions = random_directions(_DIRECTIONS, problem.objectives, self._rng)
        rows = self._screened(rows, directions)
        both = np.concatenate([self._genes[best], rows])
        reached = self._reached(both, self._drawn(both), directions)
        told, reached = np.split(reached, [len(best)], axis=1)
        return rows[greedy(reached, told.max(axis=1), problem.batch)]

    def _learn(self) -> None:
        """Fit a process to each expensive loss, and to each budget that was ever broken."""
        best = self._losses.min(axis=0)
        self._reference = reference_point(list(self._losses[:_FIRST].T), best)
        self._spans = self._reference - best
        knees = zip(best, self._reference, strict=True)
        losses = [compressed(v, *knee) for v, knee in zip(self._losses.T, knees, strict=True)]
        unsure = np.delete(self._violations, self._checked, axis=1)
        margins = [margin(v) for v in unsure.T if v.any()]
        columns = [losses[j] for j in self._expensive] + margins
        self._values = np.stack(columns, axis=1) if columns else np.zeros((len(self._genes), 0))
        if columns:
            self._processes.fit(self._inputs(self._genes), self._values)

    def _best(self) -> IntArray:
        """Indices of the front of those that meet all budgets; of all where none does."""
        feasible = (self._violations == 0).all(axis=1)
        front = np.flatnonzero(non_dominated(self._losses, feasible=feasible))
        return front if len(front) else np.arange(len(self._genes))

    def _screened(self, rows: IntArray, directions: FloatArray) -> IntArray:
        """The rows that add most if each turns out a deviation better than expected."""
        if len(rows) <= _CLOSELY:
            return rows
        hoped = np.zeros((len(rows), 0))
        if self._values.shape[1]:
            mean, std = self._processes.forecast(self._inputs(rows))
            hoped = mean - std
        best = self._best()
        told = self._reached(self._genes[best], self._values[None, best], directions)
        worth = gains(self._reached(rows, hoped[None], directions), told.max(axis=1))
        return rows[np.argsort(-worth, kind="stable")[:_CLOSELY]]

    def _drawn(self, rows: IntArray) -> FloatArray:
        """What the learned quantities of rows may be, shape (draws, rows, quantities)."""
        if not self._values.shape[1]:
            return np.zeros((1, len(rows), 0))
        seed = int(self._rng.integers(2**31))
        return self._processes.draws(self._inputs(rows), _DRAWS, seed=seed)

    def _reached(self, rows: IntArray, values: FloatArray, directions: FloatArray) -> FloatArray:
        """How far rows reach if the learned quantities are these, (draws, rows, directions)."""
        losses, margins = np.split(values, [len(self._expensive)], axis=2)
        whole = np.zeros((*values.shape[:2], self._problem.objectives))
        whole[:, :, self._expensive] = losses
        if self._problem.known:
            whole[:, :, self._columns] = self._problem.known.of(rows)[0]
        reached = reach((self._reference - whole) / self._spans, directions)
        return np.asarray(reached * expit(-margins / _SOFTNESS).prod(axis=2)[:, :, None])

    def _within(self, genes: IntArray) -> IntArray:
        """Those that meet the known budgets; those that break them least where too few do."""
        if self._problem.known is None or not self._checked:
            return genes
        broken = self._problem.known.of(genes)[1].sum(axis=1)
        order = np.argsort(broken, kind="stable")
        return genes[order[: max(self._problem.batch, int((broken == 0).sum()))]]

    def _inputs(self, genes: IntArray) -> FloatArray:
        """One-hot choices, shape (rows, inputs)."""
        sizes = self._problem.cardinalities
        columns = [genes[:, [j]] == np.arange(size) for j, size in enumerate(sizes)]
        return np.concatenate([np.zeros((len(genes), 0)), *columns], axis=1)


def create(problem: StrategyProblem) -> SearchStrategy:
    """A fresh Bayesian search.

    Raises:
        ExtraMissingError: BoTorch is not installed.
    """
    extras.require("botorch", extra="bayesian", purpose="the search strategy bayesian")
    return BayesianSearch(problem)
