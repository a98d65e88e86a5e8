"""Random search: the baseline that every other strategy must beat."""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite


class RandomSearch:
    """Proposes architectures at random, each at most once."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._batch = problem.batch
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)

    def ask(self) -> IntArray:
        """The next canonical genes, shape (batch, genes); empty when no more are found."""
        genes = self._history.sample(self._batch, self._rng)
        self._history.add(genes)
        return genes

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:  # noqa: ARG002
        """Random search learns nothing; it only refuses NaN."""
        check_finite(losses, violations)


def create(problem: StrategyProblem) -> RandomSearch:
    """A fresh random search."""
    return RandomSearch(problem)
