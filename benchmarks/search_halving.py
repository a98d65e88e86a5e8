"""What does it save to look at networks with few images first?

Question: a search that evaluates accuracy with a trained supernet, at equal cost with and without
successive halving (`fidelities`, `keep`): the hypervolume of the networks evaluated in full. The
cost of an evaluation is the images that it takes, as a part of those of a full one.

    python -m benchmarks.search_halving [--run runs/quickstart]

The run gives space, images and supernet. Objectives are accuracy and MACs, without budgets. Each
objective is scaled to [0, 1] over all that was evaluated in full in any of the searches; the
reference point is the median accuracy and the 90th percentile of MACs among them; 1 is the
hypervolume of their common front.

Hardware: any; it takes about ten minutes of CPU, and the figures do not depend on the machine.

Expected: nothing is gained on the quickstart's supernet, so all is evaluated in full unless
asked otherwise. Medians of four seeds at the cost of 60 full evaluations: 0.65 in full; 0.62,
0.59 and 0.60 with halving (0.45 to 0.46 after 20, 0.51 to 0.56 after 40). Its networks differ by a
standard deviation of 1.2 % in accuracy, and an eighth of the images ranks them with a Spearman
correlation of 0.67 to all; NSGA-II is the better for more generations told in full.
"""

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.estimators import EstimatorContext, create  # noqa: E402
from hwnas.estimators.supernet import SupernetSource  # noqa: E402
from hwnas.pareto import hypervolume  # noqa: E402
from hwnas.problem import Objective  # noqa: E402
from hwnas.protocols import Estimate, FidelityEstimator, SearchSpace  # noqa: E402
from hwnas.search import Run, RunConfig, search  # noqa: E402
from hwnas.workflows.runs import experiment_of, load_run  # noqa: E402
from hwnas.workflows.setting import prepare  # noqa: E402


@dataclass
class Remembering:
    """An estimator whose answers are kept: searches of several seeds meet the same networks."""

    inner: FidelityEstimator
    known: dict[tuple[bytes, float], float] = field(default_factory=dict)
    cheap: bool = False

    @property
    def objective(self) -> Objective:
        """That of the estimator."""
        return self.inner.objective

    def estimate(self, genes: IntArray) -> Estimate:
        """Full values."""
        return self.estimate_at(genes, 1.0)

    def estimate_at(self, genes: IntArray, fidelity: float) -> Estimate:
        """Values at a fidelity."""
        for row in genes:
            key = row.tobytes(), fidelity
            if key not in self.known:
                found = self.inner.estimate_at(row[None, :], fidelity)
                self.known[key] = float(found.mean[0])
        return Estimate(np.array([self.known[row.tobytes(), fidelity] for row in genes]))


@dataclass(frozen=True)
class Way:
    """How a search evaluates."""

    fidelities: tuple[float, ...] = ()
    keep: float = 1.0

    def __str__(self) -> str:
        shown = ", ".join(f"{fidelity:g}" for fidelity in self.fidelities)
        return f"first {shown}, keep {self.keep:g}" if self.fidelities else "all in full"


WAYS = (Way(), Way((0.125,), 0.5), Way((0.125,), 0.25), Way((0.125, 0.5), 0.5))


def searched(
    way: Way, seed: int, arguments: argparse.Namespace, space: SearchSpace, accuracy: Remembering
) -> tuple[FloatArray, FloatArray]:
    """Losses of full evaluations, and what each had cost with all before it."""
    macs = create("macs", EstimatorContext(space))
    config = RunConfig(
        space.definition(), (accuracy.objective, macs.objective), seed=seed,
        population=arguments.population, evaluations=max(arguments.costs),
        strategy=arguments.strategy, fidelities=way.fidelities, keep=way.keep,
    )  # fmt: skip
    # so many full evaluations can be had for the cost, but for the last batch
    each = 1.0 + sum(f / way.keep ** (i + 1) for i, f in enumerate(reversed(way.fidelities)))
    with tempfile.TemporaryDirectory() as folder:
        run = search(
            Run.create(Path(folder) / "run", config), [accuracy, macs],
            evaluations=round(max(arguments.costs) / each),
        )  # fmt: skip
    spent = run.complete.astype(float)
    for fidelity in way.fidelities:
        seen = ~np.isnan(run.evaluations.partial[f"accuracy at {fidelity:g}"])
        # rough looks at a batch come before its first full evaluation
        for start in range(0, len(seen), arguments.population):
            spent[start] += fidelity * seen[start : start + arguments.population].sum()
    return run.losses[run.complete], np.cumsum(spent)[run.complete]


def main() -> None:
    """Run it and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/quickstart"))
    parser.add_argument("--costs", type=float, nargs="+", default=[20, 40, 60])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--population", type=int, default=20)
    parser.add_argument("--strategy", default="nsga2")
    arguments = parser.parse_args()
    run = load_run(arguments.run)
    setting = prepare(experiment_of(run), run.space)
    if setting.data is None:
        parser.error(f"{arguments.run} names no images.")
    source = SupernetSource(arguments.run / "supernet", setting.data, 1)
    context = EstimatorContext(run.space, resources={"supernet": source})
    accuracy = Remembering(create("accuracy", context))  # type: ignore[arg-type]
    found = {
        (way, seed): searched(way, seed, arguments, run.space, accuracy)
        for seed in range(arguments.seeds)
        for way in WAYS
    }
    every = np.concatenate([losses for losses, _ in found.values()])
    low, high = every.min(axis=0), every.max(axis=0)
    reference = (np.append(np.median(every[:, 0]), np.quantile(every[:, 1], 0.9)) - low) / (
        high - low
    )
    whole = hypervolume((every - low) / (high - low), reference)
    rows: dict[str, object] = {}
    print(f"{'':26}" + "".join(f"{cost:>12g} full" for cost in arguments.costs))
    for way in WAYS:
        shares = np.array([
            [
                hypervolume((losses[spent <= cost] - low) / (high - low), reference) / whole
                for cost in arguments.costs
            ]
            for losses, spent in (found[way, seed] for seed in range(arguments.seeds))
        ])  # fmt: skip
        rows[str(way)] = {"median": np.median(shares, axis=0).round(3).tolist(),
                          "of_seeds": shares.round(3).tolist()}  # fmt: skip
        print(f"{way!s:26}" + "".join(f"{median:>17.3f}" for median in np.median(shares, axis=0)))
    settings = {
        key: str(value) if key == "run" else value for key, value in vars(arguments).items()
    }
    print(f"written to {_results.write('search_halving', {**settings, 'hypervolume': rows})}")


if __name__ == "__main__":
    main()
