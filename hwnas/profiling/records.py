"""The agent's lines as values; what is no such line is refused."""

import json
from dataclasses import dataclass

from hwnas import files
from hwnas.errors import DeviceError, FileFormatError
from hwnas.measurement import Samples


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the agent saw when it started; fields as in `hwnas.measurement.Provenance`."""

    cpu: str
    os: str
    python: str
    governor: str | None
    frequency_mhz: float | None

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Header:
    """First line of a job."""

    header: Conditions
    runtime_version: str

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Visit:
    """One finished visit: its number, the file name of the model, what it gave (no drift)."""

    visit: int
    model: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the agent could not do its job: ``runtime``, ``model`` or ``storage``, and a sentence."""

    error: str
    message: str

    __pydantic_config__ = files.STRICT


Record = Header | Visit | Refusal


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
        if "header" in content:
            return files.parse(content, Header, source="record")
        return files.parse(content, Refusal, source="record")
    except (ValueError, TypeError, RecursionError, FileFormatError) as error:
        raise DeviceError(
            f"The agent wrote {line[:200]!r}, which is no record of a timing: does something "
            "else on the device write to its output? Run the same command again."
        ) from error


def _visit(*, visit: int, model: str, runs: int, ns: list[int]) -> Visit:
    # by hand: these lines arrive while the device may be timing on the next core
    counts = (runs, *ns)
    if not ns or not all(type(count) is int and count > 0 for count in counts):
        raise ValueError(ns)
    if type(visit) is not int or type(model) is not str:
        raise TypeError(visit, model)
    return Visit(visit, model, Samples(tuple(ns), runs))
