"""The seams of hwnas. A plug-in is one file in a plug-in folder that fills one of them.

Everything that varies between users varies behind one of these five: what can be built
(SearchSpace), what it is worth (Estimator), where to look next (SearchStrategy), how a device is
reached (Transport), and how a model file is timed there (Runtime).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hwnas.catalog import FloatArray, IntArray, LayerCatalog
from hwnas.layers import LayerSpec
from hwnas.problem import Objective


class SearchSpace(Protocol):
    """A set of architectures, each a row of integers. ``hwnas/spaces/<family>.py``.

    An implementation must not cost, train or time anything: it only says what layers there are.
    """

    @property
    def name(self) -> str:
        """A preset's name, or the stem of the file it came from."""

    @property
    def cardinalities(self) -> IntArray:
        """Number of choices of each gene, shape (genes,), each at least 2."""

    @property
    def catalog(self) -> LayerCatalog:
        """The distinct layers of all architectures."""

    @property
    def slot_layers(self) -> tuple[LayerSpec, ...]:
        """Slot by slot, the largest layer: what weight sharing cuts all others from."""

    def canonical(self, genes: IntArray) -> IntArray:
        """Genes without effect set to 0, so that one network is one row; same shape."""

    def layer_indices(self, genes: IntArray) -> IntArray:
        """Catalog indices, shape (architectures, slots); absent slots point at layer 0."""

    def sample(self, count: int, rng: np.random.Generator) -> IntArray:
        """Random canonical architectures, shape (count, genes); duplicates are possible."""

    def describe(self, row: IntArray) -> dict[str, Any]:
        """An architecture in readable form, which `parse` reads back."""

    def parse(self, mapping: Mapping[str, Any]) -> IntArray:
        """A readable form as a canonical row, shape (genes,); InputError when it does not fit."""

    def definition(self) -> dict[str, Any]:
        """Plain data from which the same space can be built again."""


def architecture_layers(space: SearchSpace, row: IntArray) -> tuple[LayerSpec, ...]:
    """The layers of one architecture in order, without empty ones."""
    indices = space.layer_indices(np.asarray(row)[None, :])[0]
    return tuple(space.catalog.layers[index] for index in indices if index)


@dataclass(frozen=True)
class Estimate:
    """Values of one objective for a population, in the objective's unit.

    Attributes:
        mean: Shape (architectures,).
        deviation: The standard deviation, or a function that works it out where that costs more
            than the mean, because most callers ask for the mean alone. None when the values are
            exact or nothing states how far off they are.
    """

    mean: FloatArray
    deviation: FloatArray | Callable[[], FloatArray | None] | None = None

    @cached_property
    def std(self) -> FloatArray | None:
        """Standard deviation, shape (architectures,); NaN where unknown, None as `deviation`."""
        return self.deviation() if callable(self.deviation) else self.deviation


class Estimator(Protocol):
    """Where one objective's numbers come from. ``hwnas/estimators/<name>.py``.

    The file offers ``OBJECTIVES``, the objectives it can estimate, and ``create(objective,
    context)``. It must not import a heavy package before ``create``.
    """

    @property
    def objective(self) -> Objective:
        """What is estimated."""

    @property
    def cheap(self) -> bool:
        """Whether asking costs nothing: then any number of architectures may be asked for."""

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for canonical genes, shape (architectures, genes). Deterministic."""


@runtime_checkable
class FidelityEstimator(Estimator, Protocol):
    """An expensive estimator that can also be asked for less, which costs less and is rougher."""

    def estimate_at(self, genes: IntArray, fidelity: float) -> Estimate:
        """As `estimate`, for about ``fidelity`` of its cost, above 0 and below 1. Deterministic."""


class SearchStrategy(Protocol):
    """Where to look next. ``hwnas/strategies/<name>.py`` offers ``create(problem)``.

    What earlier searches know is told before the first ask, though it never proposed it.

    A strategy must not evaluate anything; everything it sees is minimised. Equal seeds and
    equal answers give equal proposals.
    """

    def ask(self) -> IntArray:
        """The next canonical genes, shape (batch, genes), none told before; empty when done."""

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be.

        Args:
            genes: Shape (batch, genes).
            losses: Shape (batch, objectives); NaN is refused with InputError.
            violations: How far beyond each budget, shape (batch, budgets); 0 is feasible.
        """


