"""Linear regression with Gaussian priors, whose widths the data choose, group by group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from hwnas.catalog import FloatArray

_NOISE_BOUNDS = (-7.0, 1.0)  # logarithms of deviations, for values of deviation one
_WIDTH_BOUNDS = (-8.0, 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What is known of a linear function's weights.

    Attributes:
        intercept: Mean of the values; features are taken as centred.
        weights: Mean, shape (features,).
        covariance: Shape (features, features).
        noise_std: Deviation of what the features do not explain.
    """

    intercept: float
    weights: FloatArray
    covariance: FloatArray
    noise_std: float

    def mean(self, features: FloatArray) -> FloatArray:
        """Of the function, for features of shape (rows, features)."""
        return np.asarray(self.intercept + features @ self.weights)

    def std(self, features: FloatArray) -> FloatArray:
        """Of a new value, noise included, shape (rows,)."""
        explained = np.einsum("ij,ij->i", features @ self.covariance, features)
        return np.asarray(np.sqrt(explained + self.noise_std**2))


def fit_groups(features: FloatArray, values: FloatArray, sizes: Sequence[int]) -> Posterior:
    """The posterior under one prior width for each group of features.

    The widths and the noise maximise the marginal likelihood (Bishop, Pattern Recognition and
    Machine Learning, 2006, section 3.5), by L-BFGS.

    Args:
        features: Centred, shape (rows, features), group after group.
        values: Shape (rows,).
        sizes: Of the groups; they sum to the number of features.
    """
    scale = float(values.std()) or 1.0
    centred = (values - values.mean()) / scale
    gram, projected, power = features.T @ features, features.T @ centred, centred @ centred

    def surprise(logs: FloatArray) -> float:
        widths, noise = np.repeat(np.exp(logs[:-1]), sizes), np.exp(2 * logs[-1])
        factor = np.linalg.cholesky(np.eye(len(widths)) + widths[:, None] * gram * widths / noise)
        reached = np.linalg.solve(factor, widths * projected) / noise
        fit_term = 0.5 * (power / noise - reached @ reached)
        return float(fit_term + np.log(np.diag(factor)).sum() + len(values) * logs[-1])

    start = np.array([-2.0] * len(sizes) + [-2.5])
    bounds = [_WIDTH_BOUNDS] * len(sizes) + [_NOISE_BOUNDS]
    logs = minimize(surprise, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 50}).x
    widths, noise = np.repeat(np.exp(logs[:-1]), sizes), np.exp(2 * logs[-1])
    inverse = np.linalg.inv(np.eye(len(widths)) + widths[:, None] * gram * widths / noise)
    covariance = widths[:, None] * inverse * widths
    return Posterior(
        intercept=float(values.mean()),
        weights=covariance @ projected / noise * scale,
        covariance=covariance * scale**2,
        noise_std=float(np.sqrt(noise) * scale),
    )
