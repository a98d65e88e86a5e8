"""Executors: one file for each place where expensive estimators are asked.

An executor decides where and when, never what: the same evaluations come of every one. Workers
in other processes build their estimators themselves, from plain data (`Recipe`); nothing but rows
of genes and numbers passes between them and the search.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hwnas import plugins
from hwnas.catalog import IntArray
from hwnas.protocols import Estimator, SearchSpace

SERIAL = "serial"
RAY_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of evaluating one architecture.

    Attributes:
        values: By the name of each expensive objective; empty when it failed.
        stds: Standard deviations of those that have one.
        failure: Why it failed; empty when it did not.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    stds: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a worker builds its space and estimators, as plain data.

    Attributes:
        function: As ``package.module:name``, importable wherever the workers are. Called with
            the arguments it returns the search space and its expensive estimators.
        arguments: Such as the absolute path of a run's directory.
    """

    function: str
    arguments: tuple[str, ...] = ()


Built = tuple[SearchSpace, Sequence[Estimator]]
"""What a recipe's function returns."""


@dataclass(frozen=True, slots=True)
class ExecutorContext:
    """What executors may need.

    Attributes:
        build: Space and expensive estimators in this process.
        recipe: The same for other processes; None where there is none.
        workers: Evaluations at a time; 0 for one a processor core.
        ray_address: Of a Ray cluster; empty where none is used.
        ray_timeout_s: How long that may take to answer at all.
    """

    build: Callable[[], Built]
    recipe: Recipe | None = None
    workers: int = 0
    ray_address: str = ""
    ray_timeout_s: float = RAY_TIMEOUT_S


class Executor(Protocol):
    """Where rows are evaluated. ``hwnas/search/executors/<name>.py`` offers ``create(context)``.

    An executor must not retry, reorder or drop anything: `hwnas.search.dispatch` does.
    """

    @property
    def slots(self) -> int:
        """How many rows may be submitted and not yet be answered."""

    def submit(self, job: int, row: IntArray, *, fidelity: float) -> None:
        """Begin to evaluate a row.

        Args:
            job: Its number in `wait`.
            row: Canonical, shape (genes,).
            fidelity: 1 for a full evaluation, else one that the estimators offer.
        """

    def wait(self) -> tuple[int, Outcome]:
        """The next row to be done, in whatever order; waits for it.

        Raises:
            HwnasError: What an estimator refuses, such as NaN.
            RunError: Workers cannot work at all.
        """

    def close(self) -> None:
        """End all workers, whatever they are doing."""


def names() -> tuple[str, ...]:
    """Names of the known executors."""
    return plugins.names(__name__)


def create(name: str, context: ExecutorContext) -> Executor:
    """An executor, whose workers start when the first rows are submitted.

    Raises:
        UnknownNameError: There is no such executor.
        InputError: It cannot be had as asked; says why.
    """
    made: Executor = plugins.load(__name__, name, what="executor").create(context)
    return made
