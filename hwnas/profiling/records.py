"""The agent's lines as values; what is no such line is refused."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass

from hwnas import files
from hwnas.errors import DeviceError, FileFormatError
from hwnas.measurement import DeviceState, EnergyBlock, Samples

_MOST = 2**63
"""No count and no number of nanoseconds is beyond; larger ones do not fit into a float."""

_MESSAGE = 500
"""Characters of a device's message that are shown."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the agent saw when it started; fields as in `hwnas.measurement.Provenance`."""

    cpu: str
    os: str
    python: str
    cores: tuple[int, ...] = ()
    meter: str | None = None
    before: DeviceState = field(default_factory=DeviceState)

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Header:
    """First line of a job."""

    header: Conditions
    runtime_version: str

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Closing:
    """Last line of a job that was not cut short: how the device was then."""

    after: DeviceState

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Visit:
    """One finished visit: its number, the file name of the model, what it gave (no drift)."""

    visit: int
    model: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Heat:
    """A temperature that is too high, and the highest that the device file allows."""

    temperature_c: float
    max_temperature_c: float

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Waiting:
    """The device is left to cool down; said again and again while it is."""

    waiting: Heat

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the agent could not do its job, and a sentence.

    Attributes:
        error: ``runtime``, ``model``, ``storage``, ``cores``, ``governor``, ``meter``, ``hot``
            or ``time``.
        message: What the device has to say about it.
    """

    error: str
    message: str

    __pydantic_config__ = files.STRICT


Record = Header | Closing | Visit | Waiting | Refusal


def parse_line(line: str) -> Record | None:
    """A line of the agent's output; None for one that a runtime may have written between.

    Raises:
        DeviceError: The line looks like a record but is none, or says what cannot be.
    """
    if not line.startswith("{"):
        return None
    try:
        content = json.loads(line)
        if "visit" in content:
            return _visit(**content)
        if "error" in content:
            return _refusal(files.parse(content, Refusal, source="record"))
        kinds = {"header": Header, "after": Closing, "waiting": Waiting}
        kind = next((kind for key, kind in kinds.items() if key in content), Header)
        record: Header | Closing | Waiting = files.parse(content, kind, source="record")
        for fault in _faults(record):
            raise ValueError(fault)
        return record
    except (ValueError, TypeError, RecursionError, FileFormatError) as error:
        raise DeviceError(
            f"The agent wrote {line[:200]!r}, which is no record of a timing: does something "
            "else on the device write to its output? Run the same command again."
        ) from error


def line_of(record: Header | Closing | Visit | Waiting) -> str:
    """The line of the agent that `parse_line` reads as a record."""
    content = files.to_plain(record)
    if isinstance(record, Visit):
        samples = content.pop("samples")
        content |= {key: samples[key] for key in ("runs", "ns", "energy") if samples[key]}
    return json.dumps(content, separators=(",", ":"))


def _visit(
    *, visit: int, model: str, runs: int, ns: list[int], energy: dict[str, object] | None = None
) -> Visit:
    # by hand: these lines arrive while the device may be timing on the next core
    counts = (runs, *ns)
    if not ns or not all(type(count) is int and 0 < count < _MOST for count in counts):
        raise ValueError(ns)
    if type(visit) is not int or type(model) is not str:
        raise TypeError(visit, model)
    return Visit(visit, model, Samples(tuple(ns), runs, energy=_block(energy)))


def _block(content: dict[str, object] | None) -> EnergyBlock | None:
    if content is None:
        return None
    block = files.parse(content, EnergyBlock, source="record")
    for fault in _faults(block):
        raise ValueError(fault)
    if not (0 < block.runs < _MOST and block.seconds > 0 and min(block.mj, block.idle_mw) >= 0):
        raise ValueError(block)
    return block


def _refusal(refusal: Refusal) -> Refusal:
    """A refusal whose message can be shown in a terminal."""
    text = "".join(c if c.isprintable() else " " for c in refusal.message)
    return Refusal(refusal.error, " ".join(text.split())[:_MESSAGE])


def _faults(value: object) -> Iterator[str]:
    """Numbers that are none, and text that could do something to a terminal."""
    if is_dataclass(value):
        for item in fields(value):
            yield from _faults(getattr(value, item.name))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{value} is no number"
    elif isinstance(value, str) and not value.isprintable():
        yield f"{value!r} cannot be printed"
