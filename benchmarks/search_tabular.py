"""How much of the front does each strategy find with few evaluations?

Question: the hypervolume ratio that strategies reach after 50, 100, 200 and 500 evaluations on
whole tabulated spaces, over 20 seeds: with all objectives expensive, and, with `--cheap`, with
only those counted that are not named there while the others may be asked of any architecture,
as latency from a table, parameters and MACs may.

    python -m benchmarks.search_tabular --problem FILE.npz ... [--strategy NAME ...]
        [--cheap latency_ms,params,macs,energy_mj]

Hardware: any; the ratios hardly depend on the machine. One seed of `surrogate` up to 200
evaluations takes 1 to 3 CPU seconds.

Expected of `surrogate`, median over 20 seeds at 100 and 200 evaluations, on NAS-Bench-201 with
latency of an edge GPU, a Raspberry Pi 4 and a Pixel 3, and on NAS-Bench-Macro with parameters: all
expensive 0.94 and 0.97, 0.85 and 0.92, 0.87 and 0.93, 0.99 and 1.00; with latency or parameters
cheap 0.96 and 0.99, 0.87 and 0.94, 0.90 and 0.96, 0.99 and 1.00.
After 500, medians of 3 seeds alone (`--seeds 3 --result search_tabular_500`, and `_cheap_500`): all
expensive 1.00, 0.97, 0.96 and 1.00, for 8 to 12 CPU seconds a seed; cheap 1.00, 0.97, 0.98 and
1.00, for 5 to 7.

Expected of `nsga2`, all expensive, median over 200 seeds at 50, 100, 200 and 500 (`--strategy nsga2
--seeds 200 --result search_tabular_nsga2`): 0.70, 0.85, 0.93, 0.97; 0.67, 0.78, 0.86, 0.93; 0.67,
0.80, 0.88, 0.95; 0.78, 0.90, 0.97, 1.00. Medians of 20 seeds vary by 0.01 and more around these.

A run that was stopped goes on where it was: each finished seed is a line of the log, which is
used again as long as file, options and the strategies' source are the same. A problem file
and the ratio are described in `benchmarks/_tabular.py`.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from benchmarks import _tabular  # noqa: E402
from hwnas import strategies  # noqa: E402
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.protocols import KnownLosses, StrategyProblem  # noqa: E402

# medians over 20 seeds at 50, 100, 200 and 500 evaluations, measured by others, all expensive
PUBLISHED_AT = (50, 100, 200, 500)
PUBLISHED: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "nb201_cifar10_edgegpu": {
        "random": (0.59, 0.73, 0.81, 0.88),
        "pymoo NSGA-II, 20": (0.61, 0.79, 0.91, 0.94),
        "Pareto local search": (0.60, 0.78, 0.92, 0.97),
    },
    "nb201_cifar10_raspi4": {
        "random": (0.66, 0.73, 0.77, 0.84),
        "pymoo NSGA-II, 20": (0.58, 0.73, 0.83, 0.89),
        "Pareto local search": (0.54, 0.68, 0.82, 0.92),
    },
    "nb201_cifar10_pixel3": {
        "random": (0.62, 0.72, 0.77, 0.84),
        "pymoo NSGA-II, 20": (0.61, 0.75, 0.87, 0.92),
        "Pareto local search": (0.57, 0.67, 0.83, 0.92),
    },
    "nbmacro_params": {
        "random": (0.62, 0.72, 0.78, 0.88),
        "pymoo NSGA-II, 20": (0.73, 0.84, 0.97, 0.98),
        "Pareto local search": (0.74, 0.88, 0.98, 0.995),
    },
}


def known_losses(table: _tabular.Table, cheap: Sequence[str]) -> KnownLosses | None:
    """What costs nothing to know; None when all is expensive."""
    columns = tuple(j for j, name in enumerate(table.names) if name in cheap)
    if not columns:
        return None

    def of(genes: IntArray) -> tuple[FloatArray, FloatArray]:
        return table.losses(genes)[:, columns], np.zeros((len(genes), 0))

    return KnownLosses(columns, (), of)


def search(
    table: _tabular.Table,
    strategy: str,
    *,
    seed: int,
    population: int,
    evaluations: Sequence[int],
    cheap: Sequence[str],
) -> tuple[list[float], float]:
    """Hypervolume ratios after each number of evaluations, and CPU seconds."""
    started = time.process_time()
    searching = strategies.create(
        strategy,
        StrategyProblem(
            cardinalities=table.cardinalities,
            canonical=np.asarray,
            objectives=len(table.names),
            budgets=0,
            seed=seed,
            batch=population,
            known=known_losses(table, cheap),
        ),
    )
    found = np.zeros(0, dtype=np.int64)
    while len(found) < max(evaluations):
        genes = searching.ask()
        if len(genes) == 0:
            break
        rows = table.rows(genes)
        found = np.concatenate([found, rows[rows >= 0]])
        if len(found) < max(evaluations):
            searching.tell(genes, table.losses(genes), np.zeros((len(genes), 0)))
    return [table.ratio(found[:n]) for n in evaluations], time.process_time() - started


class Log:
    """Finished seeds, one line each, so that a stopped benchmark goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
            # the last line of a killed run may be cut off
            if line.endswith("\n"):
                entry = json.loads(line)
                self._lines[entry["key"]] = entry

    def get(self, key: str) -> dict[str, Any] | None:
        """What was logged under a key."""
        return self._lines.get(key)

    def add(self, key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Log an entry, at once."""
        self._lines[key] = {"key": key, **entry}
        text = self._path.read_text() if self._path.exists() else ""
        with self._path.open("a") as file:
            # a line cut off is ended first
            file.write("" if text.endswith("\n") or not text else "\n")
            file.write(json.dumps(self._lines[key]) + "\n")
        return self._lines[key]


def reached(
    table: _tabular.Table, strategy: str, arguments: argparse.Namespace, log: Log
) -> tuple[FloatArray, float]:
    """Ratios of all seeds, shape (seeds, evaluations), and median CPU seconds of a seed."""
    cheap = [name for name in table.names if name in arguments.cheap]
    entries = []
    for seed in range(arguments.seeds):
        key = json.dumps([
            table.digest, strategy, _source(), seed, arguments.population,
            arguments.evaluations, cheap,
        ])  # fmt: skip
        entry = log.get(key)
        if entry is None:
            found, cpu_s = search(
                table, strategy, seed=seed, population=arguments.population,
                evaluations=arguments.evaluations, cheap=cheap,
            )  # fmt: skip
            entry = log.add(key, {"ratios": found, "cpu_s": cpu_s})
        entries.append(entry)
    ratios = np.array([entry["ratios"] for entry in entries])
    return ratios, float(np.median([entry["cpu_s"] for entry in entries]))


def compare(table: _tabular.Table, arguments: argparse.Namespace, log: Log) -> dict[str, Any]:
    """All strategies on one problem, printed and as plain data."""
    cheap = [name for name in table.names if name in arguments.cheap]
    print(f"{table.name}: {', '.join(table.names)}" + f"; cheap: {', '.join(cheap) or 'none'}")
    found: dict[str, Any] = {"objectives": table.names, "cheap": cheap, "file": table.digest}
    for strategy in arguments.strategy:
        ratios, cpu_s = reached(table, strategy, arguments, log)
        low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75], axis=0).round(3).tolist()
        found[strategy] = {
            "median": median, "quartiles": [low, high], "cpu_s_a_seed": round(cpu_s, 1)
        }  # fmt: skip
        cells = [f"{m:.3f} ({a:.3f}-{b:.3f})" for a, m, b in zip(low, median, high, strict=True)]
        print(f"  {strategy:24}" + "".join(f"{c:>22}" for c in cells) + f"{cpu_s:8.1f} CPU s")
    if not cheap:
        for name, medians in PUBLISHED.get(table.name, {}).items():
            at = dict(zip(PUBLISHED_AT, medians, strict=True))
            cells = [f"{at[n]:.3f}" if n in at else "" for n in arguments.evaluations]
            print(f"  {name:24}" + "".join(f"{c:>22}" for c in cells) + "   published")
    return found


def _source() -> str:
    """Of the strategies' code: other code, other results."""
    paths = sorted(Path(strategies.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="Results go to benchmarks/results/search_tabular.json, or "
        "search_tabular_cheap.json with --cheap.",
    )
    parser.add_argument(
        "--problem", type=Path, nargs="+", required=True, metavar="FILE", help="whole spaces, .npz"
    )
    parser.add_argument(
        "--strategy", nargs="+", default=["random", "nsga2", "surrogate"], metavar="NAME",
        choices=strategies.names(), help="of " + ", ".join(strategies.names()),
    )  # fmt: skip
    parser.add_argument(
        "--evaluations", type=int, nargs="+", default=[50, 100, 200, 500], help="where to look"
    )
    parser.add_argument("--seeds", type=int, default=20, help="searches of each strategy")
    parser.add_argument(
        "--population", type=int, default=20, help="architectures proposed at a time"
    )
    parser.add_argument(
        "--cheap", type=lambda text: text.split(","), default=[], metavar="NAME,...",
        help="objectives that cost nothing to know; names that a file lacks are passed over",
    )  # fmt: skip
    parser.add_argument(
        "--result", metavar="NAME", help="stem of the result's file, where it is to be another"
    )
    parser.add_argument(
        "--log", type=Path, default=Path("runs/search_tabular.jsonl"), metavar="FILE",
        help="finished seeds, used again by the next run",
    )  # fmt: skip
    arguments = parser.parse_args()

    log = Log(arguments.log)
    print(" " * 26 + "".join(f"{f'{n} evaluations':>22}" for n in arguments.evaluations))
    problems = {}
    for path in arguments.problem:
        table = _tabular.load(path)
        problems[table.name] = compare(table, arguments, log)
    result = {
        "evaluations": arguments.evaluations,
        "seeds": arguments.seeds,
        "population": arguments.population,
        "hypervolume_ratio": problems,
    }
    name = arguments.result or ("search_tabular_cheap" if arguments.cheap else "search_tabular")
    print(f"written to {_results.write(name, result)}")


if __name__ == "__main__":
    main()
