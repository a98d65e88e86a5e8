"""Estimators: one file for each way to obtain an objective's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hwnas import plugins
from hwnas.devices import Device
from hwnas.errors import UnknownNameError
from hwnas.latency_table import LatencyTable
from hwnas.problem import Objective, resolve_objective
from hwnas.protocols import Estimator, SearchSpace


@dataclass(frozen=True, slots=True)
class EstimatorContext:
    """What estimators may need; each says clearly which of it is missing.

    Attributes:
        space: The search space.
        device: Whose energy coefficients are used.
        table: Latency table of that device, bound to the space.
        resources: Whatever one particular estimator documents, by its file name.
    """

    space: SearchSpace
    device: Device | None = None
    table: LatencyTable | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)


def objectives() -> dict[str, tuple[Objective, tuple[str, ...]]]:
    """Every known objective by name, with the estimators that offer it."""
    known: dict[str, tuple[Objective, tuple[str, ...]]] = {}
    for name in plugins.names(__name__):
        for objective in plugins.load(__name__, name, what="estimator").OBJECTIVES:
            offered = known.get(objective.name, (objective, ()))[1]
            known[objective.name] = (objective, (*offered, name))
    return known


def objective(name: str) -> Objective:
    """An objective by its name, with or without unit; UnknownNameError lists the known ones."""
    known = objectives()
    return known[resolve_objective(name, tuple(known))][0]


def create(name: str, context: EstimatorContext, *, estimator: str | None = None) -> Estimator:
    """The estimator of an objective.

    Args:
        name: The objective.
        context: What it may use.
        estimator: Which one, by file name; None for the only (or first) one that offers it.

    Raises:
        UnknownNameError: The objective is unknown, or that estimator does not offer it.
    """
    wanted = objective(name)
    offered = objectives()[wanted.name][1]
    chosen = estimator or offered[0]
    if chosen not in offered:
        raise UnknownNameError(f"estimator of {wanted.name}", chosen, offered)
    made: Estimator = plugins.load(__name__, chosen, what="estimator").create(wanted, context)
    return made
