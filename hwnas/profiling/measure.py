"""Model files measured as they are, several of them side by side if asked."""

import dataclasses
import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwnas import plugins
from hwnas.devices import Device
from hwnas.errors import InputError, UnsteadyWarning
from hwnas.latency_table import LatencyTable
from hwnas.measurement import DeviceState, Measurement, Samples
from hwnas.profiling.assembly import without_drift
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.job import lowered_job
from hwnas.profiling.origin import first_header, now, origin
from hwnas.profiling.plan import CANARY, Batch, make_batch
from hwnas.profiling.records import Closing, Header, Visit
from hwnas.profiling.session import Told, passing_session
from hwnas.profiling.target import Target
from hwnas.progress import Progress, silent

_DISCIPLINE = Discipline(network_rounds=24, network_passes=1, energy_blocks=2)
_LEAST_FOR_SPREAD = 8  # visits; of fewer, quartiles say little
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def measure_model(
    device: Device,
    model: Path,
    *,
    runtime: str = "onnxruntime",
    threads: int = 1,
    table: LatencyTable | None = None,
    command: str | None = None,
    on_progress: Progress = silent,
) -> Measurement:
    """Latency of one model file on a device; arguments and errors as `measure_models`."""
    return measure_models(
        device, [model], runtime=runtime, threads=threads, table=table, command=command,
        on_progress=on_progress,
    )[0]  # fmt: skip


def measure_models(
    device: Device,
    models: Sequence[Path],
    *,
    runtime: str = "onnxruntime",
    threads: int = 1,
    table: LatencyTable | None = None,
    seed: int = 0,
    discipline: Discipline = _DISCIPLINE,
    command: str | None = None,
    on_progress: Progress = silent,
) -> tuple[Measurement, ...]:
    """Latencies of model files, visited in turns so that they can be compared with each other.

    Args:
        device: What to measure on.
        models: Their files.
        runtime: File name of the runtime that runs them.
        threads: Of every operator.
        table: A table of the same device, runtime and threads; its canary is then visited
            too, and drift against the table's days is divided out. None to leave times as
            they are.
        seed: Of the order of visits.
        discipline: How thoroughly; ``network_rounds`` visits to each.
        command: What to state as the command that measured; None for the plain one.
        on_progress: Told after each visit.

    Returns:
        One measurement for each model, in the order given.

    Raises:
        InputError: A file does not exist or has the wrong ending, or the table is of another
            device, runtime or number of threads.
        DeviceError: The device was lost, lacks the runtime, or cannot load a model.

    Warns:
        UnsteadyWarning: The visits to a model differ so much that its latency can be doubted.
    """
    target = Target(device, runtime, _precision(device, runtime, table), threads)
    _check(models, target, table)
    # the file's own name is what an error on the device will show
    named = {f"{i}-{_UNSAFE.sub('_', path.stem)}": path for i, path in enumerate(models)}
    batch = make_batch(
        dict.fromkeys(named, ()),
        canary=table.canary if table else (),
        rounds=discipline.network_rounds,
        rng=np.random.default_rng(seed),
        first=0,
        # a single model needs a look at the machine beside every visit, many models do not
        canary_every=min(discipline.canary_every, len(models)),
    )
    header, after, visits = _run(target, batch, named, discipline, seed, on_progress)
    measured = origin(
        header,
        date=now(),
        command=command or f"hwnas measure {' '.join(map(str, models))} --device {device.name}",
        threads=threads,
        discipline=discipline,
        rounds=discipline.network_rounds,
        seed=seed,
        after=after,
    )
    samples = without_drift(batch, visits, table.canary_ms if table else 1.0)
    found = {name: Measurement(samples[name], measured) for name in named}
    for name, path in named.items():
        _doubt(path, found[name], device, discipline)
    return tuple(found.values())


def _doubt(path: Path, found: Measurement, device: Device, discipline: Discipline) -> None:
    """Warn of a device that was too unsteady while a file was measured."""
    if len(found.samples) < _LEAST_FOR_SPREAD or found.spread <= discipline.steadiness.max_spread:
        return
    warnings.warn(
        f"Device {device.name} was unsteady while {path} was measured: the middle half of "
        f"{len(found.samples)} visits spreads over {100 * found.spread:.0f} % of their median, "
        f"{found.median_ms:.4g} ms, and two halves of them differ by "
        f"{100 * found.repeatability:.0f} %. Close other programs, let it cool or pin its cores "
        "(measuring in its file), then measure again.",
        UnsteadyWarning,
        stacklevel=3,
    )


def _precision(device: Device, runtime: str, table: LatencyTable | None) -> str:
    """Of the canary; without a table nothing is lowered, and any that the device has will do."""
    if table is not None:
        return table.precision
    offered: tuple[str, ...] = plugins.load("hwnas.runtimes", runtime, what="runtime").PRECISIONS
    return next((one for one in offered if one in device.precisions), offered[0])


def _check(models: Sequence[Path], target: Target, table: LatencyTable | None) -> None:
    ending = target.module.MODEL_FORMAT
    for path in models:
        if path.suffix != f".{ending}" or not path.is_file():
            raise InputError(
                f"{path} is not an existing .{ending} file, which is what runtime "
                f"{target.runtime} measures."
            )
    if table is None:
        return
    wanted = (target.device.name, target.runtime, target.threads)
    if (table.device, table.runtime, table.threads) != wanted:
        raise InputError(
            f"The latency table is of {table.device}, {table.runtime}, {table.threads} threads, "
            f"and the models are measured on {wanted[0]}, {wanted[1]}, {wanted[2]} threads: drift "
            "cannot be told from one to the other."
        )


def _run(
    target: Target,
    batch: Batch,
    named: dict[str, Path],
    discipline: Discipline,
    seed: int,
    on_progress: Progress,
) -> tuple[Header, DeviceState | None, dict[int, Samples]]:
    headers: list[Header] = []
    after: DeviceState | None = None
    visits: dict[int, Samples] = {}

    def on_record(line: str, record: Told) -> None:
        nonlocal after
        del line
        note = ""
        if isinstance(record, Visit):
            visits[record.visit] = record.samples
        elif isinstance(record, Header):
            headers.append(record)
        elif isinstance(record, Closing):
            after = record.after
        else:
            note = f"cooling down from {record.waiting.temperature_c:.0f} °C"
        on_progress("measuring", len(visits), len(batch.visits), note)

    canary = lowered_job(
        target, batch, name="measure", seed=seed, timing=discipline.timing,
        energy_blocks=discipline.energy_blocks,
    )  # fmt: skip

    def content(file_name: str) -> bytes:
        name = Path(file_name).stem
        return canary.content(file_name) if name == CANARY else named[name].read_bytes()

    job = dataclasses.replace(canary, content=content)
    with (
        tempfile.TemporaryDirectory(prefix="hwnas-") as folder,
        passing_session(target, Path(folder)) as session,
    ):
        session.run(job, done=(), on_record=on_record)
    return first_header(headers, target.device.name), after, visits
