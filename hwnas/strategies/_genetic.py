"""A genetic algorithm on rows of choices, one generation an operation on whole arrays.

Algorithms differ in who survives. What they share serves searches of few hundred evaluations:
parents are the whole first front, each as often as the others, and nobody else unless it is very
small or has no new children left; a child is either crossed or has one gene changed; the first
population is stratified; nothing is proposed twice in any generation.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._variation import stratified, varied

_POPULATION = 20
_PARENTS = 0.2

Survival = Callable[[FloatArray, FloatArray, int], tuple[IntArray, int]]
"""From losses, violations and a number, the indices of that many survivors, the best first, and
how many of them belong to the first front. Of equally good ones the first given is to survive."""


class Genetic:
    """A genetic algorithm whose population is as large as a batch, but at least 20."""

    def __init__(self, problem: StrategyProblem, survival: Survival) -> None:
        self._problem = problem
        self._survival = survival
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)
        self._size = max(problem.batch, _POPULATION)
        # what an archive knows is a start as good
        self._start = stratified(problem.cardinalities, self._size, self._rng)[len(self._history) :]
        # the population, best first
        self._genes: IntArray = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
        self._losses: FloatArray = np.zeros((0, problem.objectives))
        self._violations: FloatArray = np.zeros((0, problem.budgets))
        self._first = 0

    def ask(self) -> IntArray:
        """The next canonical genes, shape (batch, genes); fewer when no more are found."""
        batch = self._problem.batch
        if len(self._start):
            rows, self._start = np.split(self._start, [batch])
            return self._history.propose_rows(rows, batch, self._rng)
        front = max(self._first, int(self._size * _PARENTS))
        makes = [partial(self._children, min(n, len(self._genes))) for n in (front, self._size)]
        return self._history.propose(batch, makes, self._rng)

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        # new ones first, so that they take the place of equally good ones and cross plateaus
        genes = np.concatenate([genes, self._genes])
        losses = np.concatenate([losses, self._losses])
        violations = np.concatenate([violations, self._violations])
        kept, self._first = self._survival(losses, violations, self._size)
        self._genes, self._losses = genes[kept], losses[kept]
        self._violations = violations[kept]

    def _children(self, parents: int, count: int) -> IntArray:
        """Children of the best so many, each a mother in turn, shape (count, genes)."""
        # by pairs, because children are crossed and changed by turns
        mothers = (self._rng.integers(parents) + np.arange(count) // 2) % parents
        fathers = self._rng.integers(parents, size=count)
        cardinalities = self._problem.cardinalities
        return varied(self._genes[mothers], self._genes[fathers], cardinalities, self._rng)
