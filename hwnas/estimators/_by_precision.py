"""An objective at several precisions: each row is estimated at the precision of its gene."""

from collections.abc import Sequence

import numpy as np

from hwnas.catalog import IntArray
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator
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
        """Values for canonical genes of the space, shape (architectures, genes)."""
        precisions, base_genes = self._space.split(genes)
        mean, std = np.empty(len(genes)), np.zeros(len(genes))
        has_std = False
        for index, part in enumerate(self._parts):
            rows = np.flatnonzero(precisions == index)
            if len(rows):
                estimate = part.estimate(base_genes[rows])
                mean[rows] = estimate.mean
                if estimate.std is not None:
                    std[rows], has_std = estimate.std, True
        return Estimate(mean, std if has_std else None)
