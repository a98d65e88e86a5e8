"""Costs of layers from latencies of whole networks, with or without layers measured alone."""

from collections.abc import Sequence

import numpy as np

from hwnas.calibration.evidence import AS_NORMAL, Fitted, fit, stacking_weights
from hwnas.calibration.layout import Layout
from hwnas.calibration.priors import Coregional, Family, layout_mixture, scaled_mixture
from hwnas.calibration.regression import Posterior, checked
from hwnas.catalog import FloatArray
from hwnas.errors import InputError

_MOST_LAYERS = 600  # beyond them learned profiles take minutes


def calibrate(
    counts: FloatArray,
    measured_ms: FloatArray,
    *,
    layout: Layout,
    isolated_ms: FloatArray | None = None,
) -> Posterior:
    """Costs of layers with which the measured networks are best explained.

    Without isolated measurements three priors are averaged by how well they predict networks left
    out: layers of one kind that share costs, and one or two learned profiles of kinds besides.
    With them the prior's mean is what was measured alone, and its covariance that of its errors.

    Args:
        counts: How often each layer is in each network, shape (networks, layers).
        measured_ms: Latencies in milliseconds, shape (networks,).
        layout: Where layers stand and what kind they are.
        isolated_ms: What each layer takes when measured alone, scaled as far as that is known,
            shape (layers,); None where no layer was.

    Raises:
        InputError: Arrays do not fit together, hold what cannot have been measured, or too few
            different networks to tell anything.
    """
    counts, measured = checked(counts, measured_ms)
    if len(layout) != counts.shape[1]:
        raise InputError(
            f"The layout is of {len(layout)} layers and the counts of {counts.shape[1]}; both "
            "must be of the same catalog."
        )
    if isolated_ms is None:
        return posterior(counts, measured, families=without_isolated(layout, counts, measured))
    isolated = np.asarray(isolated_ms, dtype=np.float64)
    if isolated.shape != (len(layout),) or not np.isfinite(isolated).all() or (isolated < 0).any():
        raise InputError(
            f"Expected {len(layout)} isolated latencies, finite and not below 0; got shape "
            f"{isolated.shape}, least {isolated.min(initial=np.inf)}."
        )
    families = (scaled_mixture(layout, counts, isolated_ms=isolated),)
    return posterior(counts, measured, families=families, prior_mean_ms=isolated)


def posterior(
    counts: FloatArray,
    measured_ms: FloatArray,
    *,
    families: Sequence[Family],
    prior_mean_ms: FloatArray | None = None,
) -> Posterior:
    """The average of what families of priors say after the measurements.

    Args:
        counts: As for `calibrate`, checked.
        measured_ms: As for `calibrate`, checked.
        families: At least one.
        prior_mean_ms: Expected costs before, shape (layers,); None is 0.
    """
    before = np.zeros(counts.shape[1]) if prior_mean_ms is None else prior_mean_ms
    target = measured_ms - counts @ before
    centre, level = counts.mean(axis=0), float(target.mean())
    unit = max(float(target.std()), 1e-9 * float(measured_ms.mean()))
    fitted = [fit(family, counts - centre, (target - level) / unit) for family in families]
    weights = stacking_weights(np.array([model.log_densities for model in fitted]))
    mean, covariance, noise = _averaged(fitted, weights)
    # the intercept was that of centred counts
    shift = np.eye(len(mean))
    shift[-1, :-1] = -centre
    mean = shift @ mean
    return Posterior(
        costs_ms=before + unit * mean[:-1],
        overhead_ms=level + unit * float(mean[-1]),
        covariance=unit**2 * (shift @ covariance @ shift.T),
        noise_ms=unit * AS_NORMAL * float(np.sqrt(noise)),
    )


def without_isolated(
    layout: Layout, counts: FloatArray, measured_ms: FloatArray
) -> tuple[Family, ...]:
    """The priors that `calibrate` averages where no layer was measured alone."""
    mixture = layout_mixture(layout, counts)
    if len(layout) > _MOST_LAYERS:
        return (mixture,)
    unit = 1 / max(float(counts.var(axis=0).sum()), 1e-12)
    first = _mean_by_kind(layout, counts, measured_ms)
    small = 0.1 * np.random.default_rng(0).standard_normal(len(first))
    return (
        mixture,
        Coregional(layout, unit, first[None]),
        Coregional(layout, unit, np.stack([first, small])),
    )


def _mean_by_kind(layout: Layout, counts: FloatArray, measured_ms: FloatArray) -> FloatArray:
    """What each kind costs on average, by ridge regression over kinds, largest size 1."""
    kinds = (layout.kinds[:, None] == np.arange(layout.kinds.max() + 1)).astype(np.float64)
    totals = counts @ kinds
    totals -= totals.mean(axis=0)
    gram = totals.T @ totals
    ridge = 0.1 * np.trace(gram) / len(gram) + 1e-12
    costs = np.linalg.solve(
        gram + ridge * np.eye(len(gram)), totals.T @ (measured_ms - measured_ms.mean())
    )
    return np.asarray(costs / max(np.abs(costs).max(), 1e-12))


def _averaged(
    fitted: Sequence[Fitted], weights: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Mean, covariance and noise of a mixture, differences between its members included."""
    mean = np.einsum("m,mi->i", weights, [model.mean for model in fitted])
    covariance = np.zeros((len(mean), len(mean)))
    for model, weight in zip(fitted, weights, strict=True):
        away = model.mean - mean
        covariance += weight * (model.covariance + np.outer(away, away))
    noise = sum(weight * model.noise for model, weight in zip(fitted, weights, strict=True))
    return mean, covariance, float(noise)
