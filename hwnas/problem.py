"""What is searched for: objectives, and budgets that must hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.errors import InputError, UnknownNameError
from hwnas.units import format_quantity

_NAME = r"[a-z_]\w*(?:@[a-z0-9][\w.-]*)?"
_BUDGET = re.compile(rf"\s*({_NAME})\s*(<=|>=)\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([kMG]?)\s*$", re.I)
_CONFIDENCE = re.compile(r"(.*[<>]=.*?)@\s*([-+.\w]*)\s*%\s*")
PLAIN, NOISE_AWARE = "plain", "noise_aware"
DOMINANCES = (PLAIN, NOISE_AWARE)
"""What takes a network off a front: one with better numbers, or one that is better beyond doubt."""

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

    def format(self, value: float, std: float | None = None) -> str:
        """A value with its unit, as people read it, and its standard deviation where known."""
        return format_quantity(value, self.unit, std)


@dataclass(frozen=True, slots=True)
class Budget:
    """A hard bound on one objective, such as ``latency_ms<=2.5`` or ``latency_ms<=10@95%``.

    Attributes:
        objective: Name of the bounded objective.
        bound: In the objective's unit.
        at_most: Whether the bound is from above.
        confidence: Percent, above 50 and below 100: the bound holds for the quantile of the
            estimate that the truth is on the right side of with this probability, if errors are
            normal. None where the mean has to hold it.
    """

    objective: str
    bound: float
    at_most: bool = True
    confidence: float | None = None

    @classmethod
    def parse(cls, text: str, known: Sequence[str]) -> "Budget":
        """A budget from text such as ``latency_ms<=10@95%``, ``params<=1.5M`` or ``accuracy>=88``.

        Args:
            text: What the user wrote.
            known: Objective names that may be bounded.

        Raises:
            InputError: The text is not of that form, the objective is unknown, or the confidence
                is not above 50 and below 100 percent.
        """
        bounded, confidence = split_confidence(text)
        match = _BUDGET.match(bounded)
        if match is None:
            raise InputError(
                f"Budget {text!r} is not of the form NAME<=NUMBER or NAME>=NUMBER, "
                "such as latency_ms<=2.5, or latency_ms<=2.5@95% for one with confidence."
            )
        name, sense, number, suffix = match.groups()
        try:
            bound = float(number) * _SUFFIXES[suffix.lower()]
        except ValueError as error:
            raise InputError(f"Budget {text!r}: {number!r} is not a number.") from error
        return cls(resolve_objective(name, known), bound, sense == "<=", confidence)

    def quantile(self, values: FloatArray, std: FloatArray | None = None) -> FloatArray:
        """What is compared with the bound: values, with confidence moved towards it.

        The one-sided quantile of a normal distribution: ``values + z * std`` under an upper bound
        and ``values - z * std`` above a lower one, where z is 1.645 at 95 %.

        Args:
            values: Shape (architectures,).
            std: Their standard deviations, shape (architectures,); only looked at with a
                confidence, which cannot do without.

        Raises:
            InputError: A confidence is asked for and there are no deviations.
        """
        if self.confidence is None:
            return values
        if std is None:
            raise InputError(
                f"Budget {self} asks for confidence, and nothing states how far {self.objective} "
                f"can be off; write {replace(self, confidence=None)}."
            )
        margin = NormalDist().inv_cdf(self.confidence / 100) * std
        return values + margin if self.at_most else values - margin

    def violation(self, values: FloatArray, std: FloatArray | None = None) -> FloatArray:
        """How far `quantile` is beyond the bound, in the objective's unit; 0 where it holds."""
        return np.maximum(self.excess(values, std), 0.0)

    def excess(self, values: FloatArray, std: FloatArray | None = None) -> FloatArray:
        """The same, below 0 where the bound holds: then how much there is to spare."""
        judged = self.quantile(values, std)
        return judged - self.bound if self.at_most else self.bound - judged

    def __str__(self) -> str:
        sense = "<=" if self.at_most else ">="
        confidence = "" if self.confidence is None else f"@{_exact(self.confidence)}%"
        return f"{self.objective}{sense}{_exact(self.bound)}{confidence}"


def split_confidence(text: str) -> tuple[str, float | None]:
    """A budget's text without its confidence, and the confidence in percent; None for none.

    Raises:
        InputError: The confidence is not a number above 50 and below 100.
    """
    match = _CONFIDENCE.fullmatch(text)
    if match is None:
        return text, None
    bounded, percent = match.groups()
    try:
        confidence = float(percent)
    except ValueError:
        confidence = np.nan
    if not 50.0 < confidence < 100.0:
        raise InputError(
            f"Budget {text!r} asks for a confidence of {percent or 'nothing'} %; expected more "
            f"than 50 and less than 100, such as {bounded.strip()}@95%."
        )
    return bounded, confidence


def _exact(number: float) -> str:
    """The shortest text that is read back as the number."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


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


def violations(
    budgets: Sequence[Budget],
    values: Mapping[str, FloatArray],
    stds: Mapping[str, FloatArray] = MappingProxyType({}),
) -> FloatArray:
    """Violations of all budgets, shape (architectures, budgets).

    Args:
        budgets: The bounds.
        values: By objective name, each of shape (architectures,).
        stds: Their standard deviations, of those that have one; a budget with confidence needs
            that of its objective.
    """
    count = len(next(iter(values.values())))
    if not budgets:
        return np.zeros((count, 0))
    columns = [b.violation(values[b.objective], stds.get(b.objective)) for b in budgets]
    return np.stack(columns, axis=1)
