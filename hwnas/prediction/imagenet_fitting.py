"""Fitting the ImageNet predictor: measured subnets at 224 pixels, and shifts to other resolutions.

What ships was made by ``tools/fit_imagenet_predictor.py``, which calls this.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from hwnas.catalog import FloatArray, IntArray
from hwnas.prediction.bayesian_ridge import Posterior, fit_groups
from hwnas.prediction.imagenet import RESOLUTIONS, Coefficients, ImageNetPredictor, Shifts
from hwnas.prediction.imagenet_features import (
    SMOOTH,
    one_hots,
    smooth_features,
    squares,
    stage_codes,
)
from hwnas.prediction.measured_subnets import MeasuredSubnets
from hwnas.protocols import SearchSpace

_DIRECTIONS = 48
"""Of the posterior kept for deviations; the others are a constant."""


def fit_coefficients(genes: IntArray, top1: FloatArray, *, everyday: IntArray) -> Coefficients:
    """The part of the predictor for 224 pixels.

    A Bayesian linear model of one-hots of every block, and of squares and products of 17 smooth
    numbers; the widths of both priors and the noise maximise the marginal likelihood.

    Args:
        genes: Measured architectures, canonical, shape (architectures, genes).
        top1: Measured accuracy, shape (architectures,), in percent.
        everyday: Architectures for which the deviations shall be cheap to compute and exact.
    """
    codes = stage_codes(genes)
    hot, smooth = one_hots(codes), smooth_features(codes)
    scales = (smooth.mean(axis=0), smooth.std(axis=0))
    curved = squares((smooth - scales[0]) / scales[1])
    features = np.concatenate([hot, curved], axis=1)
    centre = np.concatenate([hot.mean(axis=0), np.zeros(curved.shape[1])])
    sizes = (hot.shape[1], curved.shape[1])
    posterior = fit_groups(features - centre, top1, sizes)
    return _compressed(posterior, centre, scales, everyday)


def fit_shifts(
    genes: IntArray,
    shift: Callable[[int], FloatArray],
    *,
    resolutions: tuple[int, ...],
    scales: tuple[FloatArray, FloatArray],
) -> tuple[Shifts, Mapping[int, float]]:
    """Linear functions of the smooth numbers for accuracy's change from 224 pixels.

    Args:
        genes: Architectures to fit on, shape (architectures, genes).
        shift: The change at a resolution, of each of them, in points.
        resolutions: Those below 224, ascending.
        scales: Mean and deviation of the smooth numbers, as in the coefficients.

    Returns:
        The functions, and the part of the variance that they explain at each resolution.
    """
    smooth = (smooth_features(stage_codes(genes)) - scales[0]) / scales[1]
    features = np.column_stack([np.ones(len(smooth)), smooth])
    wanted = np.stack([shift(resolution) for resolution in resolutions], axis=1)
    weights = np.asarray(np.linalg.lstsq(features, wanted, rcond=None)[0], dtype=np.float64)
    left = (wanted - features @ weights).std(axis=0)
    spread = np.asarray(wanted.std(axis=0), dtype=np.float64)
    shifts = Shifts(np.array(resolutions), weights, spread)
    return shifts, dict(zip(resolutions, 1 - (left / spread) ** 2, strict=True))


def _compressed(
    posterior: Posterior,
    centre: FloatArray,
    scales: tuple[FloatArray, FloatArray],
    everyday: IntArray,
) -> Coefficients:
    """The posterior with a few directions of its covariance, chosen on everyday architectures."""
    codes = stage_codes(everyday)
    smooth = (smooth_features(codes) - scales[0]) / scales[1]
    features = np.concatenate([one_hots(codes), squares(smooth)], axis=1) - centre
    root = np.linalg.cholesky(posterior.covariance)
    seen = features @ root
    values, vectors = np.linalg.eigh(seen.T @ seen / len(seen))
    kept = root @ vectors[:, -_DIRECTIONS:]
    return Coefficients(
        smooth_mean=scales[0],
        smooth_scale=scales[1],
        weights=np.column_stack([posterior.weights, kept]),
        constant=np.concatenate([[posterior.intercept], np.zeros(_DIRECTIONS)])
        - centre @ np.column_stack([posterior.weights, kept]),
        rest_std=float(np.sqrt(posterior.noise_std**2 + values[:-_DIRECTIONS].sum())),
    )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How far predictions are from measured subnets that they were not fitted on, 224 pixels.

    Attributes:
        spearman: Rank correlation.
        mae: Mean absolute error, in points.
        bias: Mean error, in points.
        coverage_90: Part of them within 1.645 deviations.
        coverage_50: Part of them within 0.674 deviations.
    """

    spearman: float
    mae: float
    bias: float
    coverage_90: float
    coverage_50: float


def score(predicted: FloatArray, std: FloatArray, top1: FloatArray) -> HeldOut:
    """Predictions against measurements, each of shape (architectures,)."""
    error = predicted - top1
    deviations = np.abs(error) / std
    return HeldOut(
        spearman=round(float(spearmanr(predicted, top1).statistic), 5),
        mae=round(float(np.abs(error).mean()), 4),
        bias=round(float(error.mean()), 4),
        coverage_90=round(float((deviations < 1.645).mean()), 3),
        coverage_50=round(float((deviations < 0.674).mean()), 3),
    )


def folds(genes: IntArray, *, count: int = 5, seed: int = 0) -> IntArray:
    """A random part for each row, shape (rows,); equal architectures are in the same part."""
    _, which = np.unique(genes, axis=0, return_inverse=True)
    order = np.random.default_rng(seed).permutation(which.max() + 1)
    return np.asarray(order[which.ravel()] % count)


def held_out(
    measured: MeasuredSubnets, space: SearchSpace, *, everyday: IntArray, seed: int = 0
) -> HeldOut:
    """The score of five fits, each on four fifths of the subnets and judged on the fifth left.

    Args:
        measured: At 224 pixels.
        space: Of their genes, with resolutions that the predictor knows.
        everyday: As in `fit_coefficients`.
        seed: Of the parts.
    """
    part = folds(measured.genes, seed=seed)
    mean, std = np.empty(len(part)), np.empty(len(part))
    for fold in range(5):
        left = part == fold
        coefficients = fit_coefficients(
            measured.genes[~left], measured.top1[~left], everyday=everyday
        )
        bound = ImageNetPredictor(coefficients, _no_shifts()).bind(space)
        mean[left], std[left] = bound.mean(measured.genes[left]), bound.std(measured.genes[left])
    return score(mean, std, measured.top1)


def _no_shifts() -> Shifts:
    return Shifts(np.array(RESOLUTIONS[:1]), np.zeros((1 + SMOOTH, 1)), np.zeros(1))
