"""Does a profile's discipline save a table when something else starts to run in the middle of it?

Question: busy processes, one for each core, start when half of a profile is done, and stay until
its end or for some seconds. How far are predictions of the resulting table from 32 whole networks
that were measured in quiet just before, beside those of an undisturbed profile? And how far without
measuring drifted stretches again, and without the canary network at all?

    python -m benchmarks.disturbed_profile [--repeats 3]

Hardware: whatever it runs on; the result file says which. Expected: where they stay, the profile
is refused as unstable or at most 1.5 times as far off as an undisturbed one; where they go, at most
1.5 times; without the canary several times. A machine that was busy before spoils all of it. Some
eight minutes.
"""

from benchmarks import _results

_results.one_thread()

import argparse  # noqa: E402
import dataclasses  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from hwnas.devices import load_device  # noqa: E402
from hwnas.errors import UnstableError, UnsteadyWarning  # noqa: E402
from hwnas.latency_table import LatencyTable  # noqa: E402
from hwnas.layers import LayerSpec  # noqa: E402
from hwnas.measurement import Measurement, Samples  # noqa: E402
from hwnas.profiling.assembly import extend, without_drift  # noqa: E402
from hwnas.profiling.discipline import Discipline  # noqa: E402
from hwnas.profiling.job import lowered_job  # noqa: E402
from hwnas.profiling.measured_plan import Measured, measure_plan  # noqa: E402
from hwnas.profiling.plan import CANARY, Batch, Plan, make_batch, make_plan  # noqa: E402
from hwnas.profiling.records import Visit  # noqa: E402
from hwnas.profiling.session import Session, Told  # noqa: E402
from hwnas.profiling.stability import review, settled  # noqa: E402
from hwnas.profiling.table import empty_table  # noqa: E402
from hwnas.profiling.target import Target  # noqa: E402
from hwnas.protocols import architecture_layers  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

TARGET = Target(load_device("host"), "onnxruntime", "fp32", 1)
DISCIPLINE = Discipline(layer_rounds=4, network_rounds=4)
NETWORKS = 12
TRUE_NETWORKS = 32
TRUE_ROUNDS = 6
AWHILE_S = 8.0
REFUSED = "refused"
# ends with the benchmark, however that ends
_BUSY = "import os\nhere = os.getppid()\nwhile os.getppid() == here: sum(range(100_000))"
_CORES = os.cpu_count() or 1

Truth = dict[tuple[LayerSpec, ...], float]


@contextmanager
def busy(seconds: float | None) -> Iterator["Busy"]:
    """Processes that can be started in between, and end with the context at the latest."""
    processes = Busy(seconds)
    try:
        yield processes
    finally:
        processes.stop()


class Busy:
    """Busy processes, as many as cores.

    Args:
        seconds: After which they end by themselves; None for never.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start them, once."""
        if self._running:
            return
        command = [sys.executable, "-c", _BUSY]
        self._running = [subprocess.Popen(command) for _ in range(_CORES)]
        if self._seconds is not None:
            threading.Timer(self._seconds, self.stop).start()

    def stop(self) -> None:
        """End them."""
        for process in self._running:
            process.kill()
            process.wait()


def measured(plan: Plan, processes: Busy | None) -> Measured:
    """A plan measured, disturbed from half of it on."""

    def on_progress(task: str, done: float, total: float, note: str = "") -> None:
        del task, total, note
        if processes is not None and done >= plan.visits / 2:
            processes.start()

    with tempfile.TemporaryDirectory() as folder:
        session = Session(TARGET, Path(folder))
        found = measure_plan(
            session, plan, Path(folder) / "log", table=empty_table(TARGET), discipline=DISCIPLINE,
            seed=0, on_progress=on_progress,
        )  # fmt: skip
        session.close()
    return found


def measured_in_quiet(
    networks: Sequence[tuple[LayerSpec, ...]], canary: tuple[LayerSpec, ...]
) -> tuple[Truth, float]:
    """Milliseconds of whole networks, drift divided out; and of the canary."""
    batch = make_batch(
        {f"network{i}": layers for i, layers in enumerate(networks)}, canary=canary,
        rounds=TRUE_ROUNDS, rng=np.random.default_rng(1), first=0, canary_every=4,
    )  # fmt: skip
    visits: dict[int, Samples] = {}

    def on_record(line: str, record: Told) -> None:
        del line
        if isinstance(record, Visit):
            visits[record.visit] = record.samples

    with tempfile.TemporaryDirectory() as folder:
        session = Session(TARGET, Path(folder))
        job = lowered_job(TARGET, batch, name="quiet", seed=0, timing=DISCIPLINE.timing)
        session.run(job, done=(), on_record=on_record)
        session.close()
    usual_ms = review([batch], visits, DISCIPLINE.steadiness).usual_ms
    samples = without_drift(batch, visits, usual_ms)
    found = {batch.models[name]: Measurement(samples[name]).median_ms for name in batch.models}
    return {layers: found[layers] for layers in networks}, usual_ms