@dataclass(frozen=True, slots=True)
class KnownLosses:
    """What costs nothing to know of an architecture, before it is evaluated.

    Attributes:
        objectives: Columns of the losses, in the order of ``of``.
        budgets: Columns of the violations, in the order of ``of``.
        of: Their values as `SearchStrategy.tell` gives them: from canonical genes of shape
            (architectures, genes), losses (architectures, objectives) and violations
            (architectures, budgets).
        margins: As the violations, but below 0 where a budget holds: how much there is to
            spare. None where nobody says so.
    """

    objectives: tuple[int, ...]
    budgets: tuple[int, ...]
    of: Callable[[IntArray], tuple[FloatArray, FloatArray]]
    margins: Callable[[IntArray], FloatArray] | None = None


@dataclass(frozen=True, slots=True)
class StrategyProblem:
    """All that a strategy may know of the space.

    Attributes:
        cardinalities: Number of choices of each gene, shape (genes,).
        canonical: As `SearchSpace.canonical`; the identity for a bare table.
        objectives: Number of losses.
        budgets: Number of violations.
        seed: Of everything random in the strategy.
        batch: Preferred number of architectures an ask; also the population size.
        known: What may be asked of any number of architectures; None where all is expensive.
        archive: Canonical rows that earlier searches evaluated, shape (rows, genes): told before
            the first ask, and never to be proposed. None where there are none.
    """

    cardinalities: IntArray
    canonical: Callable[[IntArray], IntArray]
    objectives: int
    budgets: int
    seed: int
    batch: int
    known: KnownLosses | None = None
    archive: IntArray | None = None


class Transport(Protocol):
    """How a device is reached. ``hwnas/devices/transports/<name>.py``.

    The file offers ``create(device, workdir)`` and ``reachable(device)``. A transport moves files
    and runs commands in one working directory on the device. It must not know what a model is.
    """

    def push(self, files: Sequence[Path]) -> None:
        """Copy files into the working directory, replacing those of the same name."""

    def run(self, argv: Sequence[str], *, timeout_s: float, on_line: Callable[[str], None]) -> None:
        """Run a command in the working directory, handing over each line of its output at once.

        The command's standard input stays open as long as somebody here wants it.

        Raises:
            ConnectionLostError: The device was lost meanwhile; trying again may help.
            TransportError: It could not be started, failed, or took longer than ``timeout_s``;
                with the end of what it wrote to standard error.
        """

    def pull(self, name: str) -> bytes | None:
        """Content of a file in the working directory; None when there is no such file."""

    def remove(self, names: Sequence[str]) -> None:
        """Delete files from the working directory; missing ones are no error."""

    def close(self) -> None:
        """Delete the working directory with all that is in it, and give the connection up."""


class Runtime(Protocol):
    """How a model file is timed on the device. ``hwnas/runtimes/<name>.py`` is such a module.

    The file itself is pushed beside the agent: at import it needs Python 3.8 and the standard
    library alone, and nothing of hwnas.
    """

    MODEL_FORMAT: str
    """Name of the module in ``hwnas/graphs`` that writes its models; also the file's ending."""

    PRECISIONS: tuple[str, ...]
    """Precisions it can run, such as ``fp32``."""

    def version(self) -> str:
        """Version of the installed runtime; ImportError when there is none."""

    def load(self, path: str, threads: int) -> Callable[[], object]:
        """A model file as a function that runs it once on random input of the model's shape.

        Raises:
            ValueError: The file is no model, or one that the runtime cannot run.
        """

    def outputs(self, path: str, inputs: Any) -> Any:
        """What a model file says of each of N inputs, on the machine that calls; not for timing.

        Args:
            path: Of a model with one input and one output.
            inputs: Array of shape (N, C, H, W), fp32.

        Returns:
            Array of shape (N, classes).
        """
