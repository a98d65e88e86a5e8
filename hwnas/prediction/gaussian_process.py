"""Gaussian processes on architectures; with a linear and a product kernel, Bayesian ridge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from hwnas.catalog import FloatArray, IntArray
from hwnas.prediction.features import Encoding

_WIDTHS = (-6.0, 3.0)  # bounds of logarithms, for values of deviation one
_NOISE = (-5.0, 1.0)
_TUNED_ON = 600  # rows that hyper-parameters are chosen on; all rows are fitted
_CHUNK = 4096

Features = tuple[FloatArray, FloatArray]
Gram = Callable[[Features, Features], FloatArray]


def _additive(a: Features, b: Features) -> FloatArray:
    """Every gene on its own: the part of genes in which two architectures agree."""
    return np.asarray(a[0] @ b[0].T)


def _pairs(a: Features, b: Features) -> FloatArray:
    """Every pair of genes on its own."""
    return np.asarray((a[0] @ b[0].T) ** 2)


def _smooth(a: Features, b: Features) -> FloatArray:
    """Squares and products of the smooth numbers; constant where there are none."""
    return np.asarray((1.0 + a[1] @ b[1].T) ** 2)


def _near(a: Features, b: Features) -> FloatArray:
    """Falls with the number of genes in which two architectures differ."""
    return np.asarray(np.exp(-8.0 * (1.0 - a[0] @ b[0].T)))


def _near_smooth(a: Features, b: Features) -> FloatArray:
    """Falls with the distance between the smooth numbers."""
    squared = (a[1] ** 2).sum(1)[:, None] + (b[1] ** 2).sum(1) - 2.0 * a[1] @ b[1].T
    return np.asarray(np.exp(-0.5 * np.maximum(squared, 0.0)))


RIDGE: tuple[Gram, ...] = (_additive, _pairs, _smooth)
"""Of ridge regression on one-hots and pairs, in its dual form (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, section 2.1)."""
PROCESS: tuple[Gram, ...] = (_additive, _smooth, _near, _near_smooth)


@dataclass(frozen=True, slots=True, eq=False)
class GaussianProcess:
    """A fitted process.

    Attributes:
        encoding: Of the genes.
        grams: Its kernels.
        widths: The variance of each, in units of the values' variance.
        noise: Variance of what architectures do not explain, in the same unit.
        known: Features of the rows it was fitted on.
        factor: Cholesky factor of their covariance, lower.
        weights: Of the rows.
        location: Mean and deviation of the values.
        standard: Mean and deviation of the smooth numbers.
    """

    encoding: Encoding
    grams: tuple[Gram, ...]
    widths: FloatArray
    noise: float
    known: Features
    factor: FloatArray
    weights: FloatArray
    location: tuple[float, float]
    standard: tuple[FloatArray, FloatArray]

    def predict(self, genes: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, noise included, each of shape (architectures,)."""
        starts = range(0, max(len(genes), 1), _CHUNK)
        parts = [self._chunk(genes[start : start + _CHUNK]) for start in starts]
        mean, std = (np.concatenate(each) for each in zip(*parts, strict=True))
        return mean, std

    def _chunk(self, genes: IntArray) -> tuple[FloatArray, FloatArray]:
        own = _features(self.encoding, genes, self.standard)
        grams = [w * gram(own, self.known) for w, gram in zip(self.widths, self.grams, strict=True)]
        across = sum(grams[1:], grams[0])
        reached = solve_triangular(self.factor, across.T, lower=True)
        variance = _diagonal(self.grams, self.widths, own) - (reached**2).sum(axis=0)
        centre, scale = self.location
        std = scale * np.sqrt(np.maximum(variance, 0.0) + self.noise)
        return centre + scale * (across @ self.weights), std


def fit_process(
    encoding: Encoding, genes: IntArray, values: FloatArray, *, grams: Sequence[Gram]
) -> GaussianProcess:
    """A process whose widths and noise maximise the marginal likelihood.

    Args:
        encoding: Of the genes.
        genes: Canonical, shape (architectures, genes).
        values: Shape (architectures,).
        grams: Kernels to add up.
    """
    smooth = encoding.smooth(genes)
    spread = smooth.std(axis=0)
    standard = (smooth.mean(axis=0), np.where(spread > 0, spread, 1.0))
    known = _features(encoding, genes, standard)
    location = (float(values.mean()), float(values.std()) or 1.0)
    centred = (values - location[0]) / location[1]
    blocks = np.stack([gram(known, known) for gram in grams])
    few = np.arange(len(values))[:: -(-len(values) // _TUNED_ON)]
    widths, noise = _tuned(blocks[:, few[:, None], few], centred[few])
    covariance = np.tensordot(widths, blocks, axes=1) + noise * np.eye(len(values))
    factor = cholesky(covariance, lower=True)
    return GaussianProcess(
        encoding=encoding,
        grams=tuple(grams),
        widths=widths,
        noise=noise,
        known=known,
        factor=factor,
        weights=cho_solve((factor, True), centred),
        location=location,
        standard=standard,
    )


def _tuned(blocks: FloatArray, centred: FloatArray) -> tuple[FloatArray, float]:
    """Variances of the kernels and of the noise."""
    identity = np.eye(len(centred))

    def surprise(logs: FloatArray) -> tuple[float, FloatArray]:
        variances = np.exp(2 * logs)
        covariance = np.tensordot(variances[:-1], blocks, axes=1) + variances[-1] * identity
        factor = cho_factor(covariance, lower=True)
        inverse = cho_solve(factor, identity)
        weights = inverse @ centred
        left = inverse - np.outer(weights, weights)
        slopes = [np.vdot(left, block) for block in blocks] + [float(np.trace(left))]
        value = 0.5 * centred @ weights + np.log(np.diag(factor[0])).sum()
        return float(value), np.array(slopes) * variances

    start = np.array([-0.5] * len(blocks) + [-1.5])
    bounds = [_WIDTHS] * len(blocks) + [_NOISE]
    options = {"maxiter": 40}
    found = minimize(surprise, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    variances = np.exp(2 * found.x)
    return variances[:-1], float(variances[-1])


def _features(
    encoding: Encoding, genes: IntArray, standard: tuple[FloatArray, FloatArray]
) -> Features:
    """One-hots of length one together, and standardised smooth numbers."""
    hot = encoding.one_hots(genes) / np.sqrt(len(encoding.cardinalities))
    return hot, (encoding.smooth(genes) - standard[0]) / standard[1]


def _diagonal(grams: Sequence[Gram], widths: FloatArray, own: Features) -> FloatArray:
    """Prior variance of each architecture: only that of `_smooth` is not 1."""
    lengths = (1.0 + (own[1] ** 2).sum(axis=1)) ** 2
    ones = np.ones(len(lengths))
    parts = [w * (lengths if g is _smooth else ones) for w, g in zip(widths, grams, strict=True)]
    return np.asarray(sum(parts[1:], parts[0]))
