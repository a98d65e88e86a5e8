"""What do workers gain where an evaluation takes a second, and is the result the same?

Question: a search whose evaluations take a second each, one after another, with two local
workers, and with two workers on a Ray cluster of this machine: is the log the same to the last
byte, and how much sooner does it end?

    python -m benchmarks.search_parallel [--busy]

Hardware: any with two cores; it takes about four minutes. An evaluation sleeps, so that the figures
say what the search adds and not how many cores are free; with `--busy` it computes as long
(CPU seconds of its process), and two workers need two free cores.

Expected: the same bytes, and a speed-up of 1.9 with two workers, local or on Ray. What is left of 2
is the start of the workers (half a second of CPU each), and the end of each batch,
when a worker waits because the strategy proposes no more before it was told.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from hwnas import extras  # noqa: E402
from hwnas.catalog import IntArray, total  # noqa: E402
from hwnas.estimators import EstimatorContext, create  # noqa: E402
from hwnas.problem import Objective  # noqa: E402
from hwnas.protocols import Estimate, Estimator, SearchSpace  # noqa: E402
from hwnas.search import Run, RunConfig, executors, search  # noqa: E402
from hwnas.search.executors import ExecutorContext, Recipe  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

ACCURACY = Objective("accuracy", "%", "accuracy", maximise=True)
WAYS = {"serial": 1, "local": 2, "ray": 2}


@dataclass
class Slow:
    """A stand-in for accuracy that grows with the layers' sizes, and takes its time."""

    space: SearchSpace
    seconds: float
    busy: bool
    objective: Objective = ACCURACY
    cheap: bool = False

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for genes of shape (architectures, genes)."""
        if self.busy:
            end = time.process_time() + self.seconds
            while time.process_time() < end:
                np.linalg.svd(np.ones((32, 32)))
        else:
            time.sleep(self.seconds)
        return Estimate(total(np.log1p(self.space.catalog.params), self.space.layer_indices(genes)))


def slow_estimators(seconds: str, busy: str) -> tuple[SearchSpace, Sequence[Estimator]]:
    """What a worker builds."""
    space = load_space("mbv3_small_32")
    return space, [Slow(space, float(seconds), busy == "busy")]


def searched(folder: Path, executor: str, arguments: argparse.Namespace) -> tuple[float, bytes]:
    """Seconds that a search takes, and its log."""
    recipe = Recipe(
        "benchmarks.search_parallel:slow_estimators",
        (str(arguments.seconds), "busy" if arguments.busy else "asleep"),
    )
    space, expensive = slow_estimators(*recipe.arguments)
    cost = create("macs", EstimatorContext(space))
    config = RunConfig(
        space.definition(), (ACCURACY, cost.objective), population=arguments.population,
        evaluations=arguments.evaluations,
    )  # fmt: skip
    run = Run.create(folder / executor, config)
    context = ExecutorContext(
        lambda: (space, expensive), recipe, WAYS[executor], ray_address="auto"
    )
    begun = time.perf_counter()
    with closing(executors.create(executor, context)) as workers:
        search(run, [*expensive, cost], executor=workers)
    return time.perf_counter() - begun, run.log_path.read_bytes()


def main() -> None:
    """Run it and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of an evaluation")
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--population", type=int, default=20)
    parser.add_argument("--busy", action="store_true", help="compute instead of sleeping")
    arguments = parser.parse_args()
    # workers of a cluster import this module too
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])
    ways = [way for way in WAYS if way != "ray" or extras.installed("ray")]
    if "ray" in ways:
        os.environ["RAY_AUTH_MODE"] = "disabled"  # else Ray leaves a token in the home directory
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    rows: dict[str, object] = {}
    kind = "computes" if arguments.busy else "sleeps"
    print(f"{arguments.evaluations} evaluations; each {kind} {arguments.seconds:g} s")
    with tempfile.TemporaryDirectory() as folder:
        found = {way: searched(Path(folder), way, arguments) for way in ways}
    serial_s, serial_log = found["serial"]
    for way, (seconds, log) in found.items():
        same, faster = log == serial_log, serial_s / seconds
        rows[way] = {
            "workers": WAYS[way], "seconds": round(seconds, 2), "speed_up": round(faster, 2),
            "same_log": same,
        }  # fmt: skip
        print(f"{way:8} {WAYS[way]} worker(s) {seconds:7.1f} s  {faster:5.2f}x  same log: {same}")
    name = f"search_parallel{'_busy' if arguments.busy else ''}"
    print(f"written to {_results.write(name, {**vars(arguments), 'ways': rows})}")


if __name__ == "__main__":
    main()
