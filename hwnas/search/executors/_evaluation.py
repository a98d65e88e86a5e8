"""One architecture evaluated: in this process, or in a worker that built its estimators itself."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwnas.catalog import IntArray
from hwnas.errors import DeviceError, HwnasError, InputError
from hwnas.protocols import Estimate, Estimator, FidelityEstimator, SearchSpace
from hwnas.search.evaluating import estimate_of
from hwnas.search.executors import Built, Outcome, Recipe

FAILURES = (
    ArithmeticError, DeviceError, LookupError, MemoryError, OSError, RuntimeError, ValueError,
)  # fmt: skip
"""What an estimator raises when one evaluation fails: another attempt, or another architecture,
may go well. What it refuses (NaN) and its bugs (TypeError and the like) end the search."""


def evaluate(
    space: SearchSpace, estimators: Sequence[Estimator], row: IntArray, *, fidelity: float = 1.0
) -> Outcome:
    """What all estimators say of one row, or why one of them failed.

    Raises:
        HwnasError: What an estimator refuses.
    """
    asked = [each if fidelity == 1 else AtFidelity(each, fidelity) for each in estimators]
    try:
        estimates = {e.objective.name: estimate_of(e, row[None, :], space) for e in asked}
        stds = {n: float(e.std[0]) for n, e in estimates.items() if e.std is not None}
    except FAILURES as error:
        return Outcome(failure=f"{type(error).__name__}: {error}".strip(": "))
    return Outcome(
        {name: float(estimate.mean[0]) for name, estimate in estimates.items()},
        {name: std for name, std in stds.items() if not np.isnan(std)},
    )


class AtFidelity:
    """An estimator that is asked for less than a full evaluation.

    Args:
        estimator: One that offers fidelities.
        fidelity: Which.

    Raises:
        InputError: It offers none.
    """

    cheap = False

    def __init__(self, estimator: Estimator, fidelity: float) -> None:
        if not isinstance(estimator, FidelityEstimator):
            raise InputError(
                f"{estimator.objective.name} is estimated by "
                f"{type(estimator).__module__.rpartition('.')[2]}, which has no fidelities; search "
                "without them."
            )
        self.objective = estimator.objective
        self._estimator = estimator
        self._fidelity = fidelity

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for canonical genes, shape (architectures, genes)."""
        return self._estimator.estimate_at(genes, self._fidelity)


class Worker:
    """Estimators in a process of their own, built when the first row is asked for.

    It takes and gives plain data, which any channel between processes can carry.
    """

    def __init__(self, function: str, arguments: Sequence[str]) -> None:
        self._function = function
        self._arguments = arguments
        self._built: Built | None = None

    def answer(self, row: Sequence[int], fidelity: float) -> dict[str, Any]:
        """Values, deviations and failure of one row; or only ``refused``, with the sentence."""
        try:
            if self._built is None:
                module, _, name = self._function.partition(":")
                self._built = getattr(importlib.import_module(module), name)(*self._arguments)
            space, estimators = self._built
            outcome = evaluate(space, estimators, np.array(row, dtype=np.int64), fidelity=fidelity)
        except HwnasError as error:
            return {"refused": str(error)}
        return {
            "values": dict(outcome.values), "stds": dict(outcome.stds), "failure": outcome.failure,
        }  # fmt: skip


def understood(answer: Mapping[str, Any]) -> Outcome:
    """A worker's answer as an outcome.

    Raises:
        InputError: With the sentence that the worker gave.
    """
    if "refused" in answer:
        raise InputError(answer["refused"])
    return Outcome(answer["values"], answer["stds"], answer["failure"])


def required(recipe: Recipe | None) -> Recipe:
    """A recipe, without which there can be no workers in other processes."""
    if recipe is None:
        raise InputError(
            "Workers in other processes need a recipe of their estimators; give one, or use the "
            "serial executor."
        )
    return recipe
