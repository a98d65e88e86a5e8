"""Estimators: one file for each way to obtain an objective's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hwnas import plugins
from hwnas.devices import Device
from hwnas.errors import UnknownNameError
from hwnas.estimators._by_precision import ByPrecision
from hwnas.latency_table import LatencyTable
from hwnas.problem import Objective, resolve_objective
from hwnas.protocols import Estimator, SearchSpace
from hwnas.spaces.precision_choice import PrecisionSpace


@dataclass(frozen=True, slots=True)
class EstimatorContext:
    """What estimators may need; each says clearly which of it is missing.

    Attributes:
        space: The search space.
        device: Whose energy coefficients are used.
        tables: Latency tables of that device, by precision.
        precision: Of weights and activations; not used where the space has a gene for it.
        resources: Whatever one particular estimator documents, by its file name.
    """

    space: SearchSpace
    device: Device | None = None
    tables: Mapping[str, LatencyTable] = field(default_factory=dict)
    precision: str = "fp32"
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> LatencyTable | None:
        """The latency table of the precision; None when it is not at hand."""
        return self.tables.get(self.precision)


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

    In a space with a precision gene it is one estimator for each precision, on the base space.

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
    offering = plugins.load(__name__, chosen, what="estimator")
    space = context.space
    if isinstance(space, PrecisionSpace):
        contexts = [replace(context, space=space.base, precision=p) for p in space.precisions]
        return ByPrecision(space, [offering.create(wanted, each) for each in contexts])
    made: Estimator = offering.create(wanted, context)
    return made
