"""Search: a new run, a run that goes on, and a run to look at."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hwnas import estimators, files, strategies
from hwnas.devices import Device
from hwnas.errors import InputError, RunError, UnknownNameError
from hwnas.estimators import EstimatorContext
from hwnas.estimators.cost_model import ENERGY, OBJECTIVES
from hwnas.estimators.latency_table import LATENCY
from hwnas.estimators.supernet import SupernetSource
from hwnas.imported_table import AnyBoundTable, AnyTable, read_table
from hwnas.problem import Budget
from hwnas.progress import Progress, silent
from hwnas.protocols import Estimator, SearchSpace
from hwnas.search import feasibility, loop
from hwnas.search.run import FrontMember, Run, RunConfig
from hwnas.spaces.precision_choice import PrecisionSpace
from hwnas.spaces.precision_choice import base_space as base_space
from hwnas.workflows.experiment import Experiment, anchored, parse_experiment
from hwnas.workflows.quantities import (
    ACCURACY,
    asked_quantities,
    known_quantities,
    other_experiments,
)
from hwnas.workflows.setting import Setting, metered_tables, prepare, tables_for

TABLES = "latency_tables"
"""Folder of the run's own copies of latency tables: a table that grows later changes no run."""

_OWN = ""
"""Stands for the experiment's own device where the others stand under their names."""


def search(experiment: Experiment, directory: str | Path, *, on_progress: Progress = silent) -> Run:
    """Start a search in a new run directory and carry it through.

    Budgets are checked before anything is trained or evaluated. When accuracy is an objective, a
    supernet is trained on the experiment's data first, unless another run's is named.

    Args:
        experiment: What to search for.
        directory: Of the new run.
        on_progress: Told how far it is.

    Returns:
        The finished run, with its front.

    Raises:
        InputError: A name, file or value of the experiment is wrong.
        BudgetError: No architecture meets the budgets; says what the space's bounds are.
        RunError: The directory holds a run already.
    """
    directory = Path(directory)
    if (directory / "config.json").exists():
        raise RunError(
            f"{directory} holds a run already; continue it with `hwnas resume {directory}`, or "
            "choose another directory."
        )
    experiment = anchored(experiment)
    setting = prepare(experiment)
    config, tables = _plan(experiment, setting)
    for (device, precision), path in tables.items():
        files.write_bytes(_own_table(directory, precision, device), path.read_bytes())
    return _carry_through(Run.create(directory, config), experiment, setting, on_progress)


def resume(directory: str | Path, *, on_progress: Progress = silent) -> Run:
    """Carry an interrupted search through; a finished one stays as it is.

    The front ends byte-identical with that of a search that was never stopped.

    Raises:
        RunError: The directory holds no run, or one made with other versions.
        RunInUseError: Another process is writing to the run.
    """
    run = load_run(directory)
    experiment = experiment_of(run)
    return _carry_through(run, experiment, prepare(experiment, run.space), on_progress)


def load_run(directory: str | Path) -> Run:
    """A run as it is now, to look at; another process may be writing to it.

    Raises:
        RunError: The directory holds no run.
    """
    return Run.open(Path(directory))


def front(directory: str | Path) -> tuple[FrontMember, ...]:
    """The networks that no other of a run beats in every objective, the most accurate first.

    Raises:
        RunError: The directory holds no run.
    """
    return load_run(directory).front


def experiment_of(run: Run) -> Experiment:
    """What a run was asked to do."""
    return parse_experiment(run.config.experiment, source=str(run.directory / "config.json"))


def run_tables(run: Run, device: str = _OWN) -> dict[str, AnyBoundTable]:
    """The latency tables that a run predicts with, by precision; empty when it needs none.

    They are bound to the run's base space, whose genes are without the precision gene.

    Args:
        run: With its own copies of the tables.
        device: One that its objectives or budgets name after ``@``; empty for its own.
    """
    space = base_space(run.space)
    paths = {p: _own_table(run.directory, p, device) for p in experiment_of(run).device.precisions}
    return {p: read_table(path).bind(space) for p, path in paths.items() if path.is_file()}


def member_precision(run: Run, member: FrontMember) -> str:
    """The precision of one of a run's networks: its gene's, else the run's only one."""
    if isinstance(run.space, PrecisionSpace):
        return run.space.precisions[member.row[0]]
    return experiment_of(run).device.precisions[0]


def _own_table(directory: Path, precision: str, device: str) -> Path:
    return directory / TABLES / device / f"{precision}.json"


