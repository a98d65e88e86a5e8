"""Search: a new run, a run that goes on, and a run to look at."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwnas import estimators, files, strategies
from hwnas.devices import Device
from hwnas.errors import InputError, RunError, UnknownNameError
from hwnas.estimators import EstimatorContext
from hwnas.estimators._later import Later
from hwnas.estimators.cost_model import ENERGY, OBJECTIVES
from hwnas.estimators.latency_table import LATENCY
from hwnas.estimators.supernet import SupernetSource
from hwnas.imported_table import AnyBoundTable, AnyTable
from hwnas.problem import Budget
from hwnas.progress import Progress, silent
from hwnas.protocols import Estimator, SearchSpace
from hwnas.search import feasibility, loop
from hwnas.search.archive import Archive, read_archive, write_archive
from hwnas.search.executors import SERIAL
from hwnas.search.run import Run, RunConfig
from hwnas.search.told import fresh_strategy
from hwnas.workflows.archives import archive_of, common_supernet, refuse_empty, within_budgets
from hwnas.workflows.experiment import BY_SUPERNET, Experiment, anchored
from hwnas.workflows.finalists import check_finalists, measure_finalists
from hwnas.workflows.predicted_accuracy import write_scores
from hwnas.workflows.quantities import (
    ACCURACY,
    asked_quantities,
    known_quantities,
    other_experiments,
    parse_budget,
)
from hwnas.workflows.runs import OWN, experiment_of, load_run, own_table, run_tables
from hwnas.workflows.setting import Setting, metered_tables, prepare, tables_for
from hwnas.workflows.workers import executor_of


def search(
    experiment: Experiment,
    directory: str | Path,
    *,
    warm_start: Sequence[str | Path] = (),
    on_progress: Progress = silent,
) -> Run:
    """Start a search in a new run directory and carry it through.

    Budgets are checked before anything is trained or evaluated. When accuracy is an objective, a
    supernet is trained on the experiment's data first, unless another run's is named.

    Args:
        experiment: What to search for.
        directory: Of the new run.
        warm_start: Directories of earlier runs of the same space, whose evaluations the new run
            takes over: they do not count among the experiment's evaluations. Accuracies must be
            those of one supernet, which the new run then uses too.
        on_progress: Told how far it is.

    Returns:
        The finished run, with its front.

    Raises:
        InputError: A name, file or value of the experiment is wrong, or an earlier run's numbers
            cannot be compared.
        BudgetError: No architecture meets the budgets; says what the space's bounds are.
        RunError: The directory holds a run already.
    """
    directory = Path(directory)
    if (directory / "config.json").exists():
        raise RunError(
            f"{directory} holds a run already; continue it with `hwnas resume {directory}`, or "
            "choose another directory."
        )
    earlier = [load_run(run) for run in warm_start]
    experiment = anchored(experiment)
    if not experiment.supernet_from:
        experiment = replace(experiment, supernet_from=common_supernet(earlier))
    setting = prepare(experiment)
    config, tables, archive = _plan(experiment, setting, earlier)
    for (device, precision), path in tables.items():
        files.write_bytes(own_table(directory, precision, device), path.read_bytes())
    if len(archive):
        write_archive(directory, archive)
    if setting.predictor is not None:
        write_scores(directory, setting.predictor)
    return _carry_through(Run.create(directory, config), experiment, setting, on_progress)


def resume(
    directory: str | Path,
    *,
    executor: str | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    ray_timeout_s: float | None = None,
    on_progress: Progress = silent,
) -> Run:
    """Carry an interrupted search through; a finished one stays as it is.

    The front ends byte-identical with that of a search that was never stopped.

    Args:
        directory: Of the run.
        executor: As `SearchSection.executor`; None for what the run was begun with.
        workers: As `SearchSection.workers`; likewise.
        ray_address: As `SearchSection.ray_address`; likewise.
        ray_timeout_s: As `SearchSection.ray_timeout_s`; likewise.
        on_progress: Told how far it is.

    Raises:
        RunError: The directory holds no run, or one made with other versions.
        RunInUseError: Another process is writing to the run.
    """
    run = load_run(directory)
    experiment = experiment_of(run)
    changes = {
        "executor": executor, "workers": workers, "ray_address": ray_address,
        "ray_timeout_s": ray_timeout_s,
    }  # fmt: skip
    given: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
    experiment = replace(experiment, search=replace(experiment.search, **given))
    return _carry_through(run, experiment, prepare(experiment, run.space), on_progress)


def _carry_through(
    run: Run, experiment: Experiment, setting: Setting, on_progress: Progress
) -> Run:
    tables = {device: run_tables(run, device) for device in (OWN, *setting.others)}
    context = run_context(experiment, setting, tables)

    def accuracy() -> Estimator:
        source = _supernet(run, experiment, setting, on_progress)
        return estimators.create(ACCURACY, replace(context, resources={"supernet": source}))

    section = experiment.search
    elsewhere = section.executor != SERIAL
    # a run that takes over all of its accuracies, or asks for them elsewhere, needs no torch
    later = elsewhere or len(read_archive(run.directory)) > 0
    objective = estimators.objective(ACCURACY)
    made = run_estimators(
        run, experiment, context, lambda: Later(objective, accuracy) if later else accuracy()
    )
    if elsewhere and any(isinstance(each, Later) for each in made):
        _supernet(run, experiment, setting, on_progress)  # workers only load it
    with closing(executor_of(run, section, made)) as executor:
        finished = loop.search(
            run, made, executor=executor, retries=section.retries, on_progress=on_progress
        )
    if experiment.search.measure_finalists and finished.front:
        limit = experiment.search.measure_finalists
        return measure_finalists(run.directory, limit=limit, on_progress=on_progress)
    return finished


def run_estimators(
    run: Run,
    experiment: Experiment,
    context: EstimatorContext,
    accuracy: Callable[[], Estimator],
) -> list[Estimator]:
    """The estimators of a run's quantities.

    Args:
        run: What is searched.
        experiment: Of the run.
        context: What they may need.
        accuracy: Makes the one of accuracy where that is the supernet's.
    """
    return [
        accuracy()
        if quantity.name == ACCURACY and experiment.accuracy == BY_SUPERNET
        else estimators.create(quantity.name, context)
        for quantity in run.config.quantities
    ]


def run_context(
    experiment: Experiment, setting: Setting, tables: Mapping[str, Mapping[str, AnyTable]]
) -> EstimatorContext:
    """What estimators may need, all but the supernet, with tables by device and precision."""
    # with a precision gene, estimators get each row's precision from the gene
    precision = experiment.device.precisions[0]
    resources = {"accuracy_predictor": setting.predictor} if setting.predictor else {}

    def on(device: Device, name: str) -> EstimatorContext:
        return EstimatorContext(
            setting.space, device, tables.get(name, {}), precision, resources=resources
        )

    others = {name: on(device, name) for name, device in setting.others.items()}
    return replace(on(setting.device, OWN), others=others)


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
    experiment: Experiment, setting: Setting, earlier: Sequence[Run]
) -> tuple[RunConfig, dict[tuple[str, str], Path], Archive]:
    """What the run will record, the tables by device and precision, and what is known already."""
    section = experiment.search
    if section.strategy not in strategies.names():
        raise UnknownNameError("strategy", section.strategy, strategies.names())
    asked = asked_quantities(experiment)
    if section.measure_finalists:
        check_finalists(asked)
    trained = experiment.accuracy == BY_SUPERNET
    if ACCURACY in asked and trained and setting.data is None:
        raise InputError(
            "accuracy needs images: name them with --data or, in the experiment's file, "
            "data.source; or let it be predicted with --accuracy."
        )
    found = _tables(experiment, setting, asked)
    tables = {d: {p: table for p, (_, table) in each.items()} for d, each in found.items()}
    context = run_context(experiment, setting, tables)
    # what costs nothing to know is recorded, and drawn, whether it is asked for or not
    known = [o.name for o in OBJECTIVES] + [n for n in asked if n != ACCURACY or not trained]
    cheap = {name: estimators.create(name, context) for name in dict.fromkeys(known)}
    names = known_quantities(experiment)
    budgets = [_budget(text, names, setting.space, cheap) for text in section.budgets]
    feasibility.check_budgets(setting.space, list(cheap.values()), budgets, seed=experiment.seed)
    # an estimator knows better than its name whether its numbers are a model's
    quantities = [
        cheap[name].objective if name in cheap else estimators.objective(name)
        for name in dict.fromkeys([*asked, *known])
    ]
    expensive = [quantity.name for quantity in quantities if quantity.name not in cheap]
    archive = archive_of(earlier, experiment, setting.space, expensive)
    within = within_budgets(archive, setting.space, budgets, cheap)
    if earlier and within == section.evaluations == 0:
        refuse_empty(archive, setting.space, budgets, cheap)
    # where something is expensive, what breaks a budget does not count as an evaluation
    evaluations = section.evaluations + (within if expensive else len(archive))
    experiment = replace(experiment, search=replace(section, evaluations=evaluations))
    config = RunConfig(
        space=setting.space.definition(),
        objectives=tuple(quantities[: len(section.objectives)]),
        recorded=tuple(quantities[len(section.objectives) :]),
        budgets=tuple(budgets),
        strategy=section.strategy,
        population=section.batch,
        evaluations=evaluations,
        seed=experiment.seed,
        dominance=section.dominance,
        fidelities=section.fidelities,
        keep=section.keep,
        stop_below=section.stop_below,
        experiment=files.to_plain(experiment),
    )
    # a strategy that cannot search this says so before anything is trained
    fresh_strategy(setting.space, config, list(cheap.values()))
    paths = {(d, p): path for d, each in found.items() for p, (path, _) in each.items()}
    return config, paths, archive


def _tables(
    experiment: Experiment, setting: Setting, asked: Collection[str]
) -> dict[str, dict[str, tuple[Path, AnyBoundTable]]]:
    """By device and precision, the tables of the devices whose latency or energy is asked for."""
    found = {}
    if LATENCY.name in asked:
        found[OWN] = tables_for(experiment, setting)
    elif ENERGY.name in asked:
        found[OWN] = metered_tables(experiment, setting)
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
    budget, is_share = parse_budget(text, known)
    if not is_share or budget.objective not in cheap:
        return budget
    bounds = feasibility.extremes(space, cheap[budget.objective])
    bound = bounds.minimum + budget.bound / 100 * (bounds.maximum - bounds.minimum)
    return replace(budget, bound=float(f"{bound:.3g}"))
