"""What a new search may take over from earlier runs: only numbers that can be compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import BudgetError, InputError, SpaceMismatchError
from hwnas.problem import Budget, violations
from hwnas.protocols import Estimator, SearchSpace
from hwnas.search.archive import Archive, gathered
from hwnas.search.evaluating import estimate_of
from hwnas.search.run import Run
from hwnas.workflows.experiment import BY_SUPERNET, Experiment
from hwnas.workflows.quantities import ACCURACY
from hwnas.workflows.runs import experiment_of


def common_supernet(runs: Sequence[Run]) -> str:
    """Directory of the run whose supernet gave all accuracies of runs; empty where none did.

    Raises:
        InputError: They are of different supernets.
    """
    judged = [r for r in runs if _has(r, ACCURACY) and experiment_of(r).accuracy == BY_SUPERNET]
    homes = {_home(run): run for run in judged}
    if len(homes) > 1:
        (first, one), (second, other) = list(homes.items())[:2]
        raise InputError(
            f"The accuracies of {one.directory} are those of the supernet in {first}, and the "
            f"ones of {other.directory} of that in {second}: they cannot be compared. Take one of "
            "the two."
        )
    return str(next(iter(homes), ""))


def archive_of(
    runs: Sequence[Run], experiment: Experiment, space: SearchSpace, expensive: Sequence[str]
) -> Archive:
    """What a search need not evaluate again.

    Args:
        runs: Earlier ones.
        experiment: Of the search.
        space: Of the search.
        expensive: Names of what is expensive to know in the search.

    Raises:
        SpaceMismatchError: A run is of another space.
        InputError: A run does not have the expensive numbers, or has others: of another supernet,
            other images, another split or another precision.
    """
    for run in runs:
        if run.space.definition() != space.definition():
            raise SpaceMismatchError(
                f"{run.directory} searched {run.space.name} with other layers, classes, "
                f"resolutions or precisions than this search of {space.name}; start from a run of "
                "the same space."
            )
        for name in expensive:
            if not _has(run, name):
                raise InputError(
                    f"{run.directory} holds no {name}, which this search would have to evaluate; "
                    "start from a run that has it."
                )
        if ACCURACY in expensive:
            _check_accuracies(run, experiment)
    return gathered(runs, expensive)


def within_budgets(
    archive: Archive,
    space: SearchSpace,
    budgets: Sequence[Budget],
    cheap: Mapping[str, Estimator],
) -> int:
    """How many of an archive's architectures break no budget that is cheap to know."""
    known = [budget for budget in budgets if budget.objective in cheap]
    if not known or not len(archive):
        return len(archive)
    return int((_violations(archive.genes, space, known, cheap) == 0).all(axis=1).sum())


def refuse_empty(
    archive: Archive, space: SearchSpace, budgets: Sequence[Budget], cheap: Mapping[str, Estimator]
) -> None:
    """Raise BudgetError because none of an archive is within the budgets; says what is nearest."""
    if not len(archive):
        raise InputError("The earlier runs hold no evaluated network; give --evaluations.")
    known = [budget for budget in budgets if budget.objective in cheap]
    beyond = _violations(archive.genes, space, known, cheap)
    scale = np.array([abs(budget.bound) or 1.0 for budget in known])
    nearest = int((beyond / scale).sum(axis=1).argmin())
    row = archive.genes[[nearest]]
    reached = ", ".join(
        f"{name} {cheap[name].objective.format(float(cheap[name].estimate(row).mean[0]))}"
        for name in dict.fromkeys(budget.objective for budget in known)
    )
    raise BudgetError(
        f"None of the {len(archive)} evaluated networks meets {', '.join(map(str, known))}; the "
        f"nearest has {reached}. Choose a wider budget, or --evaluations to look for others."
    )


def _violations(
    genes: IntArray, space: SearchSpace, budgets: Sequence[Budget], cheap: Mapping[str, Estimator]
) -> FloatArray:
    names = {budget.objective for budget in budgets}
    estimates = {name: estimate_of(cheap[name], genes, space) for name in sorted(names)}
    doubted = {budget.objective for budget in budgets if budget.confidence is not None}
    stds = {n: std for n in sorted(doubted) if (std := estimates[n].std) is not None}
    return violations(budgets, {n: e.mean for n, e in estimates.items()}, stds)


def _has(run: Run, name: str) -> bool:
    return any(quantity.name == name for quantity in run.config.quantities)


def _home(run: Run) -> str:
    """The run whose supernet judged a run's networks."""
    return str(Path(experiment_of(run).supernet_from or run.directory).resolve())


def _check_accuracies(run: Run, experiment: Experiment) -> None:
    """Accuracies are those of one supernet on one validation part at one precision."""
    now = _judged_by(experiment, experiment.supernet_from)
    then = _judged_by(experiment_of(run), _home(run))
    for name, value in now.items():
        if then[name] != value:
            raise InputError(
                f"The accuracies of {run.directory} cannot be compared with this search's: its "
                f"{name} is {then[name]}, here it is {value}. Make them the same, or start without "
                "that run."
            )


def _judged_by(experiment: Experiment, supernet: str) -> dict[str, object]:
    """All that an architecture's accuracy depends on."""
    return {
        "source of accuracies": experiment.accuracy,
        "supernet": str(Path(supernet).resolve()),
        "data.source": experiment.data.source,
        "data.validation_fraction": experiment.data.validation_fraction,
        "seed (of the validation part)": experiment.seed,
        "device.precisions": experiment.device.precisions,
        "supernet.recipe.threads": experiment.supernet.recipe.threads,
    }
