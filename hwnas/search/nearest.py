"""What to say when nothing that a run found meets its budgets: how near it came."""

import math
from dataclasses import dataclass, replace

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.problem import Budget
from hwnas.search.run import Run

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Shortfall:
    """How near a run came to budgets that nothing it found meets.

    Attributes:
        id: Of the network that is beyond them least, each violation relative to its bound.
        needed: Budgets, in the order of the run's, that it would meet.
        alone: For each budget, what it would have to be if the others stayed; None where no
            network meets the others.
    """

    id: str
    needed: tuple[Budget, ...]
    alone: tuple[Budget | None, ...]

    def __str__(self) -> str:
        needed = ", ".join(map(str, self.needed))
        if len(self.needed) == 1:
            return f"The nearest is {self.id}; the budget would have to be {needed}."
        singly = ", ".join(
            f"{budget.objective}: no network meets the others" if only is None else str(only)
            for budget, only in zip(self.needed, self.alone, strict=True)
        )
        return (
            f"The nearest is {self.id}; the budgets would have to be {needed}. If only one of them "
            f"changed, it would have to be: {singly}."
        )


def shortfall(run: Run) -> Shortfall | None:
    """How near a run came; None where it has a front, or nothing was evaluated.

    Networks of which all is known are preferred to those that were not evaluated in full.
    """
    if run.front or not len(run.evaluations) or not run.budgets:
        return None
    rows = run.complete if run.complete.any() else np.ones(len(run.evaluations), dtype=bool)
    judged = np.stack([run.judged(budget) for budget in run.budgets], axis=1)
    scale = np.array([abs(budget.bound) or 1.0 for budget in run.budgets])
    beyond = np.nan_to_num(run.violations / scale, nan=0.0).sum(axis=1)
    index = int(np.where(rows, beyond, np.inf).argmin())
    met = run.violations == 0
    return Shortfall(
        id=run.evaluations.ids[index],
        needed=tuple(_loosened(budget, judged[index, i]) for i, budget in enumerate(run.budgets)),
        alone=tuple(
            _best(budget, judged[rows & np.delete(met, i, axis=1).all(axis=1), i])
            for i, budget in enumerate(run.budgets)
        ),
    )


def _best(budget: Budget, judged: FloatArray) -> Budget | None:
    known = judged[~np.isnan(judged)]
    if not len(known):
        return None
    return _loosened(budget, known.min() if budget.at_most else known.max())


def _loosened(budget: Budget, judged: float) -> Budget:
    """The budget as it is where it is met or nothing is known, else loosened to what was reached.

    To four digits, rounded to the side on which it is met.
    """
    judged = float(judged)
    if math.isnan(judged) or replace(budget, confidence=None).violation(np.array(judged)) == 0:
        return budget
    step = 10.0 ** (math.floor(math.log10(abs(judged) or 1.0)) - _DIGITS + 1)
    steps = math.ceil(judged / step) if budget.at_most else math.floor(judged / step)
    return replace(budget, bound=float(f"{steps * step:.{_DIGITS}g}"))
