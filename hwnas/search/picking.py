"""Choosing one architecture of a run, or a few."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.errors import InputError, RunError
from hwnas.pareto import BoolArray, evenly, knee
from hwnas.problem import Budget, resolve_objective
from hwnas.search.nearest import shortfall
from hwnas.search.run import FrontMember, Run

KNEE = "knee"
_ID = re.compile(r"[0-9a-f]{8,64}")


def pick(run: Run, choice: str) -> FrontMember:
    """The architecture that a choice means.

    Args:
        run: With its evaluations.
        choice: ``knee``: where the front bends most. An id: that architecture, on the front or
            not. An objective, such as ``accuracy``: the one that is best in it. Budgets,
            separated by commas, such as ``latency_ms<=2`` or ``latency_ms<=2@95%``: the one that
            is best in accuracy (in the first objective, when accuracy is none) among those that
            meet them. ``knee`` or an objective before them, as in ``knee,accuracy>=85``: of those
            that meet them, where their front bends, or the best in it. Where a quantity was
            measured, the measurement counts. All but an id are chosen among the architectures
            that meet the run's own budgets; of equal ones, the one with the better other
            objectives.

    Raises:
        InputError: The choice means none; says what there is.
        RunError: Nothing was found that meets the run's budgets.
    """
    choice = choice.strip()
    if _ID.fullmatch(choice):
        return _by_id(run, choice)
    if not run.front:
        near = shortfall(run)
        raise RunError(
            f"{run.directory} holds no architecture that meets its budgets "
            f"({', '.join(map(str, run.budgets)) or 'none'}). "
            f"{near or 'Search longer with `hwnas resume`.'}"
        )
    bounds = [part for part in choice.split(",") if "<" in part or ">" in part]
    ways = [part.strip() for part in choice.split(",") if part not in bounds]
    if len(ways) > 1:
        raise InputError(
            f"{choice!r} names several ways to choose: {', '.join(ways)}; expected one, and "
            "budgets after it."
        )
    if ways == [KNEE]:
        indices = np.flatnonzero(_meeting(run, bounds, run.on_front))
        members = run.members(indices)
        return members[knee(_losses(run, members))]
    names = tuple(objective.name for objective in run.objectives)
    first = "accuracy" if "accuracy" in names else names[0]
    name = resolve_objective(ways[0], (*names, KNEE)) if ways else first
    return _best(run, _meeting(run, bounds, run.feasible), names.index(name))


def preferred(run: Run, *, reference: str = "", even: int = 0) -> tuple[FrontMember, ...]:
    """The part of a front that somebody wants to see, best first objective first.

    Args:
        run: With its evaluations.
        reference: The worst that is still of interest, such as ``accuracy>=85,latency_ms<=3``;
            empty for the whole front.
        even: Show at most so many, spread evenly (`hwnas.pareto.evenly`); 0 for all.

    Raises:
        InputError: Nothing on the front is that good; says what is nearest.
    """
    bounds = reference.split(",") if reference.strip() else []
    members = run.members(np.flatnonzero(_meeting(run, bounds, run.on_front)))
    if not even or even >= len(members):
        return members
    return tuple(members[index] for index in sorted(evenly(_losses(run, members), even)))


def _losses(run: Run, members: Sequence[FrontMember]) -> FloatArray:
    columns = [o.losses(np.array([m.values[o.name] for m in members])) for o in run.objectives]
    return np.stack(columns, axis=1)


def _by_id(run: Run, choice: str) -> FrontMember:
    if choice not in run.evaluations.ids:
        front = ", ".join(member.id for member in run.front[:5]) or "none"
        raise InputError(
            f"{run.directory} holds no architecture with id {choice!r}; its front has "
            f"{len(run.front)}, such as {front} (see `hwnas front`)."
        )
    index = run.evaluations.ids.index(choice)
    if index in run.evaluations.failures:
        raise InputError(
            f"Architecture {choice} has no values: its evaluation failed: "
            f"{run.evaluations.failures[index]}. Choose one of the front (see `hwnas front`)."
        )
    stopped = {name: float(column[index]) for name, column in run.evaluations.stopped.items()}
    if not np.isnan(stopped.get("chance", np.nan)):
        raise InputError(
            f"Architecture {choice} was not evaluated in full: what it reached at "
            f"{stopped['fidelity']:g} of that left it a chance of {100 * stopped['chance']:.1f} % "
            "to belong to the front; choose one of the front (see `hwnas front`)."
        )
    seen = any(not np.isnan(column[index]) for column in run.evaluations.partial.values())
    if seen and not run.complete[index]:
        raise InputError(
            f"Architecture {choice} looked too poor at a low fidelity to be evaluated in full; "
            "choose one of the front (see `hwnas front`)."
        )
    if not run.complete[index]:
        raise InputError(
            f"Architecture {choice} was not evaluated in full, because it does not meet "
            f"{', '.join(map(str, run.budgets))}; choose one of the front (see `hwnas front`)."
        )
    return run.member(index)


def _meeting(run: Run, bounds: Sequence[str], candidates: BoolArray) -> BoolArray:
    """Which of the candidates meet budgets given as text; InputError when none does."""
    known = tuple(quantity.name for quantity in run.config.quantities)
    for text in bounds:
        budget = Budget.parse(text, known)
        judged = run.judged(budget)
        met = candidates & (replace(budget, confidence=None).violation(judged) == 0)
        if not met.any():
            left = judged[candidates & ~np.isnan(judged)]
            if not len(left):
                raise InputError(
                    f"Nothing that {run.directory} found has a stated deviation of "
                    f"{budget.objective}; write {replace(budget, confidence=None)}."
                )
            nearest = left.min() if budget.at_most else left.max()
            quantity = next(q for q in run.config.quantities if q.name == budget.objective)
            sure = "" if budget.confidence is None else f" with {budget.confidence:g} % confidence"
            raise InputError(
                f"No architecture found by {run.directory} meets {budget}; the nearest has "
                f"{quantity.format(float(nearest))}{sure}. Choose a wider budget, or search with "
                "it."
            )
        candidates = met
    return candidates


def _best(run: Run, candidates: BoolArray, first: int) -> FrontMember:
    """The candidate with the least loss in one objective; ties by the others, then by order."""
    indices = np.flatnonzero(candidates)
    others = [i for i in range(len(run.objectives)) if i != first]
    keys = run.losses[indices][:, [first, *others]]
    return run.member(int(indices[np.lexsort(keys.T[::-1])[0]]))
