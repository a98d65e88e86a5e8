"""The whole Pareto front without a search, where all objectives are cheap and add up.

The quantities are taken apart into parts that depend on few genes each (`hwnas.additive`), and
the front is put together from the best partial networks (`_pareto_sums`). Quantities that do not
add up, such as peak memory, are enumerated as long as the space has at most ten million rows.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwnas.additive import Additive, Function, decompose, matches
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import HwnasWarning, InputError
from hwnas.pareto import evenly
from hwnas.protocols import KnownLosses, StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._pareto_sums import best, pareto_sums

NEEDS_KNOWN = True

_PAIRS, _PAIRS_OF_MORE = 100_000_000, 100_000
_ENUMERABLE = 10_000_000
_CHUNK = 100_000
_SPREAD = 2_000
_SAMPLES = 1_000
_NEAR = 200
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ExactFront:
    """A front of which it is known how much better one could be.

    Attributes:
        genes: Canonical, shape (members, genes); one where several have equal losses.
        losses: Shape (members, objectives), ascending in the first.
        gap: No architecture within the budgets is better than every member by more than this,
            shape (objectives,). 0 where nothing was rounded; where it is not, what a budget
            bounds was rounded likewise, and what is just within it may be missing.
    """

    genes: IntArray
    losses: FloatArray
    gap: FloatArray


def exact_front(problem: StrategyProblem, *, pairs: int | None = None) -> ExactFront:
    """The front of a problem whose objectives and budgets are all known.

    Args:
        problem: Its seed and batch do not matter.
        pairs: Of partial networks to look at when two sets are joined: with fewer, time is
            shorter and the gap larger. None for what takes seconds to two minutes in the
            Once-for-All space.

    Raises:
        InputError: An objective or budget is expensive, or does not add up in a space too large
            to be enumerated.
    """
    known = _known(problem)
    minimised = _minimised(problem, known)
    parts = _parts(problem, minimised)
    if minimised is None or parts is None:
        return _enumerated(problem, known)
    most = pairs or (_PAIRS if len(parts.constant) <= 2 else _PAIRS_OF_MORE)
    found = pareto_sums(parts, problem.cardinalities, most=most)
    if not _adds_up(parts, minimised, found.genes, problem.cardinalities):
        return _enumerated(problem, known)
    genes = np.unique(problem.canonical(found.genes), axis=0)
    order = np.argsort(known.objectives)
    return ExactFront(*_front(genes, known), found.gap[: problem.objectives][order])


class Exact:
    """Proposes the members of the front: first some that are spread evenly, then the others."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._history = History(problem)
        self._left: IntArray | None = None
        # what cannot be searched so is refused before anything is trained
        _parts(problem, _minimised(problem, _known(problem)))

    def ask(self) -> IntArray:
        """The next members, shape (up to batch, genes); empty when all were proposed."""
        if self._left is None:
            self._left = self._ordered()
        self._left = self._left[self._history.fresh(self._left)]
        genes, self._left = np.split(self._left, [self._problem.batch])
        self._history.add(genes)
        return genes

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:  # noqa: ARG002
        """There is nothing to learn; NaN is refused with InputError."""
        check_finite(losses, violations)

    def _ordered(self) -> IntArray:
        found = exact_front(self._problem)
        if found.gap.any():
            gaps = ", ".join(f"{gap:.2g}" for gap in found.gap)
            warnings.warn(
                f"The front is exact to within {gaps} (objectives in their order): there were too "
                "many partial networks to keep them all.",
                HwnasWarning,
                stacklevel=3,
            )
        first = evenly(found.losses, _SPREAD)
        rest = np.setdiff1d(np.arange(len(found.genes)), first)
        return np.asarray(found.genes[np.concatenate([first, rest])])


def create(problem: StrategyProblem) -> Exact:
    """The exact front, one batch after another.

    Raises:
        InputError: An objective or budget is expensive.
    """
    return Exact(problem)


def _known(problem: StrategyProblem) -> KnownLosses:
    known = problem.known
    if known is None or len(known.objectives) + len(known.budgets) < (
        problem.objectives + problem.budgets
    ):
        raise InputError(
            "Strategy exact needs objectives and budgets that are all cheap to know, and one of "
            "these is not; choose surrogate, or nsga2."
        )
    return known


