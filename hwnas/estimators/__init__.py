"""Estimators: one file for each way to obtain an objective's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hwnas import plugins
from hwnas.devices import Device
from hwnas.errors import InputError, UnknownNameError
from hwnas.estimators._by_precision import ByPrecision
from hwnas.estimators._on_device import OnDevice
from hwnas.imported_table import AnyTable
from hwnas.problem import Objective, resolve_objective, split_device
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
        others: By name, the same for each other device that an objective names after ``@``.
    """

    space: SearchSpace
    device: Device | None = None
    tables: Mapping[str, AnyTable] = field(default_factory=dict)
    precision: str = "fp32"
    resources: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, "EstimatorContext"] = field(default_factory=dict)

    @property
    def table(self) -> AnyTable | None:
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
    """An objective by its name, with or without unit, on a device where ``@`` names one.

    Raises:
        UnknownNameError: There is no such objective; lists the known ones.
        InputError: It is named with a device, and is the same on all of them.
    """
    known = objectives()
    base, device = split_device(name)
    found = known[resolve_objective(base, tuple(known))][0]
    if not device:
        return found
    if not found.per_device:
        kinds = ", ".join(name for name, (each, _) in known.items() if each.per_device)
        raise InputError(
            f"{name} names a device, and {found.name} is the same on every one; of a device can "
            f"be: {kinds}."
        )
    return found.on(device)


def create(name: str, context: EstimatorContext, *, estimator: str | None = None) -> Estimator:
    """The estimator of an objective.

    In a space with a precision gene it is one estimator for each precision, on the base space.

    Args:
        name: The objective.
        context: What it may use.
        estimator: Which one, by file name; None for the one that the context has resources for,
            else the first that offers it.

    Raises:
        UnknownNameError: The objective or its device is unknown, or that estimator does not
            offer it.
    """
    base, device = split_device(name)
    if device:
        objective(name)  # refuses what does not depend on a device
        if device not in context.others:
            raise UnknownNameError(f"device of {name}", device, context.others)
        return OnDevice(create(base, context.others[device], estimator=estimator), device)
    wanted = objective(name)
    offered = objectives()[wanted.name][1]
    chosen = estimator or next((each for each in offered if each in context.resources), offered[0])
    if chosen not in offered:
        raise UnknownNameError(f"estimator of {wanted.name}", chosen, offered)
    offering = plugins.load(__name__, chosen, what="estimator")
    space = context.space
    if isinstance(space, PrecisionSpace):
        contexts = [replace(context, space=space.base, precision=p) for p in space.precisions]
        return ByPrecision(space, [offering.create(wanted, each) for each in contexts])
    made: Estimator = offering.create(wanted, context)
    return made
