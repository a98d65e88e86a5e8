"""What predictors see of an architecture: its genes as one-hots, and a few smooth numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwnas.catalog import FloatArray, IntArray, total
from hwnas.protocols import SearchSpace

TRIVIAL = ("macs", "params", "depth")
"""Numbers that rank architectures without any evaluation; predictors must beat them."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """How genes become numbers.

    Attributes:
        cardinalities: Number of choices of each gene, shape (genes,).
        trivial: The numbers `TRIVIAL` of canonical genes, shape (architectures, 3); None for a
            bare table, of which nothing but genes is known.
    """

    cardinalities: IntArray
    trivial: Callable[[IntArray], FloatArray] | None = None

    def one_hots(self, genes: IntArray) -> FloatArray:
        """Shape (architectures, sum of cardinalities)."""
        offsets = np.concatenate([[0], np.cumsum(self.cardinalities)[:-1]])
        result = np.zeros((len(genes), int(self.cardinalities.sum())))
        np.put_along_axis(result, genes + offsets, 1.0, axis=1)
        return result

    def smooth(self, genes: IntArray) -> FloatArray:
        """Logarithms of the trivial numbers, shape (architectures, 3); none for a bare table."""
        if self.trivial is None:
            return np.zeros((len(genes), 0))
        return np.log(np.maximum(self.trivial(genes), 1.0))


def encoding_of(space: SearchSpace) -> Encoding:
    """The encoding of a space; depth is the number of an architecture's layers."""
    catalog = space.catalog

    def trivial(genes: IntArray) -> FloatArray:
        indices = space.layer_indices(genes)
        return np.stack(
            [
                total(catalog.macs, indices),
                total(catalog.params, indices),
                (indices > 0).sum(axis=1).astype(np.float64),
            ],
            axis=1,
        )

    return Encoding(space.cardinalities, trivial)
