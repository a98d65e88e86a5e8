"""Bayesian linear regression in closed form: costs of layers from latencies of networks."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError

INTERCEPT_VARIANCE = 100.0
"""Prior variance of the overhead in units of the variance of what was measured: all but flat."""

LEAST_NETWORKS = 3
"""Different networks, of which fewer tell nothing about layers."""

_BLOCK = 8192  # networks predicted at a time, so that temporaries stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What is known of every layer's cost, and with it of every network's latency.

    Attributes:
        costs_ms: Expected cost of each layer, shape (layers,); only sums over networks of the
            space mean anything where layers never change independently.
        overhead_ms: Expected latency of a network without layers.
        covariance: Of the costs and, last, the overhead, square milliseconds, shape
            (layers + 1, layers + 1).
        noise_ms: Standard deviation of what no sum of costs explains: measurement noise and
            what is not additive.
    """

    costs_ms: FloatArray
    overhead_ms: float
    covariance: FloatArray
    noise_ms: float

    def means(self, counts: FloatArray) -> FloatArray:
        """Expected latencies in milliseconds, shape (networks,).

        Args:
            counts: How often each layer is in each network, shape (networks, layers).
        """
        return np.asarray(self.overhead_ms + counts @ self.costs_ms)

    def deviations(self, counts: FloatArray) -> FloatArray:
        """Standard deviations of what would be measured, the noise included, shape (networks,).

        Args:
            counts: How often each layer is in each network, shape (networks, layers).
        """
        within, across = self.covariance[:-1, :-1], self.covariance[:-1, -1]
        variances = np.empty(len(counts))
        for start in range(0, len(counts), _BLOCK):
            block = counts[start : start + _BLOCK]
            variances[start : start + _BLOCK] = np.einsum("ij,ij->i", block @ within, block)
        return self._with_noise(variances + 2 * (counts @ across))

    def means_of(self, layer_indices: IntArray) -> FloatArray:
        """Expected latencies of networks given as layers, shape (networks,).

        Args:
            layer_indices: Positions in a catalog whose first layer is the empty one, as
                `SearchSpace.layer_indices` gives them, shape (networks, slots).
        """
        costs = np.concatenate([[0.0], self.costs_ms[1:]])
        means = np.full(len(layer_indices), self.overhead_ms)
        for slot in layer_indices.T:
            means += costs.take(slot)
        return means

    def deviations_of(self, layer_indices: IntArray) -> FloatArray:
        """Standard deviations of networks given as layers, as `deviations`.

        Takes time with the square of the slots, whatever the size of the catalog.

        Args:
            layer_indices: As for `means_of`.
        """
        table = self.covariance[:-1, :-1].copy()
        across = self.covariance[:-1, -1].copy()
        table[0], table[:, 0], across[0] = 0, 0, 0
        flat, layers = table.ravel(), len(table)
        variances = np.empty(len(layer_indices))
        for start in range(0, len(layer_indices), _BLOCK):
            slots = layer_indices[start : start + _BLOCK].T.astype(np.int64, copy=True)
            total = 2 * across.take(slots).sum(axis=0)
            for i, slot in enumerate(slots):
                total += flat.take(slot * (layers + 1))
                if i:
                    total += 2 * flat.take(slot * layers + slots[:i]).sum(axis=0)
            variances[start : start + _BLOCK] = total
        return self._with_noise(variances)

    def _with_noise(self, variances: FloatArray) -> FloatArray:
        # rounding may leave a network that is known exactly slightly below 0
        explained = np.maximum(variances + self.covariance[-1, -1], 0.0)
        return np.asarray(np.sqrt(explained + self.noise_ms**2))


def solve(
    design: FloatArray, target: FloatArray, *, covariance: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Posterior mean and covariance of costs and, last, of the intercept.

    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 2.1; exact for
    any design, also a singular one or one with fewer networks than layers.

    Args:
        design: Shape (networks, layers).
        target: Shape (networks,); in units of its own standard deviation about its mean.
        covariance: Prior covariance of the costs, shape (layers, layers).
        noise: Variance of each target, shape (networks,).

    Returns:
        Shapes (layers + 1,) and (layers + 1, layers + 1).
    """
    layers = design.shape[1]
    rows, values = reduced(with_intercept(design), target, noise=noise)
    prior = np.zeros((layers + 1, layers + 1))
    prior[:-1, :-1], prior[-1, -1] = covariance, INTERCEPT_VARIANCE
    spread = prior @ rows.T
    marginal = rows @ spread
    marginal[np.diag_indices(len(marginal))] += 1
    gain = cho_solve(cho_factor(marginal, lower=True), spread.T).T
    posterior = prior - gain @ spread.T
    return gain @ values, (posterior + posterior.T) / 2


def with_intercept(design: FloatArray) -> FloatArray:
    """The design and, last, a column of ones, shape (networks, layers + 1)."""
    return np.column_stack([design, np.ones(len(design))])


def reduced(
    design: FloatArray, target: FloatArray, *, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Rows and values of unit noise that tell as much, no more of them than columns.

    Returns:
        Shapes (rows, columns) and (rows,).
    """
    weight = 1 / np.sqrt(noise)
    rows, values = design * weight[:, None], target * weight
    if len(rows) <= design.shape[1]:
        return rows, values
    orthogonal, triangular = np.linalg.qr(rows)
    return triangular, orthogonal.T @ values


def checked(counts: FloatArray, measured_ms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same arrays as floats.

    Raises:
        InputError: They do not fit together, hold what cannot have been measured, or are too few
            or too alike to tell anything about layers.
    """
    counts = np.asarray(counts, dtype=np.float64)
    measured = np.asarray(measured_ms, dtype=np.float64)
    if counts.ndim != 2 or measured.shape != counts.shape[:1]:
        raise InputError(
            "Expected counts of shape (networks, layers) and one latency for each network; got "
            f"shapes {counts.shape} and {measured.shape}."
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise InputError("Counts of layers hold numbers that are negative or not finite.")
    wrong = ~(np.isfinite(measured) & (measured > 0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(
            f"{int(wrong.sum())} of {len(measured)} latencies cannot have been measured: network "
            f"{first} took {measured[first]} ms; expected finite numbers above 0. Measure again."
        )
    different = len(np.unique(counts, axis=0))
    if different < LEAST_NETWORKS:
        raise InputError(
            f"{different} different networks cannot tell what their layers cost; measure at least "
            f"{LEAST_NETWORKS}, better one for each kind of layer."
        )
    if np.ptp(measured) <= 1e-9 * np.mean(measured):
        raise InputError(
            f"All {len(measured)} networks took {measured[0]} ms, so nothing tells their layers "
            "apart; measure with a finer clock, or networks that differ more."
        )
    return counts, measured
