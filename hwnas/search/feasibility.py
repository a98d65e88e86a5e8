"""Whether budgets can be met at all, known before anything expensive is evaluated.

The search for extremes sees nothing but values of architectures, so it serves every space and
every cheap estimator:

- A space of at most 20,000 rows is enumerated: minimum and maximum are exact.
- Otherwise a quantity that adds up over parts of few genes each (`hwnas.additive`), as MACs,
  parameters and latencies do, is minimised exactly, by eliminating one gene after another.
- What does not add up, such as peak memory in some spaces, is searched: for every choice of every
  gene, the best random architecture that has it starts a coordinate descent; gene after gene takes
  its best choice, until no change of a single gene improves. Costs that rise with every choice are
  exact then too. Of others, the extremes are those of real architectures, but a more extreme one
  is not ruled out.

In all cases a bound is the value of an architecture that exists, so a budget inside the bounds
can be met for certain. Of a budget with confidence all this holds for the quantiles that it judges
(`Budget.quantile`), which do not quite add up over layers.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwnas.additive import decompose, lowest
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import BudgetError, InputError
from hwnas.problem import Budget, Objective
from hwnas.protocols import Estimator, SearchSpace
from hwnas.search.evaluating import estimate_of, judged_values, values_of

_ENUMERABLE = 20_000
_SAMPLES = 2_000
_ASKED_FOR_DEVIATIONS = 256

Loss = Callable[[IntArray], FloatArray]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest and largest value of an objective over a space."""

    objective: Objective
    minimum: float
    maximum: float

    def __str__(self) -> str:
        low, high = self.objective.format(self.minimum), self.objective.format(self.maximum)
        return f"{low} to {high}"


def check_budgets(
    space: SearchSpace, estimators: Sequence[Estimator], budgets: Sequence[Budget], *, seed: int = 0
) -> tuple[Bounds, ...]:
    """Refuse budgets that no architecture meets, each alone and all together.

    Budgets on objectives whose estimator is not cheap are not looked at.

    Args:
        space: The search space.
        estimators: Of all objectives.
        budgets: The bounds.
        seed: Of the random starts.

    Returns:
        The bounds of what each budget on a cheap objective judges, in the order of the budgets.

    Raises:
        InputError: A budget asks for confidence in what has no standard deviation.
        BudgetError: A budget is beyond the space's bounds, which the message states; or each
            can be met alone, but descent on the sum of violations found no architecture that
            meets all, in which case it names the nearest.
    """
    cheap = {e.objective.name: e for e in estimators if e.cheap}
    budgets = [budget for budget in budgets if budget.objective in cheap]
    starts = _starts(space, np.random.default_rng(seed))
    found = []
    for budget in budgets:
        estimator = cheap[budget.objective]
        _check_confidence(space, estimator, budget, starts)
        bounds = _bounds(space, estimator, starts, budget)
        found.append(bounds)
        nearest = np.array([bounds.minimum if budget.at_most else bounds.maximum])
        if _mean(budget).violation(nearest)[0] > 0:
            sure = "" if budget.confidence is None else f" with {budget.confidence:g} % confidence"
            raise BudgetError(
                f"No architecture of {space.name} meets the budget {budget}: {budget.objective} "
                f"goes from {bounds} there{sure}. Choose a budget in that range."
            )
    if len(budgets) > 1:
        _check_together(space, cheap, budgets, found, starts)
    return tuple(found)


def extremes(space: SearchSpace, estimator: Estimator, *, seed: int = 0) -> Bounds:
    """Bounds of one cheap objective; how exact they are is said on top of the module."""
    return _bounds(space, estimator, _starts(space, np.random.default_rng(seed)))


def _bounds(
    space: SearchSpace, estimator: Estimator, starts: IntArray, budget: Budget | None = None
) -> Bounds:
    """Bounds of the estimates, or of what a budget judges."""

    def judged(genes: IntArray) -> FloatArray:
        if budget is None:
            return values_of(estimator, genes, space)
        return judged_values(budget, estimator, genes, space)

    low = _minimise(space, judged, _with_exact(space, judged, starts))
    high = _minimise(space, lambda g: -judged(g), _with_exact(space, lambda g: -judged(g), starts))
    ends = judged(np.stack([low, high]))
    return Bounds(estimator.objective, float(ends[0]), float(ends[1]))


