"""What does it save to look at networks roughly first, and to stop those that look poor?

Question: at equal cost, the hypervolume of the networks that a search evaluated in full: all in
full; the better part by successive halving (`fidelities`, `keep`); or all but those whose
extrapolated learning curve leaves them little chance of the front (`fidelities`, `stop_below`).

    python -m benchmarks.search_halving [--run runs/quickstart]
    python -m benchmarks.search_halving --curves --seeds 20 --population 10

The first evaluates with a run's supernet: a rough look takes part of the images, and a full
evaluation begins anew. The second searches among networks whose accuracies after each of 8 epochs
are known (`benchmarks.learning_curves`): a rough look is part of a training that can go on. Costs
are counted in full evaluations. Objectives are accuracy and MACs, without budgets. Each is scaled
to [0, 1] over all networks, or where not all are known over those evaluated in full in any of the
searches; the reference point is their median accuracy and 90th percentile of MACs; 1 is the
hypervolume of their front. "Wrongly" counts the stopped networks that no network found before
them dominates, once their full accuracy is known.

Hardware: any; four minutes of CPU for the first, one for the second. Figures do not depend on
the machine.

Expected, means at the cost of 20, 40 and 60 full evaluations, of 20 seeds over epochs (standard
errors 0.02 to 0.06): 0.49, 0.68, 0.86 in full; 0.61, 0.80, 0.87 with halves kept after 2 and 4
epochs; 0.49, 0.67, 0.89 with those stopped there that have a chance below 5 %, and 0.49, 0.72,
0.91 with those below 20 % after 4. Of these stopped ones 1.6 % and 2.5 % wrongly. So keeping
halves helps a search of few evaluations (by 0.12, standard error 0.06, in pairs of equal seeds),
and extrapolation a longer one a little (by 0.03 and 0.05, standard error 0.02).
Over images, four seeds cannot tell the ways apart (standard errors about 0.05): 0.51, 0.62, 0.69
in full; 0.55, 0.63, 0.73 with the better half of an eighth of the images; 0.43, 0.61, 0.68 and
0.43, 0.57, 0.64 with chances of 5 % and 20 %, by which few are stopped: the supernet's
networks differ by a standard deviation of 1.2 % in accuracy, and an eighth of the images ranks them
with a Spearman correlation of 0.67 to all.
"""

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)
from numpy import nan  # noqa: E402

from hwnas import files  # noqa: E402
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.errors import InputError  # noqa: E402
from hwnas.estimators import EstimatorContext, create  # noqa: E402
from hwnas.estimators.supernet import SupernetSource  # noqa: E402
from hwnas.pareto import BoolArray, hypervolume  # noqa: E402
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
    keep: float = 0.5
    stop_below: float = 0.0

    def __str__(self) -> str:
        if not self.fidelities:
            return "all in full"
        goes_on = f"chance {self.stop_below:g}" if self.stop_below else f"best {self.keep:g}"
        return f"{', '.join(f'{each:g}' for each in self.fidelities)}: {goes_on}"


@dataclass(frozen=True)
class Problem:
    """What is searched in the several ways.

    Attributes:
        space: The search space.
        accuracy: The expensive objective.
        ways: To compare.
        every: All genes of the space, where all are known; else None.
        goes_on: Whether a full evaluation goes on from a rough one instead of beginning anew.
    """

    space: SearchSpace
    accuracy: Remembering
    ways: tuple[Way, ...]
    every: IntArray | None
    goes_on: bool


def of_images(folder: Path) -> Problem:
    """A run's supernet, asked with a part of the images."""
    run = load_run(folder)
    setting = prepare(experiment_of(run), run.space)
    if setting.data is None:
        raise InputError(f"{folder} names no images.")
    source = SupernetSource(folder / "supernet", setting.data, 1)
    context = EstimatorContext(run.space, resources={"supernet": source})
    ways = (
        Way(), Way((0.125,)), Way((0.125,), stop_below=0.05), Way((0.125,), stop_below=0.2),
    )  # fmt: skip
    accuracy = Remembering(create("accuracy", context))  # type: ignore[arg-type]
    return Problem(run.space, accuracy, ways, every=None, goes_on=False)


def of_epochs() -> Problem:
    """The table of `benchmarks.learning_curves`."""
    from benchmarks import learning_curves

    table = files.read_json(learning_curves.RESULT)
    genes = np.array(table["genes"], dtype=np.int64)
    curves = np.array(table["top1_pct"])
    epochs = curves.shape[1]
    known = {
        (row.tobytes(), (epoch + 1) / epochs): float(curve[epoch])
        for row, curve in zip(genes, curves, strict=True)
        for epoch in range(epochs)
    }
    ways = (
        Way(), Way((0.5,)), Way((0.25, 0.5)), Way((0.5,), stop_below=0.05),
        Way((0.25, 0.5), stop_below=0.05), Way((0.5,), stop_below=0.2),
    )  # fmt: skip
    accuracy = Remembering(Tabulated(), known)
    return Problem(learning_curves.space(), accuracy, ways, every=genes, goes_on=True)


class Tabulated:
    """Stands for training, where all that could be asked is known."""

    objective = Objective("accuracy", "%", "accuracy", maximise=True)
    cheap = False

    def estimate(self, genes: IntArray) -> Estimate:
        """Nothing is left to be asked."""
        return self.estimate_at(genes, 1.0)

    def estimate_at(self, genes: IntArray, fidelity: float) -> Estimate:
        """Nothing is left to be asked."""
        raise InputError(f"The table does not hold {genes.tolist()} at {fidelity:g}.")