def _minimised(problem: StrategyProblem, known: KnownLosses) -> Function | None:
    """Losses, and how far beyond its bound is what a budget bounds; None where nothing says so.

    Dominance is the same without a budget's column that rises with an objective's.
    """
    margins = known.margins
    if margins is None:
        if problem.budgets:
            return None

        def margins(genes: IntArray) -> FloatArray:
            return np.zeros((len(genes), 0))

    cardinalities = problem.cardinalities
    rng = np.random.default_rng(0)
    rows = problem.canonical(rng.integers(cardinalities, size=(_SAMPLES, len(cardinalities))))
    losses, beyond = known.of(rows)[0], margins(rows)
    own = [i for i in range(problem.budgets) if not _rises(beyond[:, i], losses)]

    def minimised(genes: IntArray) -> FloatArray:
        genes = problem.canonical(genes)
        return np.concatenate([known.of(genes)[0], margins(genes)[:, own]], axis=1)

    return minimised


def _parts(problem: StrategyProblem, minimised: Function | None) -> Additive | None:
    """What is minimised as a sum of parts; None where all rows are to be looked at instead."""
    parts = minimised and decompose(minimised, problem.cardinalities)
    if parts is None:
        _check_enumerable(problem)
    return parts


def _check_enumerable(problem: StrategyProblem) -> None:
    if np.prod(problem.cardinalities.astype(float)) > _ENUMERABLE:
        raise InputError(
            "Strategy exact needs quantities that add up over layers, and one of these does not, "
            f"in a space of more than {_ENUMERABLE:,} architectures; choose nsga2 or surrogate."
        )


def _rises(column: FloatArray, losses: FloatArray) -> bool:
    """Whether a column is a positive multiple of one of the losses, but for a constant."""
    for loss in losses.T:
        spread = loss - loss.mean()
        slope = (spread @ column) / max(spread @ spread, np.finfo(float).tiny)
        rest = column - column.mean() - slope * spread
        if slope > 0 and np.abs(rest).max() <= _TOLERANCE * np.abs(column).max():
            return True
    return False


def _adds_up(
    parts: Additive, minimised: Function, front: IntArray, cardinalities: IntArray
) -> bool:
    """Whether the parts hold for members of the front and all that differ in one gene from them.

    Random architectures, on which parts were checked before, seldom lie near a front.
    """
    rows = [front]
    members = front[:: max(1, len(front) // _NEAR)]
    for gene, choices in enumerate(cardinalities):
        for step in range(1, choices):
            rows.append(members.copy())
            rows[-1][:, gene] = (members[:, gene] + step) % choices
    return all(matches(parts, minimised, chunk) for chunk in rows)


def _enumerated(problem: StrategyProblem, known: KnownLosses) -> ExactFront:
    """The front from all rows of a space, a chunk at a time."""
    _check_enumerable(problem)
    front: IntArray = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
    for chunk in _chunks(problem.cardinalities):
        rows = np.concatenate([front, problem.canonical(chunk)])
        front, losses = _front(rows, known)
    return ExactFront(front, losses, np.zeros(problem.objectives))


def _chunks(cardinalities: IntArray) -> Iterator[IntArray]:
    count = int(np.prod(cardinalities))
    for start in range(0, count, _CHUNK):
        positions = np.arange(start, min(start + _CHUNK, count))
        yield np.stack(np.unravel_index(positions, cardinalities), axis=1)


def _front(genes: IntArray, known: KnownLosses) -> tuple[IntArray, FloatArray]:
    """Of canonical rows, those within the budgets that none of them dominates, and their losses.

    Where none is within the budgets, the one that is least beyond them.
    """
    losses, violations = known.of(genes)
    losses, beyond = losses[:, np.argsort(known.objectives)], violations.sum(axis=1)
    nearest = np.flatnonzero(beyond == beyond.min())
    kept = nearest[best(losses[nearest])]
    kept = kept[np.lexsort(losses[kept].T[::-1])]
    return genes[kept], losses[kept]
