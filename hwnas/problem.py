"""What is searched for: objectives, and budgets that must hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.errors import InputError, UnknownNameError
from hwnas.units import format_quantity

_NAME = r"[a-z_]\w*(?:@[a-z0-9][\w.-]*)?"
_BUDGET = re.compile(rf"\s*({_NAME})\s*(<=|>=)\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([kMG]?)\s*$", re.I)
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity of an architecture that a search improves.

    Attributes:
        name: With its unit, such as ``latency_ms``.
        unit: ``ms``, ``%``, ``bytes``, ``mJ``, or empty for counts.
        label: For axes and tables, such as ``peak memory``.
        maximise: Whether more is better, as for accuracy.
        model: Whether the number is computed rather than measured, as energy is.
        per_device: Whether it differs from device to device, as latency does.
    """

    name: str
    unit: str
    label: str
    maximise: bool = False
    model: bool = False
    per_device: bool = False

    def on(self, device: str) -> "Objective":
        """The same quantity on another device than the search's own: ``latency_ms@pixel_8``."""
        return replace(self, name=f"{self.name}@{device}", label=f"{self.label} on {device}")

    @property
    def title(self) -> str:
        """The label, with a word where the number is a model's."""
        return f"{self.label} (model)" if self.model else self.label

    def losses(self, values: FloatArray) -> FloatArray:
        """Values as a strategy sees them: minimised. The one place where signs flip."""
        return -values if self.maximise else values

    def format(self, value: float) -> str:
        """A value with its unit, as people read it."""
        return format_quantity(value, self.unit)


@dataclass(frozen=True, slots=True)
class Budget:
    """A hard bound on one objective, such as ``latency_ms<=2.5``.

    Attributes:
        objective: Name of the bounded objective.
        bound: In the objective's unit.
        at_most: Whether the bound is from above.
    """

    objective: str
    bound: float
    at_most: bool = True

    @classmethod
    def parse(cls, text: str, known: Sequence[str]) -> "Budget":
        """A budget from text such as ``latency_ms<=2.5``, ``params<=1.5M`` or ``accuracy>=88``.

        Args:
            text: What the user wrote.
            known: Objective names that may be bounded.

        Raises:
            InputError: The text is not of that form, or the objective is unknown.
        """
        match = _BUDGET.match(text)
        if match is None:
            raise InputError(
                f"Budget {text!r} is not of the form NAME<=NUMBER or NAME>=NUMBER, "
                "such as latency_ms<=2.5."
            )
        name, sense, number, suffix = match.groups()
        try:
            bound = float(number) * _SUFFIXES[suffix.lower()]
        except ValueError as error:
            raise InputError(f"Budget {text!r}: {number!r} is not a number.") from error
        return cls(resolve_objective(name, known), bound, sense == "<=")

    def violation(self, values: FloatArray) -> FloatArray:
        """How far values are beyond the bound, in the objective's unit; 0 where it holds."""
        beyond = values - self.bound if self.at_most else self.bound - values
        return np.maximum(beyond, 0.0)

    def __str__(self) -> str:
        return f"{self.objective}{'<=' if self.at_most else '>='}{self.bound:g}"


def resolve_objective(name: str, known: Sequence[str]) -> str:
    """The full name of an objective, which may be given without its unit (``latency@pixel_8``).

    Raises:
        UnknownNameError: No objective, or more than one, is called so.
    """
    if name in known:
        return name
    without_unit = [full for full in known if _without_unit(full) == name]
    if len(without_unit) == 1:
        return without_unit[0]
    raise UnknownNameError("objective", name, known)


def split_device(name: str) -> tuple[str, str]:
    """An objective's name without its device, and the device: empty for the search's own."""
    base, _, device = name.partition("@")
    return base, device


def _without_unit(name: str) -> str:
    base, device = split_device(name)
    stem = base.rpartition("_")[0]
    return f"{stem}@{device}" if device else stem


def violations(budgets: Sequence[Budget], values: Mapping[str, FloatArray]) -> FloatArray:
    """Violations of all budgets, shape (architectures, budgets).

    Args:
        budgets: The bounds.
        values: By objective name, each of shape (architectures,).
    """
    count = len(next(iter(values.values())))
    if not budgets:
        return np.zeros((count, 0))
    return np.stack([budget.violation(values[budget.objective]) for budget in budgets], axis=1)
