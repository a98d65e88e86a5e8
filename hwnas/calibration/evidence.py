"""Hyper-parameters by marginal likelihood, noise with heavy tails, and how well a prior predicts.

Noise is a Student t with three degrees of freedom (Lange, Little and Taylor, 1989): a few timings
that a device spoiled then weigh little. As a scale mixture it leaves the regression in closed form
given the precision of each network, which alternates with the hyper-parameters.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import gammaln

from hwnas.calibration.priors import Family
from hwnas.calibration.regression import (
    INTERCEPT_VARIANCE,
    reduced,
    solve,
    with_intercept,
)
from hwnas.catalog import FloatArray

DEGREES_OF_FREEDOM = 3.0
# the deviation of a normal distribution whose 90 % intervals are as wide as the t's
AS_NORMAL = 2.3534 / 1.6449

_ROUNDS = 8
_SETTLED = 0.03
_LOG_NOISE = (-1.5, 1.2)  # hyper-prior mean and standard deviation
_BOUNDS = (-12.0, 5.0)
_ITERATIONS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A prior with its hyper-parameters, and what it says after the measurements.

    Targets are in units of their own standard deviation.

    Attributes:
        mean: Of costs and, last, the intercept, shape (layers + 1,).
        covariance: Shape (layers + 1, layers + 1).
        noise: Squared scale of the noise.
        log_densities: Of each network's target given all others, shape (networks,).
        parameters: Of the family and, last, the logarithm of the noise.
        precisions: Of each network's noise, relative to the scale, shape (networks,).
    """

    mean: FloatArray
    covariance: FloatArray
    noise: float
    log_densities: FloatArray
    parameters: FloatArray
    precisions: FloatArray


def fit(family: Family, design: FloatArray, target: FloatArray) -> Fitted:
    """The posterior under a family at its most probable hyper-parameters.

    Args:
        family: Over the layers of the design.
        design: Shape (networks, layers), columns of mean 0.
        target: Shape (networks,), mean 0 and standard deviation 1.
    """
    networks, layers = design.shape
    # with fewer networks than layers all is worked out between networks
    over, rows = (family.over(design), np.eye(networks)) if networks <= layers else (family, design)
    precisions = np.ones(networks)
    parameters = np.append(family.start, _LOG_NOISE[0])
    for _ in range(_ROUNDS):
        parameters = _most_probable(over, rows, target, precisions=precisions, start=parameters)
        noise = float(np.exp(parameters[-1]))
        mean, spread = solve(
            rows,
            target,
            covariance=over.covariance(parameters[:-1]),
            noise=noise / precisions,
        )
        before, precisions = precisions, _precisions(rows, target, mean, spread, noise=noise)
        if np.abs(precisions - before).max() < _SETTLED:
            break
    mean, covariance = solve(
        design, target, covariance=family.covariance(parameters[:-1]), noise=noise / precisions
    )
    return Fitted(
        mean,
        covariance,
        noise,
        _left_out(design, target, mean, covariance, noise=noise, precisions=precisions),
        parameters,
        precisions,
    )


def stacking_weights(log_densities: FloatArray) -> FloatArray:
    """Weights of models, shape (models,), with which they predict left-out networks best together.

    Stacking of predictive distributions (Yao and others, Bayesian Analysis 13, 2018, section
    3.1), with a Dirichlet prior of as many networks as models in favour of equal weights, since
    few networks tell models apart by chance.

    Args:
        log_densities: Shape (models, networks).
    """
    models = len(log_densities)
    densities = np.exp(log_densities - log_densities.max(axis=0))
    weights = np.full(models, 1 / models)
    for _ in range(200):
        shares = weights[:, None] * densities
        shares /= shares.sum(axis=0)
        weights = (shares.sum(axis=1) + 1) / (shares.shape[1] + models)
    return weights


def _most_probable(
    family: Family,
    design: FloatArray,
    target: FloatArray,
    *,
    precisions: FloatArray,
    start: FloatArray,
) -> FloatArray:
    """Parameters of the family and, last, the logarithm of the noise."""
    augmented, values = reduced(with_intercept(design), target, noise=1 / precisions)
    rows = family.over(augmented[:, :-1])
    flat = INTERCEPT_VARIANCE * np.outer(augmented[:, -1], augmented[:, -1])
    means, deviations = family.prior
    means = np.append(means, _LOG_NOISE[0])
    deviations = np.append(deviations, _LOG_NOISE[1])
    # what a shorter design lost: residuals that only the noise explains
    lost = len(target) - len(values)
    residual = max(float(np.sum(precisions * target**2) - values @ values), 0.0)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        noise = np.exp(parameters[-1])
        marginal = rows.covariance(parameters[:-1]) + flat
        marginal[np.diag_indices(len(marginal))] += noise
        factor = cho_factor(marginal, lower=True)
        inverse = cho_solve(factor, np.eye(len(marginal)))
        weights = inverse @ values
        slope = (inverse - np.outer(weights, weights)) / 2
        shift = (parameters - means) / deviations
        value = (
            values @ weights / 2
            + np.log(np.diag(factor[0])).sum()
            + (lost * parameters[-1] + residual / noise) / 2
            + shift @ shift / 2
        )
        own = noise * np.trace(slope) + (lost - residual / noise) / 2
        gradient = np.append(rows.gradient(parameters[:-1], slope), own)
        return float(value), gradient + shift / deviations

    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[_BOUNDS] * len(start),
        options={"maxiter": _ITERATIONS},
    )
    return np.asarray(found.x)


def _precisions(
    design: FloatArray,
    target: FloatArray,
    mean: FloatArray,
    covariance: FloatArray,
    *,
    noise: float,
) -> FloatArray:
    """Expected precision of each network's noise, relative to the scale; low for an outlier."""
    rows = with_intercept(design)
    squares = (target - rows @ mean) ** 2 + np.einsum("ij,ij->i", rows @ covariance, rows)
    return np.asarray((DEGREES_OF_FREEDOM + 1) / (DEGREES_OF_FREEDOM + squares / noise))


def _left_out(
    design: FloatArray,
    target: FloatArray,
    mean: FloatArray,
    covariance: FloatArray,
    *,
    noise: float,
    precisions: FloatArray,
) -> FloatArray:
    """Log density of each target given the others, in closed form, the rest held fixed."""
    rows = with_intercept(design)
    variances = np.maximum(np.einsum("ij,ij->i", rows @ covariance, rows), 0.0)
    own = noise / precisions
    leverage = np.minimum(variances / own, 1 - 1e-9)
    errors = (target - rows @ mean) / (1 - leverage)
    squared_scale = variances / (1 - leverage) + noise
    half = (DEGREES_OF_FREEDOM + 1) / 2
    constant = gammaln(half) - gammaln(half - 0.5) - np.log(DEGREES_OF_FREEDOM * np.pi) / 2
    return np.asarray(
        constant
        - np.log(squared_scale) / 2
        - half * np.log1p(errors**2 / (DEGREES_OF_FREEDOM * squared_scale))
    )