@dataclass(frozen=True)
class Searched:
    """One search.

    Attributes:
        losses: Of full evaluations, in order, shape (evaluations, 2).
        spent: What each had cost with all before it, in full evaluations.
        stopped: How many were stopped by what was foreseen.
        wrongly: How many of them would have been on the front of what was found before; None where
            it is not known.
    """

    losses: FloatArray
    spent: FloatArray
    stopped: int
    wrongly: int | None


def searched(problem: Problem, way: Way, seed: int, arguments: argparse.Namespace) -> Searched:
    """A search until it has cost what the most expensive one may."""
    macs = create("macs", EstimatorContext(problem.space))
    most = max(arguments.costs)
    config = RunConfig(
        problem.space.definition(), (problem.accuracy.objective, macs.objective), seed=seed,
        population=arguments.population, evaluations=round(most), strategy=arguments.strategy,
        fidelities=way.fidelities, keep=way.keep, stop_below=way.stop_below,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", config)
        evaluations, spent = 0, np.zeros(0)
        while spent.max(initial=0.0) < most:
            # a search that goes on is the same as one that never stopped
            before, evaluations = evaluations, evaluations + max(1, arguments.population // 4)
            run = search(Run.open(run.directory), [problem.accuracy, macs], evaluations=evaluations)
            spent = costs(run, problem.goes_on, arguments.population)
            if run.complete.sum() <= before:
                break
    stopped = ~np.isnan(run.evaluations.stopped.get("chance", np.full(len(run.evaluations), nan)))
    wrongly = None if problem.every is None else missed(run, stopped, problem.accuracy)
    return Searched(run.losses[run.complete], spent[run.complete], int(stopped.sum()), wrongly)


def costs(run: Run, goes_on: bool, population: int) -> FloatArray:
    """What each evaluation had cost with all before it; rough looks at a batch come before it."""
    spent = run.complete.astype(float)
    below = 0.0
    for fidelity in run.config.fidelities:
        seen = ~np.isnan(run.evaluations.partial[f"accuracy at {fidelity:g}"])
        for start in range(0, len(seen), population):
            spent[start] += (fidelity - below) * seen[start : start + population].sum()
        if goes_on:
            below = fidelity
    return np.cumsum(spent - below * run.complete)


def missed(run: Run, stopped: BoolArray, accuracy: Remembering) -> int:
    """How many of the stopped ones would have been on the front of what was found before."""
    losses = run.losses.copy()
    losses[:, 0] = -accuracy.estimate(run.evaluations.genes).mean
    population, found = run.config.population, 0
    for i in np.flatnonzero(stopped):
        before = np.flatnonzero(run.complete[: i - i % population])
        found += not (losses[before] <= losses[i]).all(axis=1).any()
    return found


def main() -> None:
    """Run it and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/quickstart"))
    parser.add_argument(
        "--curves", action="store_true",
        help="search in the table of benchmarks.learning_curves instead, over epochs",
    )  # fmt: skip
    parser.add_argument("--costs", type=float, nargs="+", default=[20, 40, 60])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--population", type=int, default=20)
    parser.add_argument("--strategy", default="nsga2")
    arguments = parser.parse_args()
    problem = of_epochs() if arguments.curves else of_images(arguments.run)
    found = {
        (way, seed): searched(problem, way, seed, arguments)
        for seed in range(arguments.seeds)
        for way in problem.ways
    }
    every = np.concatenate([each.losses for each in found.values()])
    if problem.every is not None:
        macs = create("macs", EstimatorContext(problem.space)).estimate(problem.every).mean
        every = np.column_stack([-problem.accuracy.estimate(problem.every).mean, macs])
    low, high = every.min(axis=0), every.max(axis=0)
    reference = (np.append(np.median(every[:, 0]), np.quantile(every[:, 1], 0.9)) - low) / (
        high - low
    )
    whole = hypervolume((every - low) / (high - low), reference)
    rows: dict[str, object] = {}
    print(f"{'':24}" + "".join(f"{cost:>11g} full" for cost in arguments.costs) + "   stopped")
    for way in problem.ways:
        those = [found[way, seed] for seed in range(arguments.seeds)]
        shares = np.array([
            [
                hypervolume((one.losses[one.spent <= cost] - low) / (high - low), reference) / whole
                for cost in arguments.costs
            ]
            for one in those
        ])  # fmt: skip
        stopped = sum(one.stopped for one in those)
        wrongly = sum(one.wrongly or 0 for one in those) if problem.every is not None else None
        rows[str(way)] = {
            "mean": shares.mean(axis=0).round(3).tolist(),
            "standard_error": (shares.std(axis=0) / np.sqrt(len(shares))).round(3).tolist(),
            "of_seeds": shares.round(3).tolist(), "stopped": stopped, "wrongly": wrongly,
        }  # fmt: skip
        told = f"{stopped}" if wrongly is None else f"{stopped}, {wrongly} wrongly"
        means = "".join(f"{mean:>16.3f}" for mean in shares.mean(axis=0))
        print(f"{way!s:24}{means}   {told}")
    settings = {
        key: str(value) if key == "run" else value for key, value in vars(arguments).items()
    }
    name = "search_halving_epochs" if arguments.curves else "search_halving"
    print(f"written to {_results.write(name, {**settings, 'hypervolume': rows})}")


if __name__ == "__main__":
    main()
