"""A plan measured, each record kept in a log as it comes."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwnas.errors import InputError
from hwnas.latency_table import LatencyTable
from hwnas.measurement import DeviceState, Samples
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.job import Job, lowered_job
from hwnas.profiling.origin import first_header
from hwnas.profiling.plan import Batch, Plan
from hwnas.profiling.records import Closing, Header, Record, Visit, Waiting, parse_line
from hwnas.profiling.sample_log import SampleLog
from hwnas.profiling.session import Session
from hwnas.profiling.stability import in_turn
from hwnas.progress import Progress


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a plan.

    Attributes:
        header: What the device said of itself first.
        after: How it was in the end; None where it did not say.
        batches: The plan's, and those that measured drifted stretches again.
        visits: Timings by visit number, all of the batches'.
    """

    header: Header
    after: DeviceState | None
    batches: tuple[Batch, ...]
    visits: dict[int, Samples]


def measure_plan(
    session: Session,
    plan: Plan,
    log_path: Path,
    *,
    table: LatencyTable,
    discipline: Discipline,
    seed: int,
    on_progress: Progress,
) -> Measured:
    """Measure everything in a plan, and what drifted again, that a log does not hold yet.

    Args:
        session: The device.
        plan: The plan.
        log_path: The log; made when there is none.
        table: That is extended: its numbers and these must be of the same machine.
        discipline: How thoroughly.
        seed: Of the weights, and of the order of what is measured again.
        on_progress: Told after each visit.

    Raises:
        TransportError: The device was lost; the log keeps what was measured.
        InputError: The log or the table is of another machine, or of another plan.
    """
    digest = plan.digest()
    visits: dict[int, Samples] = {}
    models: dict[int, str] = {}
    headers: list[Header] = []
    closings: list[Closing] = []
    batches: list[Batch] = []

    def keep(record: Record | None) -> None:
        if isinstance(record, Visit):
            visits[record.visit] = record.samples
            models[record.visit] = record.model
        elif isinstance(record, Header):
            _check_same_machine(record, headers[0] if headers else None, table)
            headers.append(record)
        elif isinstance(record, Closing):
            closings.append(record)

    with contextlib.closing(SampleLog(log_path)) as log:

        def on_record(line: str, record: Record) -> None:
            if record in headers or record in closings:
                return
            note = ""
            if isinstance(record, Waiting):
                note = f"cooling down from {record.waiting.temperature_c:.0f} °C"
            else:
                keep(record)
                log.append(line)
            _tell(on_progress, plan, batches, len(visits), note)

        for line in log.lines:
            keep(parse_line(line))
        for batch in in_turn(plan, visits, seed=seed, discipline=discipline):
            job = lowered_job(
                session.target,
                batch,
                name=f"{digest}-{len(batches)}",
                seed=seed,
                timing=discipline.timing,
                energy_blocks=discipline.energy_blocks,
            )
            _check_same_plan(job, models, log_path)
            batches.append(batch)
            session.run(job, done=visits, on_record=on_record)
    after = closings[-1].after if closings else None
    return Measured(first_header(headers, table.device), after, tuple(batches), visits)


def _tell(
    on_progress: Progress, plan: Plan, batches: Sequence[Batch], done: int, note: str
) -> None:
    total = sum(len(batch.visits) for batch in batches) - plan.visits
    if total <= 0:
        what = f"{len(plan.layers)} layers" if plan.layers else f"{len(plan.networks)} networks"
        task = "profiling" if plan.layers else "measuring networks"
        on_progress(task, done, plan.visits, note or what)
    else:
        on_progress("measuring again", done - plan.visits, total, note or "drifted stretches")


def _check_same_plan(job: Job, models: Mapping[int, str], log_path: Path) -> None:
    """Refuse visits to other models, which another version of hwnas may have planned."""
    for number, model in job.visits:
        if models.get(number, model) != model:
            raise InputError(
                f"{log_path} holds visit {number} of another plan, to {models[number]} where "
                f"{model} is expected: delete the folder {log_path.parent} and profile again."
            )


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
