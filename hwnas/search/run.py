"""The run directory: what was asked (config.json), what was found (log.jsonl), and its front."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hwnas import files, spaces
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError, RunError, UnknownNameError
from hwnas.pareto import BoolArray, noise_aware_front, non_dominated
from hwnas.problem import DOMINANCES, PLAIN, Budget, Objective, violations
from hwnas.protocols import SearchSpace
from hwnas.search import log
from hwnas.search.finalists import measured_values, read_finalists
from hwnas.search.records import Records, row_texts

_ID_LENGTH = 8
_VERSIONED = ("hwnas", "numpy", "moocore", "pymoo")


def versions() -> dict[str, str]:
    """Versions of what a search's numbers depend on; recorded in every run."""
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


@dataclass(frozen=True, slots=True)
class RunConfig:
    """All that decides a search; with the estimators it can be repeated.

    Attributes:
        space: The definition of the search space.
        objectives: What is improved, in the order that losses have.
        recorded: Further quantities written to the log, for budgets or to be shown.
        budgets: Hard bounds on objectives or recorded quantities.
        strategy: Name of the search strategy.
        population: Architectures proposed at a time.
        evaluations: How many architectures are evaluated in full.
        seed: Of the strategy.
        dominance: Of `DOMINANCES`; decides the front alone, not where the strategy looks.
        fidelities: At which architectures are evaluated before they are evaluated in full, rising;
            see `hwnas.search.halving`. Empty for full evaluations alone.
        keep: The part of them that goes on from each fidelity to the next.
        stop_below: Instead of a fixed part, those go on whose chance of belonging to the front is
            foreseen to be at least this (`hwnas.search.extrapolation`); 0 for a fixed part.
        experiment: What else was asked for, such as device and data; not read by the search.
        versions: As `versions` gave them when the run was created.
    """

    space: dict[str, Any]
    objectives: tuple[Objective, ...]
    recorded: tuple[Objective, ...] = ()
    budgets: tuple[Budget, ...] = ()
    strategy: str = "nsga2"
    population: int = 20
    evaluations: int = 200
    seed: int = 0
    dominance: str = PLAIN
    fidelities: tuple[float, ...] = ()
    keep: float = 0.5
    stop_below: float = 0.0
    experiment: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)

    __pydantic_config__ = files.STRICT

    def __post_init__(self) -> None:
        known = [quantity.name for quantity in self.quantities]
        for budget in self.budgets:
            if budget.objective not in known:
                raise InputError(
                    f"Budget {budget} bounds {budget.objective}, which the run does not record; "
                    f"expected one of {', '.join(known)}."
                )
        rising = all(low < high for low, high in pairwise((0.0, *self.fidelities, 1.0)))
        if not rising or not 0 < self.keep <= 1:
            raise InputError(
                f"Expected rising fidelities between 0 and 1, and a part to keep above 0 and at "
                f"most 1; got {list(self.fidelities)} and {self.keep:g}."
            )
        if not 0 <= self.stop_below < 1 or (self.stop_below and not self.fidelities):
            raise InputError(
                f"Expected a chance to stop below that is less than 1, and fidelities to foresee "
                f"it from; got {self.stop_below:g} and {list(self.fidelities)}."
            )
        if self.dominance not in DOMINANCES:
            raise UnknownNameError("dominance", self.dominance, DOMINANCES)
        if min(self.population, self.evaluations) < 1:
            raise InputError(
                f"Expected a population and evaluations of at least 1; got {self.population} and "
                f"{self.evaluations}."
            )

    @property
    def quantities(self) -> tuple[Objective, ...]:
        """Everything that each evaluation has a value of."""
        return (*self.objectives, *self.recorded)


@dataclass(frozen=True, slots=True)
class FrontMember:
    """One evaluated architecture.

    Attributes:
        id: Short name of the row; the same in every run of the space.
        row: Canonical genes.
        architecture: As the space describes it.
        values: By name, objectives first; measured where it was measured, else estimated.
        stds: By name, the standard deviations of those values that have one.
        predicted: By name, what had been estimated of what was measured later.
        feasible: Whether it meets all budgets.
    """

    id: str
    row: tuple[int, ...]
    architecture: Mapping[str, Any]
    values: Mapping[str, float]
    stds: Mapping[str, float]
    predicted: Mapping[str, float]
    feasible: bool


