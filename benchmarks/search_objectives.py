r"""How do strategies fare with three and with five objectives?

Two questions, all objectives expensive, equal evaluations for all strategies. On whole tabulated
spaces, such as NAS-Bench-201 with error, latency and energy: the hypervolume ratio as in
`benchmarks/search_tabular.py`. On the Once-for-All space at five resolutions, 1e19 networks of
which nobody knows the front: the hypervolume of predicted ImageNet accuracy, latency of a
published table, parameters, MACs and peak memory, as a multiple of what random search reaches.

    python -m benchmarks.search_objectives --problem FILE.npz ... --latency TABLE.yaml ... \
        --seeds 5 --evaluations 50 100 200
    python -m benchmarks.search_objectives --problem FILE.npz ... --latency TABLE.yaml ... \
        --strategy random nsga2 nsga3 age_moea moead --population 100 --seeds 5 \
        --evaluations 500 1000 5000 --result search_objectives_many
    python -m benchmarks.search_objectives --problem FILE.npz ... --seeds 5 \
        --strategy random nsga2 surrogate bayesian --evaluations 50 100 200 --result search_bayesian

Hardware: any; hypervolumes hardly depend on the machine. A seed of `surrogate` takes 4 CPU seconds
with three objectives, 16 with five, one of `bayesian` 3 with two.

Expected, medians over 5 seeds. Three objectives of NAS-Bench-201 after 100 and 200 evaluations:
random 0.67 and 0.72, nsga2 0.83 and 0.90, nsga3 0.67 and 0.88, age_moea 0.64 and 0.88, moead 0.69
and 0.87, surrogate 0.92 and 0.96. Five on Once-for-All, as a multiple of random's: surrogate 3.4
and 3.2 after 100 and 200, the others 0.93 to 1.34; with a population of 100 after 5,000
evaluations nsga2 1.27, nsga3 1.49, age_moea 1.62, moead 1.81. `bayesian` beside `surrogate`, two
objectives after 100 and 200 evaluations: 0.91 and 0.92 beside 0.93 and 0.97 on NAS-Bench-201 with
an edge GPU's latency, 0.99 and 1.00 beside 0.99 and 1.00 on NAS-Bench-Macro with parameters.

For Once-for-All, losses are scaled by the least and the largest of 20,000 random networks, and the
reference point is the median of the accuracies and the 90th percentile of the other four, as for
tables.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from benchmarks import _tabular, search_tabular  # noqa: E402
from hwnas import strategies  # noqa: E402
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.estimators import EstimatorContext, create  # noqa: E402
from hwnas.imported_table import ImportedLatencyTable  # noqa: E402
from hwnas.pareto import hypervolume, non_dominated  # noqa: E402
from hwnas.prediction.imagenet import DIRECT_RESOLUTIONS, shipped_predictor  # noqa: E402
from hwnas.protocols import SearchSpace, StrategyProblem  # noqa: E402
from hwnas.published_tables import read_published  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

COSTS = ("latency_ms", "params", "macs", "peak_memory_bytes")
_TYPICAL = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A real space with losses that any network may be asked for.

    Attributes:
        space: Of networks.
        names: Of the objectives.
        losses: Of canonical genes, scaled, shape (networks, objectives).
        reference: Shape (objectives,).
    """

    space: SearchSpace
    names: tuple[str, ...]
    losses: Callable[[IntArray], FloatArray]
    reference: FloatArray


def once_for_all(published: Sequence[Path]) -> Space:
    """The Once-for-All space at the resolutions that the accuracy predictor knows."""
    space = load_space("ofa_mbv3_w1.0", resolutions=list(DIRECT_RESOLUTIONS))
    found = read_published(published)
    table = ImportedLatencyTable(
        device="published", precision="fp32", source=", ".join(path.name for path in published),
        published_as=found.format, runtime="", threads=None, published=(),
        layers=found.layers, contained=found.contained,
    )  # fmt: skip
    context = EstimatorContext(space, tables={"fp32": table})
    estimators = [create(name, context) for name in COSTS]
    predictor = shipped_predictor().bind(space)

    def losses(genes: IntArray) -> FloatArray:
        costs = [estimator.estimate(genes).mean for estimator in estimators]
        return np.stack([-predictor.mean(genes), *costs], axis=1)

    typical = losses(space.sample(_TYPICAL, np.random.default_rng(0)))
    low, span = typical.min(axis=0), np.ptp(typical, axis=0)
    scaled = (typical - low) / span
    return Space(
        space=space,
        names=("accuracy", *COSTS),
        losses=lambda genes: (losses(genes) - low) / span,
        reference=np.append(np.median(scaled[:, 0]), np.quantile(scaled[:, 1:], 0.9, axis=0)),
    )


