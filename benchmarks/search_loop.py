"""What does the whole search loop cost beside the strategy, where all objectives are cheap?

Question: architectures per CPU second of a strategy with its estimators alone, and of a whole
search of the same length: budgets judged, hypervolume followed, every evaluation logged, the front
written.

    python -m benchmarks.search_loop

Hardware: any; one thread. Space ofa_mbv3_w1.0, MACs and parameters, no budgets.

Expected: the loop adds less CPU time than NSGA-II with its estimators takes: a ratio below 2 (1.9
here, 35,000 architectures a CPU second). Random search costs so little that it is 3.3 there.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from hwnas.estimators import EstimatorContext, create  # noqa: E402
from hwnas.protocols import Estimator, SearchSpace  # noqa: E402
from hwnas.search import Run, RunConfig, search  # noqa: E402
from hwnas.search.told import fresh_strategy  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402


def alone(space: SearchSpace, config: RunConfig, estimators: Sequence[Estimator]) -> float:
    """CPU seconds of the strategy and its estimators."""
    strategy = fresh_strategy(space, config, estimators)
    begun, done = time.process_time(), 0
    while done < config.evaluations:
        genes = strategy.ask()
        losses = np.stack([each.estimate(genes).mean for each in estimators], axis=1)
        strategy.tell(genes, losses, np.zeros((len(genes), 0)))
        done += len(genes)
    return time.process_time() - begun


def whole(config: RunConfig, estimators: Sequence[Estimator]) -> tuple[float, float]:
    """CPU seconds of a search, and of reading its run again."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", config)
        begun = time.process_time()
        search(run, estimators)
        ended = time.process_time()
        Run.open(run.directory)
        return ended - begun, time.process_time() - ended


def main() -> None:
    """Run it and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strategy", nargs="+", default=["nsga2", "random"])
    parser.add_argument("--evaluations", type=int, default=20_000)
    parser.add_argument("--population", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    space = load_space("ofa_mbv3_w1.0")
    estimators = [create(name, EstimatorContext(space)) for name in ("macs", "params")]
    rows: dict[str, object] = {}
    print(f"{arguments.evaluations:,} architectures, population {arguments.population:,}")
    for strategy in arguments.strategy:
        config = RunConfig(
            space.definition(), tuple(each.objective for each in estimators), strategy=strategy,
            population=arguments.population, evaluations=arguments.evaluations,
        )  # fmt: skip
        seconds = np.array([
            (alone(space, config, estimators), *whole(config, estimators))
            for _ in range(arguments.repeats)
        ])  # fmt: skip
        bare_s, whole_s, read_s = np.median(seconds, axis=0)
        rows[strategy] = {
            "strategy_per_cpu_s": round(arguments.evaluations / bare_s),
            "search_per_cpu_s": round(arguments.evaluations / whole_s),
            "ratio": round(whole_s / bare_s, 2),
            "read_again_per_cpu_s": round(arguments.evaluations / read_s),
        }
        print(
            f"{strategy:10} alone {arguments.evaluations / bare_s:>9,.0f} a CPU second, whole "
            f"search {arguments.evaluations / whole_s:>9,.0f}; {whole_s / bare_s:.2f} times as "
            f"long; read again {arguments.evaluations / read_s:>9,.0f}"
        )
    print(f"written to {_results.write('search_loop', {**vars(arguments), 'strategies': rows})}")


if __name__ == "__main__":
    main()
