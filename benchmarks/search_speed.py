"""How many architectures per CPU second does a search propose, compare and learn from?

Question: the whole ask, evaluate, tell loop of each strategy on the Once-for-All space with two
cheap objectives (most parameters, fewest MACs), one thread, duplicates of all generations
eliminated; beside pymoo's own NSGA-II, and Once-for-All's evolution where the package `ofa` is
installed; how it scales with the population; and five objectives at once.

    python -m benchmarks.search_speed

Hardware: any, and quiet: CPU seconds of a shared core vary. The ratios within a run tell more.

Expected: `nsga2` at a population of 1,000 makes 150,000 (147,000 to 159,000 in five repeats)
architectures a CPU second, pymoo's 7,000, Once-for-All's evolution 27,000; at populations of 100
and 10,000 it is 96,000 and 154,000; with five objectives, at 100, 60,000. Two cores that others
kept busy at the same time: a quiet machine is faster.

The hypervolume, after equal evaluations, shows that speed is not bought with worse search: its
share of the box between the extremes of the space. Once-for-All's evolution has one objective
and a bound, keeps duplicates, and is given stand-ins that cost less than any predictor. DyNAS-T,
which drives pymoo's NSGA-II, is not in it: it needs fairseq, which Python 3.11 cannot import.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from benchmarks._scaled_losses import between_extremes  # noqa: E402
from benchmarks._search_peers import once_for_all_evolution, pymoo_nsga2  # noqa: E402
from benchmarks.evaluation_speed import invented_table  # noqa: E402
from hwnas import strategies  # noqa: E402
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.devices import load_device  # noqa: E402
from hwnas.estimators import EstimatorContext  # noqa: E402
from hwnas.pareto import hypervolume, non_dominated  # noqa: E402
from hwnas.protocols import SearchSpace, StrategyProblem  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

TWO = ("params", "macs")
FIVE = ("params", "macs", "peak_memory_bytes", "latency_ms", "energy_mj")
STRATEGIES = ("nsga2", "random", "regularized_evolution", "age_moea", "moead", "nsga3")


def losses_of(space: SearchSpace, names: Sequence[str]) -> Callable[[IntArray], FloatArray]:
    """Losses in [0, 1] by the extremes of the space; parameters stand in for accuracy."""
    context = EstimatorContext(
        space, device=load_device("host"), tables={"fp32": invented_table(space)}
    )
    return between_extremes(context, names)


def volume(losses: FloatArray) -> float:
    """The share of the box between the extremes that a front dominates."""
    front = np.unique(losses[non_dominated(losses)], axis=0)
    return round(hypervolume(front, np.ones(losses.shape[1])), 3)


def timed(
    name: str,
    space: SearchSpace,
    losses: Callable[[IntArray], FloatArray],
    *,
    objectives: int,
    population: int,
    evaluations: int,
) -> dict[str, float]:
    """One search: architectures per CPU second, and the hypervolume it ends with."""
    problem = StrategyProblem(
        space.cardinalities, space.canonical, objectives, 0, seed=0, batch=population
    )
    strategy, found = strategies.create(name, problem), []
    start, proposed = time.process_time(), 0
    while proposed < evaluations:
        # as in the search loop, which does not trust a strategy with what is canonical
        genes = space.canonical(strategy.ask())
        found.append(losses(genes))
        strategy.tell(genes, found[-1], np.zeros((len(genes), 0)))
        proposed += len(genes)
    rate = proposed / (time.process_time() - start)
    return {"per_cpu_s": round(rate), "hypervolume": volume(np.concatenate(found))}


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5, help="of nsga2 at a population of 1,000")
    parser.add_argument("--population", type=int, nargs="+", default=[100, 1_000, 10_000])
    arguments = parser.parse_args()
    evaluations = arguments.evaluations

    space = load_space("ofa_mbv3_w1.0")
    two, five = losses_of(space, TWO), losses_of(space, FIVE)
    search = {"objectives": 2, "population": 1_000, "evaluations": evaluations}
    result: dict[str, Any] = {**search, "strategies": {}, "peers": {}, "populations": {}}

    print(f"{'':34}{'architectures per CPU s':>24}{'hypervolume':>13}")
    runs = [timed("nsga2", space, two, **search) for _ in range(arguments.repeats)]
    result["nsga2_per_cpu_s"] = sorted(run["per_cpu_s"] for run in runs)
    for name in STRATEGIES:
        # pymoo's loop takes a tenth of the evaluations, to end in seconds too
        size = search if name != "nsga3" else {**search, "evaluations": evaluations // 10}
        result["strategies"][name] = timed(name, space, two, **size)
        _print(name, result["strategies"][name])
    result["peers"] = peers(space, two, evaluations // 5)
    for population in arguments.population:
        count = max(evaluations, 10 * population)
        row = timed("nsga2", space, two, objectives=2, population=population, evaluations=count)
        result["populations"][population] = row
        _print(f"nsga2, population {population:,}", row)
    result["five"] = {}
    for name in ("random", "nsga2", "age_moea", "nsga3"):
        row = timed(name, space, five, objectives=5, population=100, evaluations=2_000)
        result["five"][name] = row
        _print(f"{name}, five objectives", row)
    print(f"nsga2 at 1,000, {arguments.repeats} times: {result['nsga2_per_cpu_s']} a CPU second")
    print(f"written to {_results.write('search_speed', result)}")


def peers(
    space: SearchSpace, losses: Callable[[IntArray], FloatArray], evaluations: int
) -> dict[str, Any]:
    """Other packages' loops at a population of 1,000, and ours for as many evaluations."""
    generations = evaluations // 1_000
    count, spent, seen = pymoo_nsga2(
        losses, space.cardinalities, population=1_000, generations=generations
    )
    rows: dict[str, Any] = {
        "nsga2": timed("nsga2", space, losses, objectives=2, population=1_000, evaluations=count),
        "pymoo_nsga2": {"per_cpu_s": round(count / spent), "hypervolume": volume(seen)},
    }
    _print(f"nsga2, {count:,} evaluations", rows["nsga2"])
    _print("pymoo's NSGA-II, as many", rows["pymoo_nsga2"])
    finished = once_for_all_evolution(population=1_000, generations=generations)
    rows["once_for_all"] = finished and {"per_cpu_s": round(finished[0] / finished[1])}
    shown = f"{rows['once_for_all']['per_cpu_s']:,}" if finished else "not installed"
    print(f"{'Once-for-All evolution':34}{shown:>24}")
    return rows


def _print(name: str, row: dict[str, float]) -> None:
    print(f"{name:34}{row['per_cpu_s']:>24,.0f}{row['hypervolume']:>13.3f}", flush=True)


if __name__ == "__main__":
    main()
