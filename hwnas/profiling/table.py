"""A latency table of a device, measured; interrupted at any point, it goes on where it was."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from hwnas.calibration.regression import LEAST_NETWORKS
from hwnas.devices import Device
from hwnas.errors import InputError
from hwnas.files import STRICT, digest, parse, read_json, write_json
from hwnas.latency_table import LatencyTable, profile_command, table_path
from hwnas.measurement import Stability
from hwnas.profiling.assembly import extend
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.profiling.fitting import LEAST_HELD_OUT, fitted
from hwnas.profiling.measured_plan import Measured, measure_plan
from hwnas.profiling.origin import now, origin
from hwnas.profiling.plan import Plan, make_plan
from hwnas.profiling.sample_log import exclusive
from hwnas.profiling.session import Session
from hwnas.profiling.stability import review, settled
from hwnas.profiling.target import Target
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace

NETWORKS = 24
"""Whole networks that a table is fitted on, unless another number is asked for."""

HELD_OUT = 16
"""Whole networks held out to state its quality."""

_DISCIPLINE = Discipline()
_LOG = "samples.jsonl"


@dataclasses.dataclass(frozen=True, slots=True)
class _Request:
    """What an unfinished profile was asked for.

    Attributes:
        digest: Of its plan and discipline.
        command: That asked for it.
        date: When it began.
    """

    digest: str
    command: str
    date: str

    __pydantic_config__ = STRICT


def profile(
    device: Device,
    space: SearchSpace,
    *,
    folder: Path,
    runtime: str = "onnxruntime",
    precision: str = "fp32",
    threads: int = 1,
    networks: int = NETWORKS,
    held_out: int = HELD_OUT,
    seed: int = 0,
    discipline: Discipline = _DISCIPLINE,
    command: str | None = None,
    on_progress: Progress = silent,
) -> LatencyTable:
    """Measure what a device's table lacks of a space, and write the table.

    Layers are measured alone, in random order; then whole networks of the space, some chosen to
    tell most about the layers, which the table is fitted on, some random and held out, by which it
    states its quality; then again what lies between two visits to the canary network that show the
    device drifting. What was measured is kept in ``<table>.work`` until the
    table is written: the same call goes on where an interrupted one was.

    Args:
        device: What to measure on.
        space: Whose layers the table shall hold; those that it holds are not measured again.
        folder: The ``latency_tables`` folder that the table belongs to.
        runtime: File name of the runtime.
        precision: Of the models.
        threads: Of every operator.
        networks: Whole networks to fit the table on, whenever anything is measured.
        held_out: Whole networks to state its quality by, likewise.
        seed: Of the order, the weights and the choice of whole networks.
        discipline: How thoroughly.
        command: What to state as the command that measured; None for the plain one.
        on_progress: Told after each visit.

    Raises:
        TransportError: The device was lost.
        RuntimeMissingError: The runtime is not installed there.
        UnstableError: The device was too unsteady; run again, only drifted stretches are measured.
        InputError: The table, or what is left of an interrupted profile, is of another machine
            or another request.
        RunInUseError: Another process measures the same table.
        StorageError: Something could not be written.
    """
    _check_numbers(networks, held_out)
    target = Target(device, runtime, precision, threads)
    path = table_path(
        folder, device.name, space=space.name, runtime=runtime, precision=precision, threads=threads
    )
    work = path.with_suffix(".work")
    with exclusive(work):
        table = _so_far(path, target)
        if table.lacking(space.catalog) or _lacks_networks(table, networks, held_out):
            plan = make_plan(
                space,
                [timing.layer for timing in table.layers],
                canary=table.canary,
                networks=networks,
                held_out=held_out,
                seed=seed,
                discipline=discipline,
            )
            command = command or profile_command(
                device.name, space=space.name, runtime=runtime, precision=precision, threads=threads
            )
            asked = digest({"plan": plan.digest(), "discipline": _how_measured(discipline)})
            request = _continued(work, _Request(asked, command, now()))
            session = Session(target, work)
            measured = measure_plan(
                session, plan, work / _LOG, table=table, discipline=discipline, seed=seed,
                on_progress=on_progress,
            )  # fmt: skip
            session.close()
            table, stability = _believed(table, plan, measured, discipline.steadiness)
            session_origin = origin(
                measured.header, date=request.date, command=request.command, threads=threads,
                discipline=discipline, rounds=discipline.layer_rounds, seed=seed,
                after=measured.after, stability=stability,
            )  # fmt: skip
            table = dataclasses.replace(
                table,
                space=json.loads(json.dumps(space.definition())),  # as it will be read back
                sessions=(*table.sessions, session_origin),
            )
            table.write(path)
        elif table.networks and table.calibration is None and table.quality is None:
            table = fitted(table)  # one of an earlier version, whose networks had no roles
            table.write(path)
        shutil.rmtree(work, ignore_errors=True)
    return table


def _so_far(path: Path, target: Target) -> LatencyTable:
    """The table in a file; an empty one where there is none, or none of layers measured here."""
    table = LatencyTable.read(path) if path.exists() else empty_table(target)
    return table if table.transferred is None else empty_table(target)


def _check_numbers(networks: int, held_out: int) -> None:
    if networks < 0 or 0 < networks < LEAST_NETWORKS:
        raise InputError(
            f"{networks} whole networks cannot correct a table's layers; ask for none, or for "
            f"{LEAST_NETWORKS} and more."
        )
    if held_out < 0 or 0 < held_out < LEAST_HELD_OUT:
        raise InputError(
            f"{held_out} held-out networks cannot tell an error; ask for none, or for "
            f"{LEAST_HELD_OUT} and more."
        )


def _lacks_networks(table: LatencyTable, networks: int, held_out: int) -> bool:
    """Whether a kind of whole networks is asked for and the table has none of it."""
    roles = {network.held_out for network in table.networks}
    return bool((networks and False not in roles) or (held_out and True not in roles))


def _how_measured(discipline: Discipline) -> dict[str, Any]:
    """What decides which visits are made; not what is then made of them."""
    content = dataclasses.asdict(discipline)
    del content["steadiness"]["max_unsettled"]
    return content


def _continued(work: Path, request: _Request) -> _Request:
    """The request whose profile lies unfinished in a folder: this one, then begun earlier or now.

    Raises:
        InputError: Something was measured for another request.
    """
    path, log = work / "request.json", work / _LOG
    if not (path.exists() and log.exists() and log.stat().st_size):
        write_json(path, dataclasses.asdict(request))
        return request
    found = parse(read_json(path), _Request, source=str(path))
    if found.digest != request.digest:
        raise InputError(
            f"{work} holds an unfinished profile of another request ({found.command}, begun "
            f"{found.date}): finish that one first, or delete the folder to give it up."
        )
    return found


def _believed(
    table: LatencyTable, plan: Plan, measured: Measured, limits: Steadiness
) -> tuple[LatencyTable, Stability]:
    """A table with what is to be believed of a measured plan; UnstableError where too little is."""
    found = review(measured.batches, measured.visits, limits)
    batches, stability = settled(plan, measured.batches, found, limits=limits, device=table.device)
    kept = dataclasses.replace(plan, batches=batches)
    return extend(table, kept, measured.visits, canary_ms=found.usual_ms), stability


def empty_table(target: Target) -> LatencyTable:
    """A table before its first session."""
    return LatencyTable(
        device=target.device.name,
        runtime=target.runtime,
        precision=target.precision,
        threads=target.threads,
        space={},
        sessions=(),
        canary=(),
        canary_ms=0.0,
        boundary_ms=0.0,
        scale=1.0,
        quality=None,
        overhead=(),
        layers=(),
        networks=(),
    )