@dataclass(frozen=True, slots=True, eq=False)
class Evaluations:
    """All evaluations of a run, in order.

    Attributes:
        ids: One for each row.
        genes: Canonical, shape (evaluations, genes).
        values: By name, as they were estimated, each of shape (evaluations,); NaN where a broken
            budget made the evaluation needless, or where it failed.
        stds: By name, of the quantities that have any, their standard deviations, each of shape
            (evaluations,); NaN where there is none.
        failures: Why evaluations failed, by their position; their expensive values are NaN.
        partial: What was found at lower fidelities, as `hwnas.search.records.Records.partial`.
        stopped: Who was stopped by what was foreseen, as `hwnas.search.records.Records.stopped`.
    """

    ids: tuple[str, ...]
    genes: IntArray
    values: Mapping[str, FloatArray]
    stds: Mapping[str, FloatArray] = field(default_factory=dict)
    failures: Mapping[int, str] = field(default_factory=dict)
    partial: Mapping[str, FloatArray] = field(default_factory=dict)
    stopped: Mapping[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


class Run:
    """A run directory as it was when it was opened; never writes.

    Args:
        directory: Where it lies.
        config: What was asked.
        space: That of the config, where it is built already.
        records: What the log holds, where it is known; None to read it.

    Attributes:
        directory: Where it lies.
        config: What was asked.
        space: The search space.
        evaluations: What the log held.
        measured: By name, what was measured of them on a device, as
            `hwnas.search.finalists.measured_values` gives it.
        values: As those of the evaluations, measured where they were measured.
        stds: Likewise.
    """

    def __init__(
        self,
        directory: Path,
        config: RunConfig,
        *,
        space: SearchSpace | None = None,
        records: Records | None = None,
    ) -> None:
        self.directory = directory
        self.config = config
        self.space = space or spaces.from_definition(config.space, source=str(directory))
        names = [quantity.name for quantity in config.quantities]
        if records is None:
            records = log.read(self.log_path, names, genes=len(self.space.cardinalities))
        self.evaluations = Evaluations(
            _ids(records.genes),
            records.genes,
            records.values,
            records.stds,
            records.failures,
            records.partial,
            records.stopped,
        )
        finalists = read_finalists(directory, names, genes=len(self.space.cardinalities))
        self.measured = measured_values(records.genes, finalists)
        means = {name: values for name, (values, _) in self.measured.items()}
        errors = {name: stds for name, (_, stds) in self.measured.items()}
        self.values = _overlaid(self.evaluations.values, means)
        self.stds = _overlaid(self.evaluations.stds, errors)

    @classmethod
    def create(cls, directory: Path, config: RunConfig) -> "Run":
        """Start a run in a directory that holds none yet; other files there are left alone.

        Raises:
            RunError: There is a run already.
            StorageError: The directory cannot be written.
        """
        if (directory / "config.json").exists():
            raise RunError(
                f"{directory} holds a run already; continue it with `hwnas resume {directory}`, "
                "or choose another directory."
            )
        files.write_json(directory / "config.json", files.to_plain(config))
        return cls(directory, config)

    @classmethod
    def open(cls, directory: Path) -> "Run":
        """A run as it is now; another process may be writing to it.

        Raises:
            RunError: The directory holds no run.
            FileFormatError: Its files are damaged.
        """
        path = directory / "config.json"
        if not path.is_file():
            raise RunError(
                f"{directory} holds no run (there is no config.json); give the directory that "
                "`hwnas search` wrote."
            )
        return cls(directory, files.parse(files.read_json(path), RunConfig, source=str(path)))

    @property
    def log_path(self) -> Path:
        """The log of evaluations."""
        return self.directory / "log.jsonl"

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What was improved, in the order of `losses`."""
        return self.config.objectives

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Hard bounds, in the order of `violations`."""
        return self.config.budgets

    @cached_property
    def losses(self) -> FloatArray:
        """Shape (evaluations, objectives), minimised; NaN where it was not evaluated."""
        return _losses(self.objectives, self.values)

    @cached_property
    def violations(self) -> FloatArray:
        """Shape (evaluations, budgets), in the budgets' units; NaN where it is not known."""
        return violations(self.budgets, self.values, self.stds)

    def judged(self, budget: Budget) -> FloatArray:
        """What a budget compares with its bound (`Budget.quantile`), shape (evaluations,).

        Raises:
            InputError: It asks for confidence in what has no standard deviations.
        """
        return budget.quantile(self.values[budget.objective], self.stds.get(budget.objective))

    @cached_property
    def complete(self) -> BoolArray:
        """Which evaluations have every value, shape (evaluations,)."""
        return np.asarray(~np.isnan(np.stack(list(self.evaluations.values.values()))).any(axis=0))

    @cached_property
    def feasible(self) -> BoolArray:
        """Which evaluations are complete and meet all budgets, shape (evaluations,)."""
        return np.asarray(self.complete & (self.violations == 0).all(axis=1))

    @cached_property
    def on_front(self) -> BoolArray:
        """Which evaluations are on the front, shape (evaluations,)."""
        return self.front_of(self.values, self.stds, self.config.dominance)

    @cached_property
    def front(self) -> tuple[FrontMember, ...]:
        """The feasible evaluations that no other dominates, best first objective first.

        With noise-aware dominance, those that no other dominates beyond doubt.
        """
        return self.members(np.flatnonzero(self.on_front))

    def front_of(
        self, values: Mapping[str, FloatArray], stds: Mapping[str, FloatArray], dominance: str
    ) -> BoolArray:
        """Which evaluations would be on the front with other numbers, shape (evaluations,).

        Args:
            values: By name, each of shape (evaluations,).
            stds: Of those that have any.
            dominance: Of `DOMINANCES`.
        """
        losses = _losses(self.objectives, values)
        met = violations(self.budgets, values, stds) == 0
        feasible = np.asarray(self.complete & met.all(axis=1))
        if dominance == PLAIN:
            return non_dominated(losses, feasible=feasible)
        unknown = np.zeros(len(losses))
        columns = [stds.get(objective.name, unknown) for objective in self.objectives]
        deviations = np.nan_to_num(np.stack(columns, axis=1), nan=0.0)
        return noise_aware_front(losses, deviations, feasible=feasible)

    def members(self, indices: IntArray) -> tuple[FrontMember, ...]:
        """Evaluations by their positions in the log, best first objective first."""
        order = np.lexsort(self.losses[indices].T[::-1])
        return tuple(self.member(int(index)) for index in indices[order])

    def member(self, index: int) -> FrontMember:
        """An evaluation by its position in the log."""
        row = self.evaluations.genes[index]
        return FrontMember(
            id=self.evaluations.ids[index],
            row=tuple(int(gene) for gene in row),
            architecture=self.space.describe(row),
            values={name: float(v[index]) for name, v in self.values.items()},
            stds={n: float(v[index]) for n, v in self.stds.items() if not np.isnan(v[index])},
            predicted={
                name: float(self.evaluations.values[name][index])
                for name, (values, _) in self.measured.items()
                if not np.isnan(values[index])
            },
            feasible=bool(self.feasible[index]),
        )


def _losses(objectives: tuple[Objective, ...], values: Mapping[str, FloatArray]) -> FloatArray:
    return np.stack([objective.losses(values[objective.name]) for objective in objectives], axis=1)


def _overlaid(
    below: Mapping[str, FloatArray], above: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Arrays of the evaluations by name, those above where they are no NaN."""
    found = dict(below)
    for name, values in above.items():
        found[name] = np.where(np.isnan(values), found.get(name, np.nan), values)
    return found


def _ids(genes: IntArray) -> tuple[str, ...]:
    """A fingerprint of each row, as long as it takes to differ from those above it."""
    found: dict[str, None] = {}
    for text in row_texts(genes):
        digest = hashlib.sha256(text.encode()).hexdigest()
        length = _ID_LENGTH
        while digest[:length] in found:
            length += 1
        found[digest[:length]] = None
    return tuple(found)
