"""What an experiment asks for: objectives and budgets, and the devices that they name."""

import re
from dataclasses import replace

from hwnas import estimators
from hwnas.errors import InputError
from hwnas.problem import Budget, resolve_objective
from hwnas.workflows.experiment import DeviceSection, Experiment, OtherDevice, other_name

ACCURACY = "accuracy"

_MOST_OBJECTIVES = 5
_DEVICE = re.compile(r"@([A-Za-z0-9][\w.-]*)")


def other_experiments(experiment: Experiment) -> dict[str, Experiment]:
    """The experiment as it would be for each device that it names after ``@``, by that name."""
    own = experiment.device
    declared = {other_name(other): other for other in own.others}
    texts = (*experiment.search.objectives, *experiment.search.budgets)
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
    bounded = [Budget.parse(text.rstrip(" %"), known).objective for text in section.budgets]
    return tuple(dict.fromkeys([*names, *bounded]))