def _with_exact(space: SearchSpace, loss: Loss, starts: IntArray) -> IntArray:
    """The starts and, where the loss adds up over parts of few genes, the best row of all."""
    if np.prod(space.cardinalities.astype(float)) <= _ENUMERABLE:
        return starts
    parts = decompose(lambda genes: loss(space.canonical(genes))[:, None], space.cardinalities)
    if parts is None:
        return starts
    return np.concatenate([starts, space.canonical(lowest(parts, space.cardinalities)[None, :])])


def _mean(budget: Budget) -> Budget:
    """The budget for quantiles that are worked out already."""
    return replace(budget, confidence=None)


def _check_confidence(
    space: SearchSpace, estimator: Estimator, budget: Budget, starts: IntArray
) -> None:
    if budget.confidence is None:
        return
    some = starts[:: max(1, len(starts) // _ASKED_FOR_DEVIATIONS)]
    std = estimate_of(estimator, some, space).std
    if std is None or np.isnan(std).any():
        where = "" if std is None else f" for {int(np.isnan(std).sum())} of {len(some)} networks"
        raise InputError(
            f"Budget {budget} asks for confidence, and nothing states how far {budget.objective} "
            f"can be off{where}. Write {_mean(budget)} where the number is exact; a latency table "
            "states its deviations when hwnas profile has measured it."
        )


def _check_together(
    space: SearchSpace,
    cheap: Mapping[str, Estimator],
    budgets: Sequence[Budget],
    bounds: Sequence[Bounds],
    starts: IntArray,
) -> None:
    # as parts of each objective's range, so that bytes do not outweigh milliseconds
    ranges = np.array([max(b.maximum - b.minimum, np.finfo(float).tiny) for b in bounds])

    def beyond(genes: IntArray) -> FloatArray:
        judged = [judged_values(b, cheap[b.objective], genes, space) for b in budgets]
        columns = [_mean(b).violation(v) for b, v in zip(budgets, judged, strict=True)]
        return np.stack(columns, axis=1)

    def loss(genes: IntArray) -> FloatArray:
        return np.asarray((beyond(genes) / ranges).sum(axis=1))

    nearest = _minimise(space, loss, starts)[None, :]
    if loss(nearest)[0] > 0:
        state = ", ".join(
            f"{b.objective.label} {b.objective.format(values_of(e, nearest, space)[0])}"
            for e, b in {b.objective.name: (cheap[b.objective.name], b) for b in bounds}.values()
        )
        raise BudgetError(
            f"No architecture of {space.name} was found that meets all of "
            f"{', '.join(map(str, budgets))}, though each can be met alone; the nearest has "
            f"{state}. Relax one of them."
        )


def _starts(space: SearchSpace, rng: np.random.Generator) -> IntArray:
    """All architectures of a small space; of a larger one, random ones and the two corners."""
    cardinalities = space.cardinalities
    if np.prod(cardinalities.astype(float)) <= _ENUMERABLE:
        return space.canonical(np.array(list(itertools.product(*map(range, cardinalities)))))
    corners = np.stack([np.zeros_like(cardinalities), cardinalities - 1])
    return np.concatenate([space.canonical(corners), space.sample(_SAMPLES, rng)])


def _minimise(space: SearchSpace, loss: Loss, starts: IntArray) -> IntArray:
    """The row with the smallest loss that was found, shape (genes,)."""
    values = loss(starts)
    if np.prod(space.cardinalities.astype(float)) <= _ENUMERABLE:
        return np.asarray(starts[values.argmin()])
    rows = _best_with_each_choice(space, starts, values)
    return _descend(space, loss, rows)


def _best_with_each_choice(space: SearchSpace, starts: IntArray, values: FloatArray) -> IntArray:
    best = {int(values.argmin())}
    for gene, choices in enumerate(space.cardinalities):
        for choice in range(choices):
            having = np.flatnonzero(starts[:, gene] == choice)
            if len(having):
                best.add(int(having[values[having].argmin()]))
    return np.asarray(starts[sorted(best)])


def _descend(space: SearchSpace, loss: Loss, rows: IntArray) -> IntArray:
    """Coordinate descent from many rows at once, until no single change improves any."""
    rows, best = np.array(rows), loss(rows)
    improved = True
    while improved:
        improved = False
        for gene, choices in enumerate(space.cardinalities):
            for choice in range(choices):
                changed = rows.copy()
                changed[:, gene] = choice
                changed = space.canonical(changed)
                values = loss(changed)
                better = values < best
                rows[better], best[better] = changed[better], values[better]
                improved |= bool(better.any())
    return np.asarray(rows[best.argmin()])
