"""Where and how something was measured, as it is written down."""

import datetime as dt
from collections.abc import Sequence
from importlib import metadata

from hwnas.errors import DeviceError
from hwnas.measurement import DeviceState, Provenance, Stability
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.records import Header


def first_header(headers: Sequence[Header], device: str) -> Header:
    """What the agent said of the device first; DeviceError when it said nothing."""
    if not headers:
        raise DeviceError(
            f"The agent on {device} did not say what it runs on; delete what is left of this "
            "profile (its .work folder) and run the same command again."
        )
    return headers[0]


def origin(
    header: Header,
    *,
    date: str,
    command: str,
    threads: int,
    discipline: Discipline,
    rounds: int,
    seed: int,
    after: DeviceState | None = None,
    stability: Stability | None = None,
) -> Provenance:
    """Where and how something was measured; the arguments are as in `Provenance`."""
    timing, seen = discipline.timing, header.header
    return Provenance(
        date=date,
        command=command,
        hwnas_version=_own_version(),
        cpu=seen.cpu,
        os=seen.os,
        python=seen.python,
        runtime_version=header.runtime_version,
        threads=threads,
        warm_up_runs=timing.warm_up_runs,
        warm_up_ms=timing.warm_up_ms,
        rounds=rounds,
        min_samples=timing.min_samples,
        visit_ms=timing.visit_ms,
        seed=seed,
        cores=seen.cores,
        meter=seen.meter,
        before=seen.before,
        after=after,
        stability=stability,
    )


def now() -> str:
    """The local time with its zone, ISO 8601."""
    return dt.datetime.now().astimezone().isoformat(timespec="seconds")


def _own_version() -> str:
    try:
        return metadata.version("hwnas")
    except metadata.PackageNotFoundError:
        return "a checkout"