def _carry_through(
    run: Run, experiment: Experiment, setting: Setting, on_progress: Progress
) -> Run:
    tables = {device: run_tables(run, device) for device in (_OWN, *setting.others)}
    context = _context(experiment, setting, tables)
    if any(quantity.name == ACCURACY for quantity in run.config.quantities):
        context = replace(
            context, resources={"supernet": _supernet(run, experiment, setting, on_progress)}
        )
    made = [estimators.create(quantity.name, context) for quantity in run.config.quantities]
    return loop.search(run, made, on_progress=on_progress)


def _context(
    experiment: Experiment, setting: Setting, tables: Mapping[str, Mapping[str, AnyTable]]
) -> EstimatorContext:
    """What estimators may need, with tables by device and precision."""
    # with a precision gene, estimators get each row's precision from the gene
    precision = experiment.device.precisions[0]

    def on(device: Device, name: str) -> EstimatorContext:
        return EstimatorContext(setting.space, device, tables.get(name, {}), precision)

    others = {name: on(device, name) for name, device in setting.others.items()}
    return replace(on(setting.device, _OWN), others=others)


def _supernet(
    run: Run, experiment: Experiment, setting: Setting, on_progress: Progress
) -> SupernetSource:
    # torch takes seconds to import, and only accuracy needs it
    from hwnas.workflows.trained import trained_supernet

    if setting.data is None:
        raise InputError(f"{run.directory} names no images, without which there is no accuracy.")
    folder = trained_supernet(run, experiment, setting.data, on_progress=on_progress)
    return SupernetSource(folder, setting.data, experiment.supernet.recipe.threads)


def _plan(
    experiment: Experiment, setting: Setting
) -> tuple[RunConfig, dict[tuple[str, str], Path]]:
    """What the run will record, and the tables that it needs, by device and precision."""
    section = experiment.search
    if section.strategy not in strategies.names():
        raise UnknownNameError("strategy", section.strategy, strategies.names())
    asked = asked_quantities(experiment)
    if ACCURACY in asked and setting.data is None:
        raise InputError(
            "accuracy needs images: name them with --data or, in the experiment's file, "
            "data.source."
        )
    found = _tables(experiment, setting, asked)
    tables = {d: {p: table for p, (_, table) in each.items()} for d, each in found.items()}
    context = _context(experiment, setting, tables)
    # what costs nothing to know is recorded, and drawn, whether it is asked for or not
    known = [o.name for o in OBJECTIVES] + [name for name in asked if name != ACCURACY]
    cheap = {name: estimators.create(name, context) for name in dict.fromkeys(known)}
    names = known_quantities(experiment)
    budgets = [_budget(text, names, setting.space, cheap) for text in section.budgets]
    feasibility.check_budgets(setting.space, list(cheap.values()), budgets, seed=experiment.seed)
    # an estimator knows better than its name whether its numbers are a model's
    quantities = [
        cheap[name].objective if name in cheap else estimators.objective(name)
        for name in dict.fromkeys([*asked, *known])
    ]
    config = RunConfig(
        space=setting.space.definition(),
        objectives=tuple(quantities[: len(section.objectives)]),
        recorded=tuple(quantities[len(section.objectives) :]),
        budgets=tuple(budgets),
        strategy=section.strategy,
        population=section.batch,
        evaluations=section.evaluations,
        seed=experiment.seed,
        experiment=files.to_plain(experiment),
    )
    return config, {(d, p): path for d, each in found.items() for p, (path, _) in each.items()}


def _tables(
    experiment: Experiment, setting: Setting, asked: Collection[str]
) -> dict[str, dict[str, tuple[Path, AnyBoundTable]]]:
    """By device and precision, the tables of the devices whose latency or energy is asked for."""
    found = {}
    if LATENCY.name in asked:
        found[_OWN] = tables_for(experiment, setting)
    elif ENERGY.name in asked:
        found[_OWN] = metered_tables(experiment, setting)
    for name, elsewhere in other_experiments(experiment).items():
        there = replace(setting, device=setting.others[name])
        if LATENCY.on(name).name in asked:
            found[name] = tables_for(elsewhere, there)
        elif ENERGY.on(name).name in asked:
            found[name] = metered_tables(elsewhere, there)
    return found


def _budget(
    text: str, known: Sequence[str], space: SearchSpace, cheap: Mapping[str, Estimator]
) -> Budget:
    """A budget; a percentage is a place between the space's bounds, to three digits."""
    budget = Budget.parse(text.rstrip(" %"), known)
    if not text.rstrip().endswith("%") or budget.objective not in cheap:
        return budget
    bounds = feasibility.extremes(space, cheap[budget.objective])
    bound = bounds.minimum + budget.bound / 100 * (bounds.maximum - bounds.minimum)
    return replace(budget, bound=float(f"{bound:.3g}"))
