"""Search: a new run, a run that goes on, a run to look at, and the costs of populations."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from hwnas import estimators, files, strategies
from hwnas.catalog import FloatArray, IntArray
from hwnas.devices import Device, load_device
from hwnas.errors import InputError, RunError, UnknownNameError
from hwnas.estimators import EstimatorContext
from hwnas.estimators.cost_model import ENERGY, OBJECTIVES, layer_costs, population_cost
from hwnas.estimators.latency_table import LATENCY
from hwnas.estimators.supernet import SupernetSource
from hwnas.latency_table import BoundLatencyTable, LatencyTable
from hwnas.problem import Budget, resolve_objective
from hwnas.progress import Progress, silent
from hwnas.protocols import Estimator, SearchSpace
from hwnas.search import feasibility, loop
from hwnas.search.run import FrontMember, Run, RunConfig
from hwnas.spaces.precision_choice import PrecisionSpace
from hwnas.spaces.precision_choice import base_space as base_space
from hwnas.units import PRECISIONS
from hwnas.workflows.experiment import Experiment, anchored, parse_experiment
from hwnas.workflows.setting import Setting, prepare, tables_for

TABLES = "latency_tables"
"""Folder of the run's own copies of latency tables: a table that grows later changes no run."""

ACCURACY = "accuracy"

_MOST_OBJECTIVES = 5

_BLOCK = 4096
"""Architectures costed at once: their layer indices stay in a core's cache."""


def costs(
    space: SearchSpace,
    genes: IntArray,
    *,
    table: LatencyTable | None = None,
    device: Device | str | None = None,
    precision: str = "fp32",
) -> dict[str, FloatArray]:
    """Everything that is known of architectures without training or measuring them.

    Args:
        space: Whose architectures they are.
        genes: Shape (architectures, genes), or one row.
        table: Adds ``latency_ms``, predicted for the table's device.
        device: Adds ``energy_mj``, a model with the coefficients of this device's file.
        precision: Of weights and activations; not used where the space has a gene for it.

    Returns:
        By objective name, arrays of shape (architectures,): ``macs``, ``params``,
        ``model_size_bytes``, ``peak_memory_bytes`` (see `hwnas.estimators.cost_model`), and what
        the arguments add.

    Raises:
        InputError: Genes are not integers within the space's cardinalities; a precision is
            unknown, or not the table's.
        SpaceMismatchError: The table lacks layers of the space.
    """
    genes = _checked(space, np.atleast_2d(genes))
    device = load_device(device) if isinstance(device, str) else device
    if isinstance(space, PrecisionSpace):
        return _costs_by_gene(space, genes, table, device)
    _check_precision(table, precision)
    names = [o.name for o in OBJECTIVES if o.name != ENERGY.name or device is not None]
    values = {name: layer_costs(name, space.catalog, device, precision=precision) for name in names}
    offsets = dict.fromkeys(names, 0.0)
    if table is not None:
        values["latency_ms"] = table.layer_ms(space.catalog, space_name=space.name)
        offsets["latency_ms"] = table.overhead_ms
    result = {name: np.empty(len(genes)) for name in values}
    for start in range(0, len(genes), _BLOCK):
        block = slice(start, start + _BLOCK)
        indices = space.layer_indices(genes[block])
        for name, layer_values in values.items():
            result[name][block] = population_cost(name, layer_values, indices) + offsets[name]
    return result


def _checked(space: SearchSpace, genes: IntArray) -> IntArray:
    expected = len(space.cardinalities)
    if genes.ndim != 2 or genes.shape[1] != expected or genes.dtype.kind not in "iu":
        raise InputError(
            f"Expected integer genes of shape (architectures, {expected}) for space {space.name}; "
            f"got {genes.dtype} of shape {genes.shape}."
        )
    if len(genes) and (genes.min() < 0 or (genes.max(axis=0) >= space.cardinalities).any()):
        raise InputError(
            f"Genes are out of range for space {space.name}: gene i must be at least 0 and less "
            "than space.cardinalities[i]."
        )
    return genes


def _costs_by_gene(
    space: PrecisionSpace, genes: IntArray, table: LatencyTable | None, device: Device | None
) -> dict[str, FloatArray]:
    """Costs of each architecture at the precision of its gene."""
    indices, base_genes = space.split(genes)
    result: dict[str, FloatArray] = {}
    for index in np.unique(indices) if len(indices) else (0,):
        rows = indices == index
        precision = space.precisions[index]
        found = costs(space.base, base_genes[rows], table=table, device=device, precision=precision)
        for name, values in found.items():
            result.setdefault(name, np.empty(len(genes)))[rows] = values
    return result


def _check_precision(table: LatencyTable | None, precision: str) -> None:
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if table is not None and table.precision != precision:
        raise InputError(
            f"The latency table of {table.device} was measured at {table.precision}, and costs at "
            f"{precision} were asked for: give a table of that precision."
        )


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
    for precision, path in tables.items():
        files.write_bytes(_own_table(directory, precision), path.read_bytes())
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


