"""How much more of the front does NSGA-II find than random search, at equal evaluations?

Question: the share of hypervolume that each strategy reaches after 50, 100, 200 and 500
evaluations, over 10 seeds: on whole tabulated spaces given as files (`--problem`), and on the
Once-for-All space, where nothing needs a file.

    python -m benchmarks.nsga2_vs_random [--problem FILE.npz ...]

Hardware: any; it takes about ten CPU seconds, and the figures do not depend on the machine.

Expected, median (quartiles) at 500 evaluations, population 20: on NAS-Bench-201 with edge-GPU
latency 0.97 (0.97-0.98) against 0.87 (0.85-0.90) of random search, with Raspberry Pi 4 latency
0.94 (0.93-0.96) against 0.83 (0.82-0.84), on NAS-Bench-Macro 1.00 (1.00-1.00) against 0.87
(0.86-0.90), on the Once-for-All space 0.77 (0.76-0.82) against 0.65 (0.64-0.68); better for all
10 seeds. At 50 evaluations, hardly more than two populations, better for 7 to 9 of them.

A problem file holds `genes` (N, G), `cardinalities` (G,), `objectives` (N, M) minimised. Each
objective is scaled to [0, 1] by its minimum and maximum in the file; the reference point is the
median of the first and the 90th percentile of the others; 1 is the hypervolume of the file's own
front. On the Once-for-All space the objectives are fewest MACs, least peak memory and, as a
stand-in for accuracy that costs nothing, most parameters; scaled by the space's extremes, whose
worst corner is the reference point, and 1 is the whole box, which no front fills.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from benchmarks import _tabular  # noqa: E402
from benchmarks._scaled_losses import between_extremes  # noqa: E402
from hwnas import strategies  # noqa: E402
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.estimators import EstimatorContext  # noqa: E402
from hwnas.pareto import hypervolume  # noqa: E402
from hwnas.protocols import StrategyProblem  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

STRATEGIES = ("random", "nsga2")


@dataclass(frozen=True)
class Problem:
    """Something to search.

    Attributes:
        name: As it stands in the results.
        cardinalities: Shape (genes,).
        canonical: As a search space's.
        losses: Scaled losses of genes, shape (architectures, objectives); NaN where there is
            no such architecture.
        reference: The reference point, shape (objectives,).
        whole: The hypervolume that counts as 1.
    """

    name: str
    cardinalities: IntArray
    canonical: Callable[[IntArray], IntArray]
    losses: Callable[[IntArray], FloatArray]
    reference: FloatArray
    whole: float


def tabular(path: Path) -> Problem:
    """A whole space from a file."""
    table = _tabular.load(path)
    scaled = np.concatenate([table.scaled, np.full((1, len(table.names)), np.nan)])
    return Problem(
        table.name, table.cardinalities, np.asarray, lambda genes: scaled[table.rows(genes)],
        table.reference, table.whole,
    )  # fmt: skip


def once_for_all() -> Problem:
    """Parameters against MACs and peak memory in a real space."""
    space = load_space("ofa_mbv3_w1.0")
    losses = between_extremes(EstimatorContext(space), ("params", "macs", "peak_memory_bytes"))
    return Problem(
        "ofa_mbv3_w1.0: params, macs, peak_memory_bytes", space.cardinalities, space.canonical,
        losses, np.ones(3), 1.0,
    )  # fmt: skip


def shares(
    problem: Problem, strategy: str, *, seed: int, population: int, evaluations: Sequence[int]
) -> list[float]:
    """Hypervolume after each number of evaluations, as a share of the whole."""
    searching = strategies.create(
        strategy,
        StrategyProblem(
            problem.cardinalities, problem.canonical, len(problem.reference), 0, seed, population
        ),
    )
    found = np.zeros((0, len(problem.reference)))
    while len(found) < max(evaluations):
        genes = searching.ask()
        if len(genes) == 0:
            break
        losses = problem.losses(genes)
        exists = ~np.isnan(losses).any(axis=1)
        found = np.concatenate([found, losses[exists]])
        searching.tell(genes, np.where(exists[:, None], losses, 1.0), np.zeros((len(genes), 0)))
    return [hypervolume(found[:n], problem.reference) / problem.whole for n in evaluations]


def compare(problem: Problem, arguments: argparse.Namespace) -> dict[str, object]:
    """Both strategies on one problem, printed and as plain data."""
    rows: dict[str, object] = {}
    reached = {}
    for strategy in STRATEGIES:
        reached[strategy] = np.array([
            shares(
                problem, strategy, seed=seed, population=arguments.population,
                evaluations=arguments.evaluations,
            )
            for seed in range(arguments.seeds)
        ])  # fmt: skip
        low, median, high = np.quantile(reached[strategy], [0.25, 0.5, 0.75], axis=0).round(3)
        rows[strategy] = {"median": median.tolist(), "quartiles": [low.tolist(), high.tolist()]}
        cells = [f"{m:.3f} ({a:.3f}-{b:.3f})" for a, m, b in zip(low, median, high, strict=True)]
        print(f"{problem.name[:28]:28} {strategy:8}" + "".join(f"{cell:>22}" for cell in cells))
    better = (reached["nsga2"] > reached["random"]).sum(axis=0)
    rows["seeds_where_nsga2_is_better"] = better.tolist()
    cells = [f"{count} of {arguments.seeds}" for count in better]
    print(f"{'':28} better  " + "".join(f"{cell:>22}" for cell in cells))
    return rows


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--evaluations", type=int, nargs="+", default=[50, 100, 200, 500])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--population", type=int, default=20)
    arguments = parser.parse_args()

    heads = [f"{n} evaluations" for n in arguments.evaluations]
    print(" " * 37 + "".join(f"{head:>22}" for head in heads))
    problems = [*map(tabular, arguments.problem), once_for_all()]
    result = {
        "evaluations": arguments.evaluations,
        "seeds": arguments.seeds,
        "population": arguments.population,
        "share_of_hypervolume": {p.name: compare(p, arguments) for p in problems},
    }
    print(f"written to {_results.write('nsga2_vs_random', result)}")


if __name__ == "__main__":
    main()
