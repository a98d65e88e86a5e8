"""Whole networks measured by themselves, side by side with a canary; with what goes on later."""

import dataclasses
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwnas.latency_table import LatencyTable
from hwnas.layers import LayerSpec
from hwnas.measurement import Measurement, Samples
from hwnas.profiling.assembly import without_drift
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.profiling.measured_plan import Measured, measure_plan
from hwnas.profiling.origin import now, origin
from hwnas.profiling.plan import Plan, make_batch, network_model, network_work
from hwnas.profiling.sample_log import exclusive
from hwnas.profiling.session import Session
from hwnas.profiling.stability import review, settled
from hwnas.profiling.table import empty_table
from hwnas.profiling.target import Target
from hwnas.progress import Progress, silent

NETWORK_DISCIPLINE = Discipline(network_rounds=16, steadiness=Steadiness(max_unsettled=1.0))
"""More visits than to a table's networks; one that stays unsteady is measured as well as can be."""

_LOG = "samples.jsonl"


def measure_networks(
    target: Target,
    networks: Sequence[tuple[LayerSpec, ...]],
    *,
    folder: Path,
    canary: tuple[LayerSpec, ...],
    table: LatencyTable | None = None,
    seed: int = 0,
    discipline: Discipline = NETWORK_DISCIPLINE,
    command: str = "",
    on_progress: Progress = silent,
) -> tuple[Measurement, ...]:
    """Latencies of networks with random weights, visited in turns, drift divided out.

    What is measured in stretches in which the device drifts is measured again. Interrupted, the
    same call goes on where it was; what has been measured of other networks is dropped.

    Args:
        target: What is measured on, and the precision of the networks.
        networks: Layers of each.
        folder: For what is measured so far; removed in the end.
        canary: The network that shows drift, where there is no table.
        table: A table of the same target; its canary is then visited, so that latencies are
            relative to the table's days, as its predictions are. Else to the usual time of now.
        seed: Of the weights and of the order of visits.
        discipline: How thoroughly; ``network_rounds`` visits to each.
        command: What to state as the command that measured.
        on_progress: Told after each visit.

    Returns:
        One measurement for each network, in the order given.

    Raises:
        DeviceError: The device was lost or cannot run a network; what was measured is kept.
        InputError: The table is of another processor or version of the runtime.
        RunInUseError: Another process measures into the folder.

    Warns:
        UnsteadyWarning: The device was unsteady, and some networks lack steady visits.
    """
    base = table or dataclasses.replace(empty_table(target), canary=canary)
    plan = _plan(networks, base.canary, seed=seed, discipline=discipline)
    date = now()
    with exclusive(folder):
        work = folder / plan.digest()
        for other in folder.iterdir():
            if other.is_dir() and other != work:
                shutil.rmtree(other, ignore_errors=True)
        work.mkdir(exist_ok=True)
        session = Session(target, work)
        measured = measure_plan(
            session, plan, work / _LOG, table=base, discipline=discipline, seed=seed,
            on_progress=on_progress,
        )  # fmt: skip
        session.close()
    shutil.rmtree(folder, ignore_errors=True)
    return _measurements(plan, measured, base, discipline, command, date, seed)


def _plan(
    networks: Sequence[tuple[LayerSpec, ...]],
    canary: tuple[LayerSpec, ...],
    *,
    seed: int,
    discipline: Discipline,
) -> Plan:
    rng = np.random.default_rng(seed)
    batches = []
    first = 0
    for group, rounds in network_work(networks, rng, discipline=discipline):
        batch = make_batch(
            group, canary=canary, rounds=rounds, rng=rng, first=first,
            canary_every=discipline.canary_every,
        )  # fmt: skip
        first += len(batch.visits)
        batches.append(batch)
    return Plan(
        layers=(), networks=tuple(networks), calibrating=0, canary=canary, batches=tuple(batches)
    )


def _measurements(
    plan: Plan,
    measured: Measured,
    table: LatencyTable,
    discipline: Discipline,
    command: str,
    date: str,
    seed: int,
) -> tuple[Measurement, ...]:
    """What is to be believed of a measured plan."""
    limits = discipline.steadiness
    found = review(measured.batches, measured.visits, limits)
    batches, stability = settled(plan, measured.batches, found, limits=limits, device=table.device)
    samples: dict[str, tuple[Samples, ...]] = defaultdict(tuple)
    for batch in batches:
        seen = without_drift(batch, measured.visits, table.canary_ms or found.usual_ms)
        for model, visits in seen.items():
            samples[model] += visits
    provenance = origin(
        measured.header, date=date, command=command, threads=table.threads,
        discipline=discipline, rounds=discipline.network_rounds, seed=seed,
        after=measured.after, stability=stability,
    )  # fmt: skip
    return tuple(
        Measurement(samples[network_model(i)], provenance) for i in range(len(plan.networks))
    )
