"""Finalists: the networks of a front, and those that might belong on it, measured on the device."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hwnas.catalog import IntArray
from hwnas.devices import load_device
from hwnas.errors import InputError, RunError
from hwnas.estimators.latency_table import LATENCY
from hwnas.latency_table import LatencyTable
from hwnas.measurement import Measurement
from hwnas.pareto import domination_probability, noise_aware_front
from hwnas.problem import split_device
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.networks import NETWORK_DISCIPLINE, measure_networks
from hwnas.profiling.plan import choose_canary
from hwnas.profiling.target import Target
from hwnas.progress import Progress, silent
from hwnas.protocols import architecture_layers
from hwnas.search.finalists import Finalist, append_finalists
from hwnas.search.front_files import write_front
from hwnas.search.log import locked
from hwnas.search.nearest import shortfall
from hwnas.search.run import FrontMember, Run
from hwnas.spaces.precision_choice import base_space
from hwnas.workflows.experiment import DeviceSection
from hwnas.workflows.quantities import other_experiments
from hwnas.workflows.runs import experiment_of, load_run, member_precision, run_tables

FINALISTS = 64
"""The most networks that are measured where nothing else is said."""

_WORK = "finalists.work"
_DIGITS = 6
_POSSIBLE = 0.1
"""Probability of meeting a budget from which on a network beyond it is worth measuring."""


def measure_finalists(
    directory: str | Path,
    *,
    limit: int = FINALISTS,
    discipline: Discipline = NETWORK_DISCIPLINE,
    on_progress: Progress = silent,
) -> Run:
    """Measure the networks of a front on their devices, and correct the front by it.

    Measured are the networks of the predicted front; then those that may belong on it, as far as
    the deviations of the predictions can tell; then what comes onto the front because others left
    it, until all of the front is measured. They have random weights, which do not change how
    long they take. Every latency among the run's quantities is measured on its own device.

    Measurements are kept in the run as each batch of networks is done, and inside a batch visit
    by visit, so that an interrupted call goes on where it was; a further one measures what is
    missing. ``front.json``, ``front.csv`` and ``front.md`` are written anew.

    Args:
        directory: Of the run.
        limit: The most networks that are measured, those of earlier calls counted.
        discipline: How thoroughly.
        on_progress: Told after each visit.

    Returns:
        The run with its corrected front.

    Raises:
        InputError: The run has no latency.
        RunError: Nothing was found that meets the run's budgets.
        RunInUseError: Another process is writing to the run.
        DeviceError: A device cannot be reached or used; what was measured is kept.
    """
    run = load_run(directory)
    check_finalists([quantity.name for quantity in run.config.quantities])
    if not run.measured and not run.front:
        raise RunError(
            f"{run.directory} has no network on its front to measure. "
            f"{shortfall(run) or 'Search first.'}"
        )
    with locked(run.directory):
        for choose in (_predicted, _corrected):
            while rows := _missing(run, choose(run), limit):
                _measure(run, rows, discipline, on_progress)
                run = load_run(directory)
        write_front(run)
    return run


def check_finalists(quantities: Collection[str]) -> None:
    """Refuse to measure finalists of a search that has no latency; InputError."""
    if not any(map(_is_latency, quantities)):
        raise InputError(
            "Finalists are measured for their latency, and the search has none; add latency_ms to "
            "its objectives or budgets."
        )


def _is_latency(name: str) -> bool:
    return split_device(name)[0] == LATENCY.name


def _latencies(run: Run) -> list[str]:
    return [quantity.name for quantity in run.config.quantities if _is_latency(quantity.name)]


def _predicted(run: Run) -> list[int]:
    """Networks of the predicted front, evenly spread first; then those that may belong on it."""
    values, stds = run.evaluations.values, run.evaluations.stds
    front = run.front_of(values, stds, run.config.dominance)
    ordered = np.flatnonzero(front)[np.argsort(run.losses[front, 0], kind="stable")]
    return [*_evenly(ordered), *(int(index) for index in _near(run) if not front[index])]


def _evenly(ordered: IntArray) -> list[int]:
    """The two ends, then what halves the gaps that are left: any first few are spread evenly."""
    if not len(ordered):
        return []
    found = dict.fromkeys([0, len(ordered) - 1])
    parts = 2
    while len(found) < len(ordered):
        steps = np.linspace(0, len(ordered) - 1, min(parts, len(ordered) - 1) + 1)
        found |= dict.fromkeys(int(step) for step in steps.round())
        parts *= 2
    return [int(ordered[position]) for position in found]


def _near(run: Run) -> IntArray:
    """Networks that the deviations of predictions do not rule out, the likeliest first."""
    values, stds = run.evaluations.values, run.evaluations.stds
    unknown = np.zeros(len(run.evaluations))
    known = {q.name: np.nan_to_num(stds.get(q.name, unknown)) for q in run.config.quantities}
    possible = run.complete.copy()
    for budget in run.budgets:
        sure = replace(budget, confidence=100 * (1 - _POSSIBLE))
        # with the sign of the deviation turned over, the quantile leans to the bound's good side
        leaning = sure.quantile(values[budget.objective], -known[budget.objective])
        possible &= replace(budget, confidence=None).violation(leaning) == 0
    losses = np.stack([o.losses(values[o.name]) for o in run.objectives], axis=1)
    deviations = np.stack([known[o.name] for o in run.objectives], axis=1)
    near = np.flatnonzero(noise_aware_front(losses, deviations, feasible=possible))
    beaten = domination_probability(losses, deviations, near)
    return np.asarray(near[np.argsort(beaten[near], kind="stable")])


def _corrected(run: Run) -> list[int]:
    """Networks of the corrected front."""
    return [int(index) for index in np.flatnonzero(run.on_front)]


def _missing(run: Run, chosen: Sequence[int], limit: int) -> list[int]:
    """Those of the chosen that lack a measurement, as many as the limit leaves."""
    unmeasured = np.full(len(run.evaluations), np.nan)
    columns = [run.measured.get(name, (unmeasured,))[0] for name in _latencies(run)]
    lacking = np.isnan(np.stack(columns, axis=1))
    left = limit - int((~lacking).any(axis=1).sum())
    rows = [index for index in chosen if lacking[index].any()]
    begun = [index for index in rows if not lacking[index].all()]
    return begun + [index for index in rows if index not in begun][: max(0, left)]


def _measure(run: Run, rows: Sequence[int], discipline: Discipline, on_progress: Progress) -> None:
    """Measure every latency that some evaluations lack, and record it."""
    experiment = experiment_of(run)
    sections = {name: other.device for name, other in other_experiments(experiment).items()}
    members = [run.member(index) for index in rows]
    for quantity in _latencies(run):
        section = sections.get(split_device(quantity)[1], experiment.device)
        for precision in section.precisions:
            wanted = [
                member
                for member in members
                if quantity not in member.predicted and member_precision(run, member) == precision
            ]
            if wanted:
                found = _measured(
                    run, wanted, quantity, section, precision, discipline, on_progress
                )
                append_finalists(run.directory, found)


def _measured(
    run: Run,
    members: Sequence[FrontMember],
    quantity: str,
    section: DeviceSection,
    precision: str,
    discipline: Discipline,
    on_progress: Progress,
) -> list[Finalist]:
    table = run_tables(run, split_device(quantity)[1]).get(precision)
    seed = run.config.seed
    measurements = measure_networks(
        Target(load_device(section.name), section.runtime, precision, section.threads),
        [architecture_layers(run.space, np.array(member.row)) for member in members],
        folder=run.directory / _WORK,
        canary=choose_canary(base_space(run.space), np.random.default_rng(seed)),
        table=table if isinstance(table, LatencyTable) else None,
        seed=seed,
        discipline=discipline,
        command=f"hwnas front {run.directory} --measure",
        on_progress=on_progress,
    )
    return [
        _finalist(member, quantity, section.runtime, one)
        for member, one in zip(members, measurements, strict=True)
    ]


def _finalist(
    member: FrontMember, quantity: str, runtime: str, measurement: Measurement
) -> Finalist:
    origin = measurement.provenance
    assert origin is not None  # whoever measures says where
    return Finalist(
        genes=member.row,
        quantity=quantity,
        value=round(measurement.median_ms, _DIGITS),
        std=round(measurement.error_ms, _DIGITS),
        visits=len(measurement.samples),
        date=origin.date,
        runtime=f"{runtime} {origin.runtime_version}",
    )
