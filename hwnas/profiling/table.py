"""A latency table of a device, measured; interrupted at any point, it goes on where it was."""

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

from hwnas.devices import Device
from hwnas.errors import InputError
from hwnas.files import STRICT, parse, read_json, write_json
from hwnas.latency_table import LatencyTable, profile_command, table_path
from hwnas.measurement import Samples
from hwnas.profiling.assembly import extend
from hwnas.profiling.job import lowered_job
from hwnas.profiling.origin import first_header, now, origin
from hwnas.profiling.plan import Discipline, Plan, make_plan
from hwnas.profiling.records import Header, Record, Visit, parse_line
from hwnas.profiling.sample_log import SampleLog, exclusive
from hwnas.profiling.session import Session
from hwnas.profiling.target import Target
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace

_DISCIPLINE = Discipline()
_LOG = "samples.jsonl"


@dataclasses.dataclass(frozen=True, slots=True)
class _Request:
    """What an unfinished profile was asked for.

    Attributes:
        digest: Of its plan.
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
    whole_networks: int = 24,
    seed: int = 0,
    discipline: Discipline = _DISCIPLINE,
    command: str | None = None,
    on_progress: Progress = silent,
) -> LatencyTable:
    """Measure what a device's table lacks of a space, and write the table.

    Layers are measured alone, in random order; then random whole networks of the space, by
    which the table states its quality. What was measured is kept in ``<table>.work`` until the
    table is written: the same call goes on where an interrupted one was.

    Args:
        device: What to measure on.
        space: Whose layers the table shall hold; those that it holds are not measured again.
        folder: The ``latency_tables`` folder that the table belongs to.
        runtime: File name of the runtime.
        precision: Of the models.
        threads: Of every operator.
        whole_networks: Their number, whenever anything is measured.
        seed: Of the order, the weights and the choice of whole networks.
        discipline: How thoroughly.
        command: What to state as the command that measured; None for the plain one.
        on_progress: Told after each visit.

    Raises:
        TransportError: The device was lost.
        RuntimeMissingError: The runtime is not installed there.
        InputError: The table, or what is left of an interrupted profile, is of another machine
            or another request.
        RunInUseError: Another process measures the same table.
        StorageError: Something could not be written.
    """
    if whole_networks < 0 or whole_networks == 1:
        raise InputError(
            f"{whole_networks} whole networks cannot tell an error; ask for none, or 2 and more."
        )
    target = Target(device, runtime, precision, threads)
    path = table_path(
        folder, device.name, space=space.name, runtime=runtime, precision=precision, threads=threads
    )
    work = path.with_suffix(".work")
    with exclusive(work):
        table = LatencyTable.read(path) if path.exists() else _empty(target)
        if table.lacking(space.catalog) or (whole_networks and not table.networks):
            plan = make_plan(
                space,
                [timing.layer for timing in table.layers],
                canary=table.canary,
                whole_networks=whole_networks,
                seed=seed,
                discipline=discipline,
            )
            command = command or profile_command(
                device.name, space=space.name, runtime=runtime, precision=precision, threads=threads
            )
            request = _continued(work, _Request(plan.digest(), command, now()))
            session = Session(target, work)
            header, visits = _measure(
                session, plan, work, table=table, discipline=discipline, seed=seed,
                on_progress=on_progress,
            )  # fmt: skip
            session_origin = origin(
                header, date=request.date, command=request.command, threads=threads,
                discipline=discipline, rounds=discipline.layer_rounds, seed=seed,
            )  # fmt: skip
            table = extend(table, plan, visits)
            table = dataclasses.replace(
                table,
                space=json.loads(json.dumps(space.definition())),  # as it will be read back
                sessions=(*table.sessions, session_origin),
            )
            table.write(path)
            session.close()
        shutil.rmtree(work, ignore_errors=True)
    return table


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


def _measure(
    session: Session,
    plan: Plan,
    work: Path,
    *,
    table: LatencyTable,
    discipline: Discipline,
    seed: int,
    on_progress: Progress,
) -> tuple[Header, dict[int, Samples]]:
    """Everything in a plan that the log in the work folder does not hold yet."""
    digest = plan.digest()
    visits: dict[int, Samples] = {}
    headers: list[Header] = []

    def keep(record: Record | None) -> None:
        if isinstance(record, Visit):
            visits[record.visit] = record.samples
        elif isinstance(record, Header):
            _check_same_machine(record, headers[0] if headers else None, table)
            headers.append(record)

    with contextlib.closing(SampleLog(work / _LOG)) as log:

        def on_record(line: str, record: Record) -> None:
            if record in headers:
                return
            keep(record)
            log.append(line)
            on_progress("profiling", len(visits), plan.visits, f"{len(plan.layers)} layers")

        for line in log.lines:
            keep(parse_line(line))
        for index, batch in enumerate(plan.batches):
            job = lowered_job(
                session.target,
                batch,
                name=f"{digest}-{index}",
                seed=seed,
                timing=discipline.timing,
            )
            session.run(job, done=visits, on_record=on_record)
    return first_header(headers, table.device), visits


def _check_same_machine(header: Header, first: Header | None, table: LatencyTable) -> None:
    """Refuse to mix numbers of two processors or two versions of a runtime in one table."""
    found = (header.header.cpu, header.runtime_version)
    if first is not None:
        wanted = (first.header.cpu, first.runtime_version)
    elif table.sessions:
        wanted = (table.sessions[-1].cpu, table.sessions[-1].runtime_version)
    else:
        return
    if found != wanted:
        raise InputError(
            f"The table so far was measured on {wanted[0]} with runtime version {wanted[1]}, and "
            f"the device now is {found[0]} with {found[1]}: numbers of both do not mix; move the "
            "table (and its .work folder) away and profile anew."
        )


def _empty(target: Target) -> LatencyTable:
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
