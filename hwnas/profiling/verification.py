"""Whether a latency table still holds: fresh networks measured, beside what it says of them."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

import numpy as np

from hwnas import files
from hwnas.errors import FileFormatError, InputError
from hwnas.latency_table import LatencyTable, NetworkTiming
from hwnas.layers import LayerSpec
from hwnas.measurement import DeviceState, Measurement, Provenance
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.networks import NETWORK_DISCIPLINE, measure_networks
from hwnas.profiling.quality import coverage_90, mape
from hwnas.profiling.sample_log import SampleLog
from hwnas.profiling.target import Target
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace, architecture_layers
from hwnas.table_predictor import padded

LEAST = 4  # networks; of fewer nothing can be said

_LOOSER = 1.5  # ratio to the stated error, or to the repeatability, that is still no worse
_UNLIKELY = 0.01  # chance of so few networks within 90 % intervals that hold
_DRIFT = 1.25  # ratio of the canary's times beyond which milliseconds are other ones
_CLOCK = 0.1  # relative change that is another clock
_TRIES = 50  # samples for each fresh network that is wanted


@dataclass(frozen=True, slots=True)
class Verification:
    """Fresh random networks, as measured and as a table predicts them.

    Attributes:
        origin: Where and how they were measured.
        networks: The networks; their layers are positions in the table.
        mape: Mean absolute error of the table's predictions, percent.
        bias: Mean error, percent.
        stated_mape: What the table says its error is; None where it says nothing.
        coverage_90: Share of them within the 90 % intervals stated for them, percent; None where
            there are none.
        repeatability_mape: The same error between two halves of these measurements.
        drift: What the canary took, as a ratio to when the table was measured; divided out of
            the networks.
        faults: Why the table does not hold; empty when it does.
        changes: What is not as it was when the table was measured last.
    """

    origin: Provenance
    networks: tuple[NetworkTiming, ...]
    mape: float
    bias: float
    stated_mape: float | None
    coverage_90: float | None
    repeatability_mape: float
    drift: float
    faults: tuple[str, ...]
    changes: tuple[str, ...]

    __pydantic_config__ = files.STRICT

    @property
    def holds(self) -> bool:
        """Whether the table is as good as it says."""
        return not self.faults


def verify(
    table: LatencyTable,
    target: Target,
    space: SearchSpace,
    *,
    path: Path,
    networks: int = 12,
    discipline: Discipline = NETWORK_DISCIPLINE,
    on_progress: Progress = silent,
) -> Verification:
    """Measure fresh networks on a table's device, and keep what came of it beside the table.

    Interrupted, the same call goes on where it was.

    Args:
        table: The table; one of the same device, runtime, precision and threads as the target.
        target: What is measured on.
        space: Whose networks are measured; the table holds its layers.
        path: Of the table, beside which ``.verified.jsonl`` grows by a line.
        networks: How many.
        discipline: How thoroughly.
        on_progress: Told after each visit.

    Raises:
        InputError: Too few networks are asked for or are left in the space, or the table states
            nothing that could hold.
        DeviceError: The device was lost or cannot run a network.
    """
    if networks < LEAST:
        raise InputError(f"{networks} networks cannot verify a table; measure at least {LEAST}.")
    if table.quality is None and table.calibration is None:
        raise InputError(
            f"The latency table of {table.device} states no error that could be verified, since "
            "no whole networks were measured; profile with --networks and --held-out."
        )
    before = read_verifications(path)
    known = {timing.layer: i for i, timing in enumerate(table.layers)}
    seen = {one.layers for one in table.networks}
    seen |= {one.layers for earlier in before for one in earlier.networks}
    fresh = _fresh(space, known, seen, networks, seed=len(before))
    measured = measure_networks(
        target,
        [tuple(table.layers[i].layer for i in layers) for layers in fresh],
        folder=path.with_suffix(".verifying"),
        canary=table.canary,
        table=dataclasses.replace(table, sessions=()),  # another machine is said, not refused
        seed=len(before),
        discipline=discipline,
        command=f"hwnas tables verify {table.device}",
        on_progress=on_progress,
    )
    found = compared(table, fresh, measured)
    log = SampleLog(log_path(path))
    log.append(json.dumps(files.to_plain(found), separators=(",", ":")))
    log.close()
    return found


def compared(
    table: LatencyTable, fresh: Sequence[tuple[int, ...]], measured: Sequence[Measurement]
) -> Verification:
    """What measurements of networks say of a table.

    Args:
        table: The table.
        fresh: Positions of each network's layers in it.
        measured: Each network's measurement.
    """
    indices = padded(fresh)
    means, stds = table.predictor.means(indices), table.predictor.deviations(indices)
    timings = tuple(
        NetworkTiming(
            layers, round(one.median_ms, 6), round(float(means[i]), 6), one.samples, True,
            None if stds is None else round(float(stds[i]), 6),
        )
        for i, (layers, one) in enumerate(zip(fresh, measured, strict=True))
    )  # fmt: skip
    truth = np.array([timing.measured_ms for timing in timings])
    halves = np.array([one.halves_ms for one in measured])
    origin = measured[0].provenance
    if origin is None:
        raise InputError("Measurements without their origin cannot verify a table.")
    found = Verification(
        origin=origin,
        networks=timings,
        mape=_percent(mape(means, truth)),
        bias=_percent(float(np.mean(means / truth - 1))),
        stated_mape=None if table.quality is None else table.quality.mape,
        coverage_90=coverage_90(timings),
        repeatability_mape=_percent(mape(halves[:, 0], halves[:, 1])),
        drift=round(float(np.median([one.drift for one in measured])), 4),
        faults=(),
        changes=tuple(_changes(table.sessions[-1], origin)) if table.sessions else (),
    )
    return dataclasses.replace(found, faults=tuple(faults_of(found)))


def faults_of(found: Verification) -> Iterator[str]:
    """Why a table with these figures does not hold, in words."""
    if found.stated_mape is not None:
        allowed = _LOOSER * max(found.stated_mape, found.repeatability_mape)
        if found.mape > allowed:
            yield (
                f"its error is {found.mape:.1f} %, beyond {allowed:.1f} %, {_LOOSER} times what it "
                "states or what these measurements repeat within"
            )
    if found.coverage_90 is not None:
        count = len(found.networks)
        inside = round(found.coverage_90 * count / 100)
        chance = sum(comb(count, k) * 0.9**k * 0.1 ** (count - k) for k in range(inside + 1))
        if chance < _UNLIKELY:
            yield f"only {inside} of {count} networks are within the 90 % intervals stated for them"
    if not 1 / _DRIFT <= found.drift <= _DRIFT:
        yield (
            f"the canary network takes {found.drift:.2f} times as long as when the table was "
            "measured, and so does everything else"
        )


def log_path(path: Path) -> Path:
    """Where the verifications of a table are kept."""
    return path.with_suffix(".verified.jsonl")


def read_verifications(path: Path) -> tuple[Verification, ...]:
    """The verifications of a table, given its path, the oldest first.

    Raises:
        FileFormatError: A line of their file is damaged.
    """
    kept = log_path(path)
    if not kept.is_file():
        return ()
    whole, _, _ = files.read_text(kept).rpartition("\n")  # a torn last line is none
    return tuple(_verification(line, str(kept)) for line in whole.splitlines())


def _verification(line: str, source: str) -> Verification:
    try:
        return files.parse(json.loads(line), Verification, source=source)
    except (ValueError, RecursionError) as error:  # as `files.read_json`, which takes whole files
        raise FileFormatError(
            f"{source} holds a line that is no verification: {error}; delete the line."
        ) from error


def _fresh(
    space: SearchSpace,
    known: dict[LayerSpec, int],
    seen: set[tuple[int, ...]],
    count: int,
    *,
    seed: int,
) -> list[tuple[int, ...]]:
    """Networks as positions in the table that nobody has measured yet."""
    fresh: dict[tuple[int, ...], None] = {}
    for row in space.sample(_TRIES * count, np.random.default_rng([count, seed])):
        layers = tuple(known[one] for one in architecture_layers(space, row))
        if layers not in seen:
            fresh[layers] = None
        if len(fresh) == count:
            return list(fresh)
    raise InputError(
        f"Space {space.name} has hardly any networks that were not measured yet: {len(fresh)} of "
        f"{count} were found; verify with fewer."
    )


def _changes(last: Provenance, now: Provenance) -> Iterator[str]:
    if now.runtime_version != last.runtime_version:
        yield f"runtime version {last.runtime_version} became {now.runtime_version}"
    if now.cpu != last.cpu:
        yield f"processor {last.cpu} became {now.cpu}"
    if now.cores != last.cores:
        yield f"cores {last.cores or 'any'} became {now.cores or 'any'}"
    yield from _state_changes(last.before, now.before)


def _state_changes(last: DeviceState, now: DeviceState) -> Iterator[str]:
    if now.governor != last.governor:
        yield f"governor {last.governor or 'unknown'} became {now.governor or 'unknown'}"
    if last.frequency_mhz and now.frequency_mhz:
        ratio = now.frequency_mhz / last.frequency_mhz
        if abs(ratio - 1) > _CLOCK:
            yield f"clock {last.frequency_mhz:.0f} MHz became {now.frequency_mhz:.0f} MHz"


def _percent(fraction: float) -> float:
    return round(100 * fraction, 3)
