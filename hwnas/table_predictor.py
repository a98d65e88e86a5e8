"""Latencies of networks given as layers of a table or of a catalog, with their uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwnas.calibration.regression import Posterior
from hwnas.calibration.residual import Correction
from hwnas.catalog import FloatArray, IntArray, total


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """What layers cost, the empty one first, and what is uncertain of it.

    Attributes:
        costs_ms: Of each layer, shape (layers,); 0 for the empty one.
        overhead_ms: Of a network without layers.
        posterior: Of the same costs; None where nothing was learned from whole networks.
        noise: Standard deviation of what no sum of costs explains, relative to a latency.
        correction: What sums miss, where latency is not additive; it then knows all deviations.
    """

    costs_ms: FloatArray
    overhead_ms: float
    posterior: Posterior | None = None
    noise: float = 0.0
    correction: Correction | None = None

    @classmethod
    def of(cls, posterior: Posterior, noise: float, correction: Correction | None) -> "Predictor":
        """One of a posterior of layers among which the empty one is not."""
        known = len(posterior.costs_ms)
        covariance = np.zeros((known + 2, known + 2))
        covariance[1:, 1:] = posterior.covariance
        costs = np.concatenate([[0.0], posterior.costs_ms])
        overhead = posterior.overhead_ms
        padded_posterior = Posterior(costs, overhead, covariance, posterior.noise_ms)
        return cls(costs, overhead, padded_posterior, noise, correction)

    def means(self, layer_indices: IntArray) -> FloatArray:
        """Expected latencies in milliseconds, shape (networks,).

        Args:
            layer_indices: Shape (networks, slots).
        """
        sums = self.overhead_ms + total(self.costs_ms, layer_indices)
        if self.correction is not None:
            sums *= 1 + self.correction.means(layer_indices)
        return sums

    def deviations(self, layer_indices: IntArray) -> FloatArray | None:
        """Standard deviations of what would be measured, shape (networks,); None if not known.

        Args:
            layer_indices: As for `means`.
        """
        if self.posterior is None:
            return None
        if self.correction is not None:
            sums = self.overhead_ms + total(self.costs_ms, layer_indices)
            return sums * self.correction.deviations(layer_indices)
        uncertain = self.posterior.deviations_of(layer_indices)
        return np.hypot(uncertain, self.noise * self.means(layer_indices))

    def only(self, chosen: Sequence[int]) -> "Predictor":
        """The predictor of some of its layers in another order; the first must be the empty one.

        Args:
            chosen: Positions of the layers.
        """
        costs = self.costs_ms[list(chosen)]
        if self.posterior is None:
            return replace(self, costs_ms=costs)
        rows = np.array([*chosen, len(self.costs_ms)])
        covariance = self.posterior.covariance[np.ix_(rows, rows)]
        posterior = replace(self.posterior, costs_ms=costs, covariance=covariance)
        correction = None if self.correction is None else self.correction.only(np.array(chosen))
        return replace(self, costs_ms=costs, posterior=posterior, correction=correction)


def padded(networks: Sequence[Sequence[int]]) -> IntArray:
    """Networks as layer indices, the empty layer at 0 where one is shorter than the longest.

    Args:
        networks: Positions of layers, the first that is not empty being 0.
    """
    indices = np.zeros((len(networks), max(map(len, networks), default=0)), dtype=np.int64)
    for row, layers in zip(indices, networks, strict=True):
        row[: len(layers)] = np.array(layers, dtype=np.int64) + 1
    return indices