def dominated(
    problem: Space, strategy: str, *, seed: int, population: int, evaluations: Sequence[int]
) -> tuple[list[float], float]:
    """Hypervolumes after each number of evaluations, and CPU seconds of the search."""
    started = time.process_time()
    searching = strategies.create(
        strategy,
        StrategyProblem(
            problem.space.cardinalities, problem.space.canonical, objectives=len(problem.names),
            budgets=0, seed=seed, batch=population,
        ),
    )  # fmt: skip
    found = np.zeros((0, len(problem.names)))
    while len(found) < max(evaluations):
        genes = searching.ask()
        losses = problem.losses(genes)
        searching.tell(genes, losses, np.zeros((len(genes), 0)))
        found = np.concatenate([found, losses])
    seconds = time.process_time() - started
    fronts = [found[:n][non_dominated(found[:n])] for n in evaluations]
    return [hypervolume(front, problem.reference) for front in fronts], seconds


Search = Callable[[str, int], tuple[list[float], float]]
"""From a strategy and a seed to figures after each number of evaluations, and CPU seconds."""


def compare(
    name: str, search: Search, arguments: argparse.Namespace, *, against: str = ""
) -> dict[str, Any]:
    """All strategies on one problem, printed and as plain data.

    Args:
        name: Of the problem.
        search: Of one strategy with one seed.
        arguments: Of the command.
        against: The strategy whose median is 1; none where figures are ratios already.
    """
    runs = {
        strategy: [search(strategy, seed) for seed in range(arguments.seeds)]
        for strategy in arguments.strategy
    }
    figures = {strategy: np.array([r for r, _ in each]) for strategy, each in runs.items()}
    unit = np.median(figures[against], axis=0) if against else np.ones(1)
    print(name)
    found = {}
    for strategy, values in figures.items():
        low, median, high = np.quantile(values / unit, [0.25, 0.5, 0.75], axis=0).round(3).tolist()
        cpu_s = round(float(np.median([seconds for _, seconds in runs[strategy]])), 1)
        found[strategy] = {"median": median, "quartiles": [low, high], "cpu_s_a_seed": cpu_s}
        cells = [f"{m:.3f} ({a:.3f}-{b:.3f})" for a, m, b in zip(low, median, high, strict=True)]
        print(f"  {strategy:24}" + "".join(f"{c:>22}" for c in cells) + f"{cpu_s:8.1f} CPU s")
    return found


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--problem", type=Path, nargs="*", default=[], metavar="FILE", help="whole spaces, .npz"
    )
    parser.add_argument(
        "--latency", type=Path, nargs="*", default=[], metavar="FILE",
        help="published latency table of one device; without it, Once-for-All is left out",
    )  # fmt: skip
    parser.add_argument(
        "--strategy", nargs="+", metavar="NAME", choices=strategies.names(),
        default=["random", "nsga2", "nsga3", "age_moea", "moead", "surrogate"],
        help="of " + ", ".join(strategies.names()) + "; random has to be among them",
    )  # fmt: skip
    parser.add_argument(
        "--evaluations", type=int, nargs="+", default=[100, 200, 500], help="where to look"
    )
    parser.add_argument("--seeds", type=int, default=10, help="searches of each strategy")
    parser.add_argument("--population", type=int, default=20, help="proposed at a time")
    parser.add_argument("--result", default="search_objectives", help="name of the result file")
    arguments = parser.parse_args()
    if "random" not in arguments.strategy:
        parser.error("--strategy has to name random, which the others are compared with")

    options = {"population": arguments.population, "evaluations": arguments.evaluations}
    result: dict[str, Any] = {"seeds": arguments.seeds, **options, "tabulated": {}}
    print(" " * 26 + "".join(f"{f'{n} evaluations':>22}" for n in arguments.evaluations))
    for path in arguments.problem:
        table = _tabular.load(path)

        def tabulated(
            strategy: str, seed: int, table: _tabular.Table = table
        ) -> tuple[list[float], float]:
            return search_tabular.search(table, strategy, seed=seed, cheap=(), **options)

        title = f"{table.name}: {', '.join(table.names)}; hypervolume ratio"
        result["tabulated"][table.name] = {
            "objectives": table.names,
            "file": table.digest,
            "hypervolume_ratio": compare(title, tabulated, arguments),
        }
    if arguments.latency:
        problem = once_for_all(arguments.latency)
        title = f"ofa_mbv3_w1.0: {', '.join(problem.names)}; multiple of random's hypervolume"
        result["ofa_mbv3_w1.0"] = {
            "objectives": problem.names,
            "latency": [path.name for path in arguments.latency],
            "of_random": compare(
                title,
                lambda strategy, seed: dominated(problem, strategy, seed=seed, **options),
                arguments,
                against="random",
            ),
        }
    print(f"written to {_results.write(arguments.result, result)}")


if __name__ == "__main__":
    main()
