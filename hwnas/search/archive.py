"""What earlier runs know: evaluations that a new run takes over instead of making them again.

A run keeps its own copy of them, so it needs the earlier runs no more, and is resumed alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from hwnas import files
from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import SearchStrategy
from hwnas.search.executors import Outcome
from hwnas.search.run import Run

ARCHIVE = "archive.json"


@dataclass(frozen=True, slots=True)
class Known:
    """An evaluation of an earlier run.

    Attributes:
        genes: The canonical row.
        run: Which run it is of, a position in the archive's.
        values: Of what is expensive to know, by name.
        stds: Their standard deviations, of those that have one.
    """

    genes: tuple[int, ...]
    run: int = 0
    values: dict[str, float] = field(default_factory=dict)
    stds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """Evaluations of earlier runs, each architecture once.

    Attributes:
        runs: The directories of the runs.
        evaluations: In the order of the runs, and of their logs.
    """

    runs: tuple[str, ...] = ()
    evaluations: tuple[Known, ...] = ()

    __pydantic_config__ = files.STRICT

    def __len__(self) -> int:
        return len(self.evaluations)

    @cached_property
    def genes(self) -> IntArray:
        """Canonical, shape (evaluations, genes)."""
        return np.array([known.genes for known in self.evaluations], dtype=np.int64)

    def outcomes(self, genes: IntArray) -> dict[int, Outcome]:
        """What is known of rows, by index of the row."""
        rows = enumerate(map(tuple, genes.tolist()))
        return {i: self._outcomes[row] for i, row in rows if row in self._outcomes}

    @cached_property
    def _outcomes(self) -> dict[tuple[int, ...], Outcome]:
        return {known.genes: Outcome(known.values, known.stds) for known in self.evaluations}

    @cached_property
    def sources(self) -> Mapping[tuple[int, ...], str]:
        """The run that each row comes from."""
        return {known.genes: self.runs[known.run] for known in self.evaluations}


def gathered(runs: Sequence[Run], expensive: Sequence[str]) -> Archive:
    """The archive of runs: all of their architectures of which everything expensive is known.

    What the runs had taken over from others themselves is in it too.

    Args:
        runs: Whose values can be compared.
        expensive: Names of the quantities to take over.
    """
    found: dict[tuple[int, ...], Known] = {}
    for position, run in enumerate(runs):
        for known in (*_of_log(run, expensive, position), *_of_archive(run, expensive, position)):
            found.setdefault(known.genes, known)
    return Archive(tuple(str(run.directory.resolve()) for run in runs), tuple(found.values()))


def write_archive(directory: Path, archive: Archive) -> None:
    """Keep an archive in a run's directory; StorageError when that fails."""
    content = {"runs": archive.runs, "evaluations": archive.evaluations}
    files.write_lines(directory / ARCHIVE, content, listed=("evaluations",))


def read_archive(directory: Path) -> Archive:
    """The archive of a run's directory; an empty one where it began with nothing.

    Raises:
        FileFormatError: The file is damaged.
    """
    path = directory / ARCHIVE
    if not path.is_file():
        return Archive()
    return files.parse(files.read_json(path), Archive, source=str(path))


class WarmStarted:
    """A strategy that is told what an archive knows before it is first asked.

    Args:
        strategy: Before its first proposal.
        archive: With evaluations; they are the first proposals.
    """

    def __init__(self, strategy: SearchStrategy, archive: Archive) -> None:
        self._strategy = strategy
        self._left: IntArray | None = archive.genes

    def ask(self) -> IntArray:
        """First the rows of the archive, then what the strategy proposes."""
        if self._left is None:
            return self._strategy.ask()
        genes, self._left = self._left, None
        return genes

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """Hand on what became of proposals."""
        self._strategy.tell(genes, losses, violations)


def _of_log(run: Run, expensive: Sequence[str], position: int) -> list[Known]:
    values, stds = run.evaluations.values, run.evaluations.stds
    return [
        Known(
            tuple(run.evaluations.genes[i].tolist()),
            position,
            {name: float(values[name][i]) for name in expensive},
            {n: float(stds[n][i]) for n in expensive if n in stds and not np.isnan(stds[n][i])},
        )
        for i in range(len(run.evaluations))
        if not any(np.isnan(values[name][i]) for name in expensive)
    ]


def _of_archive(run: Run, expensive: Sequence[str], position: int) -> list[Known]:
    return [
        Known(known.genes, position, {n: known.values[n] for n in expensive}, known.stds)
        for known in read_archive(run.directory).evaluations
        if all(name in known.values for name in expensive)
    ]
