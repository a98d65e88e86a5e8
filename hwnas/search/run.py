"""The run directory: what was asked (config.json), what was found (log.jsonl), and its front."""

import csv
import hashlib
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from hwnas import files, spaces
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError, RunError
from hwnas.pareto import BoolArray, non_dominated
from hwnas.problem import Budget, Objective, violations
from hwnas.protocols import SearchSpace
from hwnas.search import log

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
        values: By name, objectives first.
        feasible: Whether it meets all budgets.
    """

    id: str
    row: tuple[int, ...]
    architecture: Mapping[str, Any]
    values: Mapping[str, float]
    feasible: bool


@dataclass(frozen=True, slots=True, eq=False)
class Evaluations:
    """All evaluations of a run, in order.

    Attributes:
        ids: One for each row.
        genes: Canonical, shape (evaluations, genes).
        values: By name, each of shape (evaluations,); NaN where a broken budget made the
            evaluation needless.
    """

    ids: tuple[str, ...]
    genes: IntArray
    values: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.ids)


class Run:
    """A run directory as it was when it was opened; never writes.

    Attributes:
        directory: Where it lies.
        config: What was asked.
        space: The search space.
        evaluations: What the log held.
    """

    def __init__(self, directory: Path, config: RunConfig) -> None:
        self.directory = directory
        self.config = config
        self.space: SearchSpace = spaces.from_definition(config.space, source=str(directory))
        names = [quantity.name for quantity in config.quantities]
        records = log.read(self.log_path, names, genes=len(self.space.cardinalities))
        self.evaluations = _evaluations(records, names, len(self.space.cardinalities))

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
        values = self.evaluations.values
        columns = [objective.losses(values[objective.name]) for objective in self.objectives]
        return np.stack(columns, axis=1)

    @cached_property
    def violations(self) -> FloatArray:
        """Shape (evaluations, budgets), in the budgets' units; NaN where it is not known."""
        return violations(self.budgets, self.evaluations.values)

    @cached_property
    def complete(self) -> BoolArray:
        """Which evaluations have every value, shape (evaluations,)."""
        return np.asarray(~np.isnan(np.stack(list(self.evaluations.values.values()))).any(axis=0))

    @cached_property
    def feasible(self) -> BoolArray:
        """Which evaluations are complete and meet all budgets, shape (evaluations,)."""
        return np.asarray(self.complete & (self.violations == 0).all(axis=1))

    @cached_property
    def front(self) -> tuple[FrontMember, ...]:
        """The feasible evaluations that no other dominates, best first objective first."""
        indices = np.flatnonzero(non_dominated(self.losses, feasible=self.feasible))
        order = np.lexsort(self.losses[indices].T[::-1])
        return tuple(self.member(int(index)) for index in indices[order])

    def member(self, index: int) -> FrontMember:
        """An evaluation by its position in the log."""
        row = self.evaluations.genes[index]
        return FrontMember(
            id=self.evaluations.ids[index],
            row=tuple(int(gene) for gene in row),
            architecture=self.space.describe(row),
            values={name: float(v[index]) for name, v in self.evaluations.values.items()},
            feasible=bool(self.feasible[index]),
        )


def write_front(run: Run) -> None:
    """Write ``front.json`` and ``front.csv``; equal logs give equal bytes.

    Raises:
        StorageError: There was no room; earlier files are untouched.
    """
    names = [quantity.name for quantity in run.config.quantities]
    content = {
        "space": run.space.name,
        "objectives": [files.to_plain(objective) for objective in run.objectives],
        "budgets": [str(budget) for budget in run.budgets],
        "evaluations": int(run.complete.sum()),
        "front": [
            {
                "id": member.id,
                "genes": list(member.row),
                "architecture": member.architecture,
                "values": dict(member.values),
            }
            for member in run.front
        ],
    }
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", *names, "architecture"])
    for member in run.front:
        values = [repr(member.values[name]) for name in names]
        writer.writerow([member.id, *values, json.dumps(member.architecture)])
    files.write_json(run.directory / "front.json", content)
    files.write_text(run.directory / "front.csv", table.getvalue())


def _evaluations(records: list[log.Record], names: list[str], genes: int) -> Evaluations:
    rows = np.array([record.genes for record in records], dtype=np.int64).reshape(-1, genes)
    values = {
        name: np.array([record.values[name] for record in records], dtype=np.float64)
        for name in names
    }
    return Evaluations(_ids(records), rows, values)


def _ids(records: list[log.Record]) -> tuple[str, ...]:
    """A fingerprint of each row, as long as it takes to differ from those above it."""
    found: dict[str, None] = {}
    for record in records:
        digest = hashlib.sha256(",".join(map(str, record.genes)).encode()).hexdigest()
        length = _ID_LENGTH
        while digest[:length] in found:
            length += 1
        found[digest[:length]] = None
    return tuple(found)
