"""Choosing one architecture of a run."""

import re

import numpy as np

from hwnas.errors import InputError, RunError
from hwnas.pareto import BoolArray, knee
from hwnas.problem import Budget, resolve_objective
from hwnas.search.run import FrontMember, Run

KNEE = "knee"
_ID = re.compile(r"[0-9a-f]{8,64}")


def pick(run: Run, choice: str) -> FrontMember:
    """The architecture that a choice means.

    Args:
        run: With its evaluations.
        choice: ``knee``: where the front bends most. An id: that architecture, on the front or
            not. An objective, such as ``accuracy``: the one that is best in it. Budgets,
            separated by commas, such as ``latency_ms<=2``: the one that is best in accuracy
            (in the first objective, when accuracy is none) among those that meet them. All but
            an id are chosen among the architectures that meet the run's own budgets; of equal
            ones, the one with the better other objectives.

    Raises:
        InputError: The choice means none; says what there is.
        RunError: Nothing was found that meets the run's budgets.
    """
    choice = choice.strip()
    if _ID.fullmatch(choice):
        return _by_id(run, choice)
    if not run.front:
        raise RunError(
            f"{run.directory} holds no architecture that meets its budgets "
            f"({', '.join(map(str, run.budgets)) or 'none'}); search longer with `hwnas resume`."
        )
    if choice == KNEE:
        losses = np.array([[o.losses(np.array(m.values[o.name])) for o in run.objectives]
                           for m in run.front])  # fmt: skip
        return run.front[knee(losses)]
    if "<" in choice or ">" in choice:
        return _within(run, choice)
    names = tuple(objective.name for objective in run.objectives)
    name = resolve_objective(choice, (*names, KNEE))
    return _best(run, run.feasible, names.index(name))


def _by_id(run: Run, choice: str) -> FrontMember:
    if choice not in run.evaluations.ids:
        front = ", ".join(member.id for member in run.front[:5]) or "none"
        raise InputError(
            f"{run.directory} holds no architecture with id {choice!r}; its front has "
            f"{len(run.front)}, such as {front} (see `hwnas front`)."
        )
    index = run.evaluations.ids.index(choice)
    if not run.complete[index]:
        raise InputError(
            f"Architecture {choice} was not evaluated in full, because it does not meet "
            f"{', '.join(map(str, run.budgets))}; choose one of the front (see `hwnas front`)."
        )
    return run.member(index)


def _within(run: Run, choice: str) -> FrontMember:
    known = tuple(quantity.name for quantity in run.config.quantities)
    candidates = run.feasible
    for text in choice.split(","):
        budget = Budget.parse(text, known)
        values = run.evaluations.values[budget.objective]
        met = candidates & (budget.violation(values) == 0)
        if not met.any():
            left = values[candidates]
            nearest = left.min() if budget.at_most else left.max()
            quantity = next(q for q in run.config.quantities if q.name == budget.objective)
            raise InputError(
                f"No architecture found by {run.directory} meets {budget}; the nearest has "
                f"{quantity.format(float(nearest))}. Choose a wider budget, or search with it."
            )
        candidates = met
    names = [objective.name for objective in run.objectives]
    return _best(run, candidates, names.index("accuracy") if "accuracy" in names else 0)


def _best(run: Run, candidates: BoolArray, first: int) -> FrontMember:
    """The candidate with the least loss in one objective; ties by the others, then by order."""
    indices = np.flatnonzero(candidates)
    others = [i for i in range(len(run.objectives)) if i != first]
    keys = run.losses[indices][:, [first, *others]]
    return run.member(int(indices[np.lexsort(keys.T[::-1])[0]]))