def tables(plan: Plan, found: Measured) -> tuple[dict[str, LatencyTable | None], int]:
    """What comes of the same measurement with all of the discipline, with part of it, without.

    Also how many models lack steady visits, which a profile that is not refused says as a warning.
    """

    def table(batches: Sequence[Batch], canary_ms: float) -> LatencyTable:
        part = dataclasses.replace(plan, batches=tuple(batches))
        return extend(empty_table(TARGET), part, found.visits, canary_ms=canary_ms)

    limits = DISCIPLINE.steadiness
    seen = review(found.batches, found.visits, limits)
    planned = review(plan.batches, found.visits, limits)
    anything = dataclasses.replace(limits, max_unsettled=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsteadyWarning)
        kept, stability = settled(plan, found.batches, seen, limits=anything, device="host")
        try:
            settled(plan, found.batches, seen, limits=limits, device="host")
            disciplined = table(kept, seen.usual_ms)
        except UnstableError as error:
            print(f"  {error}")
            disciplined = None
    blind = [
        Batch(batch.models, tuple(one for one in batch.visits if one[1] != CANARY))
        for batch in plan.batches
    ]
    made = {
        "disciplined": disciplined,
        "if not refused": table(kept, seen.usual_ms),
        "not measured again": table(plan.batches, planned.usual_ms),
        "without canary": table(blind, planned.usual_ms),
    }
    return made, stability.unsettled


def errors(table: LatencyTable | None, true: Truth, canary_ms: float) -> dict[str, float] | str:
    """Mean absolute error in percent; of milliseconds, and of ratios to the canary."""
    if table is None:
        return REFUSED
    off = np.array([table.network_ms(layers) / ms for layers, ms in true.items()])
    level = canary_ms / table.canary_ms
    return {
        "ms": round(100 * float(np.mean(np.abs(off - 1))), 2),
        "to_canary": round(100 * float(np.mean(np.abs(off * level - 1))), 2),
    }


def repetition(plan: Plan, networks: Sequence[tuple[LayerSpec, ...]]) -> dict[str, Any]:
    """One time all of it; errors of each table by how it came about."""
    true, canary_ms = measured_in_quiet(networks, plan.canary)
    result: dict[str, Any] = {"canary_ms": canary_ms}
    for name, seconds in (("undisturbed", 0.0), ("for a while", AWHILE_S), ("to the end", None)):
        start = time.perf_counter()
        with busy(seconds) as processes:
            found = measured(plan, None if name == "undisturbed" else processes)
        seen = review(found.batches, found.visits, DISCIPLINE.steadiness)
        made, unsettled = tables(plan, found)
        result[name] = {
            "wall_s": round(time.perf_counter() - start, 1),
            "visits": len(found.visits),
            "stretches": len(seen.stretches),
            "drifted": len(seen.drifted),
            "unsettled": unsettled,
            **{way: errors(one, true, canary_ms) for way, one in made.items()},
        }
        print(f"  {name}: {result[name]}", flush=True)
    return result


def summary(repetitions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median errors over repetitions, and their ratios to those of undisturbed profiles."""
    found: dict[str, Any] = {}
    for name in ("undisturbed", "for a while", "to the end"):
        for way in ("disciplined", "if not refused", "not measured again", "without canary"):
            each = [one[name][way] for one in repetitions if one[name][way] != REFUSED]
            row: dict[str, Any] = {"refused": len(repetitions) - len(each)}
            for kind in ("ms", "to_canary") if each else ():
                usual = [one["undisturbed"]["if not refused"][kind] for one in repetitions]
                median = statistics.median(one[kind] for one in each)
                row[kind] = round(median, 2)
                row[f"{kind}_ratio"] = round(median / statistics.median(usual), 2)
            found[f"{name}, {way}"] = row
    return found


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="ofa_mbv3_w1.0")
    parser.add_argument("--resolution", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    space = load_space(given.space, resolutions=[given.resolution])
    plan = make_plan(
        space, [], canary=(), networks=NETWORKS, held_out=0, seed=0, discipline=DISCIPLINE
    )
    rows = space.sample(TRUE_NETWORKS, np.random.default_rng(2))
    networks = [architecture_layers(space, row) for row in rows]
    print(f"{len(plan.layers)} layers, {plan.visits} visits")
    repetitions = []
    for i in range(given.repeats):
        print(f"repetition {i + 1}, load {os.getloadavg()[0]:.1f}", flush=True)
        repetitions.append(repetition(plan, networks))
    found = summary(repetitions)
    for name, row in found.items():
        print(f"{name:36} {row}")
    result = {
        "space": given.space, "resolution": given.resolution, "layers": len(plan.layers),
        "visits": plan.visits, "whole_networks": NETWORKS, "true_networks": TRUE_NETWORKS,
        "busy_processes": _CORES, "summary": found, "repetitions": repetitions,
    }  # fmt: skip
    print(f"written to {_results.write('disturbed_profile', result)}")


if __name__ == "__main__":
    main()
