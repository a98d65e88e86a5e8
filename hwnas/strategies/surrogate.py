"""Search on a surrogate: few evaluations, each where it is expected to gain most.

After some evaluations that fill the space, Gaussian processes (`_surrogate_process`) learn each
expensive loss from all evaluations so far; what is cheap to know is known and not learned. Then
the candidates (`_surrogate_candidates`) with the greatest expected hypervolume improvement
(`_surrogate_improvement`) are proposed, one after the other: each is taken to turn out as
expected before the next is chosen, so that a batch does not crowd at one place.

The reference point is the median of the first objective, by custom the one that matters most, and
the 90th percentile of the others, among the architectures that fill the space. What is worse
in any objective is of no interest, and the surrogate sees it on a logarithmic scale.
"""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._surrogate_candidates import evolved, whole_space
from hwnas.strategies._surrogate_model import Candidates, SurrogateModel

_FIRST = 16
_DRAWN = 50
_CLOSELY = 1_500
_BLINDLY = 300


class SurrogateSearch:
    """Proposes what is expected to enlarge the dominated hypervolume most."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(problem.seed)
        self._history = History(problem)
        self._model = SurrogateModel(problem, first=_FIRST)
        space = whole_space(problem)
        self._left = None if space is None else self._model.candidates(space)

    def ask(self) -> IntArray:
        """The next canonical genes, shape (up to batch, genes); empty when no more are found."""
        learned = len(self._model.genes) >= _FIRST
        genes = self._improving() if learned else self._filling()
        self._history.add(genes)
        return genes

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        self._model.add(genes, losses, violations)

    def _filling(self) -> IntArray:
        """Architectures within the known budgets that differ much from all before them."""
        count = self._problem.batch
        drawn = self._model.candidates(self._history.sample(_DRAWN * count, self._rng))
        if len(drawn.genes) and (drawn.broken == 0).sum() < count:
            drawn = self._candidates()
        order = np.argsort(drawn.broken, kind="stable")
        rows = drawn.genes[order][: max(count, int((drawn.broken == 0).sum()))]
        unlike = np.full(len(rows), np.inf)
        for row in self._model.genes:
            unlike = np.minimum(unlike, (rows != row).sum(axis=1))
        chosen: list[int] = []
        for _ in range(min(count, len(rows))):
            chosen.append(int(np.argmax(unlike)))
            unlike = np.minimum(unlike, (rows != rows[chosen[-1]]).sum(axis=1))
            unlike[chosen] = -1.0
        return rows[chosen]

    def _improving(self) -> IntArray:
        """Architectures within the known budgets of which most is expected."""
        self._model.fit()
        candidates = self._candidates()
        worth = self._model.worth(candidates)[1]
        worth = np.where(candidates.broken > 0, -candidates.broken, worth)
        order = self._rng.permutation(len(worth))
        order = order[np.argsort(-worth[order], kind="stable")]
        within = order[candidates.broken[order] == 0]
        if len(within) < self._problem.batch:
            return candidates.genes[order[: self._problem.batch]]
        blindly = self._rng.permutation(within[_CLOSELY:])[:_BLINDLY]
        closely = candidates[np.concatenate([within[:_CLOSELY], blindly])]
        return closely.genes[self._model.picked(closely, self._problem.batch)]

    def _candidates(self) -> Candidates:
        """All that is left of a small space; of a large one what is found by evolution."""
        if self._left is not None:
            self._left = self._left[self._history.fresh(self._left.genes)]
            return self._left
        start = np.concatenate([self._model.genes, self._history.sample(_CLOSELY, self._rng)])
        rows = evolved(self._problem, start, self._model.judge, self._rng)
        return self._model.candidates(rows[self._history.fresh(rows)])


def create(problem: StrategyProblem) -> SurrogateSearch:
    """A fresh surrogate search."""
    return SurrogateSearch(problem)