def run_tables(run: Run) -> dict[str, BoundLatencyTable]:
    """The latency tables that a run predicts with, by precision; empty when it needs none.

    They are bound to the run's base space, whose genes are without the precision gene.
    """
    space = base_space(run.space)
    paths = {p: _own_table(run.directory, p) for p in experiment_of(run).device.precisions}
    return {p: LatencyTable.read(path).bind(space) for p, path in paths.items() if path.is_file()}


def member_precision(run: Run, member: FrontMember) -> str:
    """The precision of one of a run's networks: its gene's, else the run's only one."""
    if isinstance(run.space, PrecisionSpace):
        return run.space.precisions[member.row[0]]
    return experiment_of(run).device.precisions[0]


def _own_table(directory: Path, precision: str) -> Path:
    return directory / TABLES / f"{precision}.json"


def asked_quantities(experiment: Experiment) -> tuple[str, ...]:
    """Names of the objectives of an experiment, then of what its budgets bound.

    Raises:
        InputError: One is unknown, or there are too few or too many objectives.
    """
    known = tuple(estimators.objectives())
    section = experiment.search
    names = [resolve_objective(name, known) for name in section.objectives]
    if not 2 <= len(names) <= _MOST_OBJECTIVES or len(set(names)) < len(names):
        raise InputError(
            f"Expected two to {_MOST_OBJECTIVES} different objectives; got "
            f"{', '.join(section.objectives)}."
        )
    bounded = [Budget.parse(text.rstrip(" %"), known).objective for text in section.budgets]
    return tuple(dict.fromkeys([*names, *bounded]))


def _carry_through(
    run: Run, experiment: Experiment, setting: Setting, on_progress: Progress
) -> Run:
    context = _context(experiment, setting, run_tables(run))
    if any(quantity.name == ACCURACY for quantity in run.config.quantities):
        context = replace(
            context, resources={"supernet": _supernet(run, experiment, setting, on_progress)}
        )
    made = [estimators.create(quantity.name, context) for quantity in run.config.quantities]
    return loop.search(run, made, on_progress=on_progress)


def _context(
    experiment: Experiment, setting: Setting, tables: Mapping[str, LatencyTable]
) -> EstimatorContext:
    # with a precision gene, estimators get each row's precision from the gene
    precision = experiment.device.precisions[0]
    return EstimatorContext(setting.space, setting.device, tables, precision)


def _supernet(
    run: Run, experiment: Experiment, setting: Setting, on_progress: Progress
) -> SupernetSource:
    # torch takes seconds to import, and only accuracy needs it
    from hwnas.workflows.trained import trained_supernet

    if setting.data is None:
        raise InputError(f"{run.directory} names no images, without which there is no accuracy.")
    folder = trained_supernet(run, experiment, setting.data, on_progress=on_progress)
    return SupernetSource(folder, setting.data, experiment.supernet.recipe.threads)


def _plan(experiment: Experiment, setting: Setting) -> tuple[RunConfig, dict[str, Path]]:
    """What the run will record, and each precision's table if latency is part of it."""
    section = experiment.search
    if section.strategy not in strategies.names():
        raise UnknownNameError("strategy", section.strategy, strategies.names())
    asked = asked_quantities(experiment)
    if ACCURACY in asked and setting.data is None:
        raise InputError(
            "accuracy needs images: name them with --data or, in the experiment's file, "
            "data.source."
        )
    found = tables_for(experiment, setting) if LATENCY.name in asked else {}
    context = _context(experiment, setting, {p: table for p, (_, table) in found.items()})
    # what costs nothing to know is recorded, and drawn, whether it is asked for or not
    known = [o.name for o in OBJECTIVES] + ([LATENCY.name] if found else [])
    cheap = {name: estimators.create(name, context) for name in known}
    budgets = [_budget(text, setting.space, cheap) for text in section.budgets]
    feasibility.check_budgets(setting.space, list(cheap.values()), budgets, seed=experiment.seed)
    quantities = [estimators.objective(name) for name in dict.fromkeys([*asked, *known])]
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
    return config, {precision: path for precision, (path, _) in found.items()}


def _budget(text: str, space: SearchSpace, cheap: Mapping[str, Estimator]) -> Budget:
    """A budget; a percentage is a place between the space's bounds, to three digits."""
    budget = Budget.parse(text.rstrip(" %"), tuple(estimators.objectives()))
    if not text.rstrip().endswith("%") or budget.objective not in cheap:
        return budget
    bounds = feasibility.extremes(space, cheap[budget.objective])
    bound = bounds.minimum + budget.bound / 100 * (bounds.maximum - bounds.minimum)
    return replace(budget, bound=float(f"{bound:.3g}"))
