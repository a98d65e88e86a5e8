"""What an experiment asks for: objectives and budgets, and the devices that they name."""

import re
from collections.abc import Sequence
from dataclasses import replace

from hwnas import estimators
from hwnas.errors import InputError
from hwnas.problem import Budget, resolve_objective, split_confidence
from hwnas.workflows.experiment import DeviceSection, Experiment, OtherDevice, other_name

ACCURACY = "accuracy"

_MOST_OBJECTIVES = 5
_DEVICE = re.compile(r"@([A-Za-z0-9][\w.-]*)")


def other_experiments(experiment: Experiment) -> dict[str, Experiment]:
    """The experiment as it would be for each device that it names after ``@``, by that name."""
    own = experiment.device
    declared = {other_name(other): other for other in own.others}
    # behind the sign there may be an @ too, of a confidence
    bounded = [re.split("[<>]", text)[0] for text in experiment.search.budgets]
    texts = (*experiment.search.objectives, *bounded)
    found = {}
    for name in dict.fromkeys(name for text in texts for name in _DEVICE.findall(text)):
        other = declared.get(name, OtherDevice(name))
        section = DeviceSection(
            other.name, other.runtime or own.runtime, own.precisions, other.threads or own.threads
        )
        found[name] = replace(experiment, device=section)
    return found


def known_quantities(experiment: Experiment) -> tuple[str, ...]:
    """Names that an objective or a budget of the experiment may have."""
    every = [objective for objective, _ in estimators.objectives().values()]
    elsewhere = [
        objective.on(device).name
        for device in other_experiments(experiment)
        for objective in every
        if objective.per_device
    ]
    return (*(objective.name for objective in every), *elsewhere)


def asked_quantities(experiment: Experiment) -> tuple[str, ...]:
    """Names of the objectives of an experiment, then of what its budgets bound.

    Raises:
        InputError: One is unknown, or there are too few or too many objectives.
    """
    known = known_quantities(experiment)
    section = experiment.search
    names = [resolve_objective(name, known) for name in section.objectives]
    if not 2 <= len(names) <= _MOST_OBJECTIVES or len(set(names)) < len(names):
        raise InputError(
            f"Expected two to {_MOST_OBJECTIVES} different objectives; got "
            f"{', '.join(section.objectives)}."
        )
    bounded = [parse_budget(text, known)[0].objective for text in section.budgets]
    return tuple(dict.fromkeys([*names, *bounded]))


def parse_budget(text: str, known: Sequence[str]) -> tuple[Budget, bool]:
    """A budget of an experiment, and whether its bound is a percentage, as in ``latency_ms<=40%``.

    Args:
        text: What the user wrote.
        known: Objective names that may be bounded.

    Raises:
        InputError: As `Budget.parse`.
    """
    bounded, confidence = split_confidence(text)
    bare = bounded.rstrip(" %")
    budget = replace(Budget.parse(bare, known), confidence=confidence)
    return budget, bare != bounded.rstrip()
