"""An objective at several precisions: each row is estimated at the precision of its gene."""

from collections.abc import Callable, Sequence

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator, FidelityEstimator
from hwnas.spaces.precision_choice import PrecisionSpace


class ByPrecision:
    """Splits a population by its precision gene, so that no other estimator knows of it.

    Args:
        space: Whose genes are asked about.
        parts: One estimator on the base space for each of the space's precisions.
    """

    def __init__(self, space: PrecisionSpace, parts: Sequence[Estimator]) -> None:
        self._space = space
        self._parts = parts

    @property
    def objective(self) -> Objective:
        """The parts' common objective."""
        return self._parts[0].objective

    @property
    def cheap(self) -> bool:
        """Whether all parts are."""
        return all(part.cheap for part in self._parts)

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for canonical genes of the space, shape (architectures, genes).

        Deviations are NaN at precisions whose part has none, and None where no part has any.
        """
        return self._estimate(genes, lambda part, rows: part.estimate(rows))

    def estimate_at(self, genes: IntArray, fidelity: float) -> Estimate:
        """The same at a fidelity, which all parts must offer."""

        def ask(part: Estimator, rows: IntArray) -> Estimate:
            if not isinstance(part, FidelityEstimator):
                raise InputError(f"{self.objective.name} has no fidelities; search without them.")
            return part.estimate_at(rows, fidelity)

        return self._estimate(genes, ask)

    def _estimate(
        self, genes: IntArray, ask: Callable[[Estimator, IntArray], Estimate]
    ) -> Estimate:
        precisions, base_genes = self._space.split(genes)
        mean, found = np.empty(len(genes)), []
        for index, part in enumerate(self._parts):
            rows = np.flatnonzero(precisions == index)
            if len(rows):
                estimate = ask(part, base_genes[rows])
                mean[rows] = estimate.mean
                found.append((rows, estimate))

        def deviation() -> FloatArray | None:
            std = np.full(len(genes), np.nan)
            for rows, estimate in found:
                std[rows] = np.nan if estimate.std is None else estimate.std
            return None if all(estimate.std is None for _, estimate in found) else std

        return Estimate(mean, deviation)
