"""Layers measured alone, corrected by whole networks: a fit that a few numbers bring back.

Errors are relative: networks of 1 ms and of 20 ms count alike, and so does their noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from hwnas import files
from hwnas.calibration.evidence import AS_NORMAL, fit
from hwnas.calibration.layout import Layout
from hwnas.calibration.priors import Mixture
from hwnas.calibration.regression import Posterior, checked, solve, with_intercept
from hwnas.catalog import FloatArray
from hwnas.errors import InputError

PARTS = 7
_LOG_MEAN = -3.0
_WIDE = 2.08  # the 90 % quantile of an error over its mean size, of a normal and of a t alike
_NORMAL_WIDE = 1.6449
_TRUSTED = 16  # networks that a stated deviation is worth, before any is left out
_EXPECTED_NOISE = 0.2  # of a variance of about 0.35 that all parts together have before


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learned of the errors of layers measured alone; with the data it gives the costs.

    Attributes:
        variances: Of each part of the errors, as `error_parts` gives them; of relative latencies,
            so that a part's unit is its own.
        noise: Standard deviation of what no sum of costs explains, relative to a latency.
        precisions: Of each network's noise, relative to the usual; low for an outlier.
    """

    variances: tuple[float, ...]
    noise: float
    precisions: tuple[float, ...]

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known before and what was measured.

    Attributes:
        layout: Where layers stand and what kind they are.
        isolated_ms: What each was measured to take alone, scaled as far as that is known, shape
            (layers,).
        overhead_ms: Latency of a network without layers.
        counts: How often each layer is in each network, shape (networks, layers).
        measured_ms: Latencies of these networks, shape (networks,).
    """

    layout: Layout
    isolated_ms: FloatArray
    overhead_ms: float
    counts: FloatArray
    measured_ms: FloatArray

    def __post_init__(self) -> None:
        isolated = self.isolated_ms
        if isolated.shape != (len(self.layout),) or self.counts.shape[1:] != isolated.shape:
            raise InputError(
                f"The layout is of {len(self.layout)} layers, the isolated latencies of "
                f"{isolated.shape} and the counts of {self.counts.shape}; all must be of the same "
                "layers."
            )
        if not np.isfinite(isolated).all() or (isolated < 0).any():
            raise InputError("Isolated latencies hold numbers that are negative or not finite.")
        checked(self.counts, self.measured_ms)
        if not (self.expected_ms > 0).all():
            raise InputError(
                "Layers of a network take no time when measured alone, so that nothing can be "
                "said of its latency; measure them again."
            )

    @property
    def expected_ms(self) -> FloatArray:
        """Sums of what was measured alone, shape (networks,)."""
        return np.asarray(self.overhead_ms + self.counts @ self.isolated_ms)

    @property
    def relative_counts(self) -> FloatArray:
        """Counts over what is expected, shape (networks, layers)."""
        return np.asarray(self.counts / self.expected_ms[:, None])

    @property
    def relative_ms(self) -> FloatArray:
        """Latencies as multiples of what is expected, shape (networks,)."""
        return np.asarray(self.measured_ms / self.expected_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """Costs of layers after whole networks were measured.

    Attributes:
        posterior: Of the costs; its noise is 0, because here noise is relative.
        noise: Standard deviation of what no sum of costs explains, relative to a latency.
        left_out_ms: What is expected of each measured network from the others, shape (networks,).
        left_out_std_ms: Its standard deviation, noise included.
    """

    posterior: Posterior
    noise: float
    left_out_ms: FloatArray
    left_out_std_ms: FloatArray


def calibration(evidence: Evidence) -> Calibration:
    """The most probable errors of layers measured alone, by marginal likelihood.

    Raises:
        InputError: The networks do not differ in any layer that costs anything.
    """
    target = evidence.relative_ms
    unit = _unit(target)
    # all is worked out between networks: a large catalog's parts would not fit into memory at once
    between, scales = _between(evidence)
    kept = np.flatnonzero(scales)
    family = Mixture(
        np.array([between[i] / scales[i] for i in kept]), np.full(len(kept), _LOG_MEAN)
    )
    found = fit(family, np.eye(len(target)), (target - target.mean()) / unit)
    variances = np.zeros(PARTS)
    variances[kept] = unit**2 * np.exp(found.parameters[:-1]) / scales[kept]
    return Calibration(
        tuple(map(_short, variances)),
        _short(unit * np.sqrt(found.noise)),
        tuple(map(_short, found.precisions)),
    )


def expected_covariance(evidence: Evidence) -> tuple[FloatArray, float]:
    """Of costs before anything is learned, shape (layers, layers), and the noise's variance.

    In a unit of which only their ratio means anything; ``measured_ms`` has no part in it. For
    `choose_networks`, with `Evidence.relative_counts`, of which the evidence should hold many.
    """
    _, scales = _between(evidence)
    covariance = np.zeros((len(evidence.layout),) * 2)
    for scale, part in zip(scales, error_parts(evidence), strict=True):
        if scale:
            covariance += np.exp(_LOG_MEAN) / scale * part
    return covariance, _EXPECTED_NOISE


def calibrated(evidence: Evidence, learned: Calibration) -> Calibrated:
    """The costs, in closed form; the same for the same arguments."""
    design, target = evidence.relative_counts, evidence.relative_ms
    centre, level, unit = design.mean(axis=0), float(target.mean()), _unit(target)
    covariance = sum(
        variance / unit**2 * part
        for variance, part in zip(learned.variances, error_parts(evidence), strict=True)
        if variance
    )
    noise = (learned.noise / unit) ** 2 / np.array(learned.precisions)
    values = (target - level) / unit
    mean, spread = solve(design - centre, values, covariance=np.asarray(covariance), noise=noise)
    alone, overhead = evidence.isolated_ms, evidence.overhead_ms
    factor = level + unit * (mean[-1] - centre @ mean[:-1])
    # a latency is (level + unit (row - centre, 1) mean) times what is expected, linear in counts
    shift = np.empty((len(alone) + 1, len(alone) + 1))
    shift[:-1, :-1] = np.eye(len(alone)) - np.outer(alone, centre)
    shift[:-1, -1], shift[-1, :-1], shift[-1, -1] = alone, -overhead * centre, overhead
    posterior = Posterior(
        costs_ms=alone * factor + unit * mean[:-1],
        overhead_ms=overhead * factor,
        covariance=unit**2 * (shift @ spread @ shift.T),
        noise_ms=0.0,
    )
    relative = AS_NORMAL * learned.noise
    error, deviation = _left_out(design - centre, values, mean, spread, noise=noise)
    expected, stds = evidence.expected_ms, np.hypot(unit * deviation, relative)
    width = _width(unit * error / stds)
    return Calibrated(
        replace(posterior, covariance=width**2 * posterior.covariance),
        width * relative,
        left_out_ms=evidence.measured_ms - unit * error * expected,
        left_out_std_ms=expected * width * stds,
    )


def error_parts(evidence: Evidence) -> Iterator[FloatArray]:
    """Covariances that errors of layers measured alone are a sum of, each (layers, layers).

    Factors that layers share (a cold cache, a slower clock) are relative to what was measured;
    what they share beyond (a copy, a dispatch) is not.
    """
    layout, alone = evidence.layout, evidence.isolated_ms * evidence.layout.real
    same, products = layout.same_kind, np.outer(alone, alone)
    yield products
    yield products * np.exp(-6 * layout.distances / layout.extent)
    yield products * same
    yield np.diag(alone**2)
    yield np.outer(layout.real, layout.real).astype(np.float64)
    yield same
    yield np.diag(layout.real.astype(np.float64))


def _between(evidence: Evidence) -> tuple[list[FloatArray], FloatArray]:
    """Each part between networks, and their mean variance under it: 0 where they do not differ."""
    design = evidence.relative_counts
    centred = design - design.mean(axis=0)
    between, whole = [], []
    for part in error_parts(evidence):
        between.append(centred @ part @ centred.T)
        whole.append(np.einsum("ij,ij->", design @ part, design))
    scales = np.array([np.trace(part) for part in between]) / len(design)
    apart = scales > 1e-9 * np.array(whole) / len(design)
    if not apart.any():
        raise InputError(
            f"The {len(design)} networks do not differ in any layer that costs anything; measure "
            "networks that do."
        )
    return between, np.where(apart, scales, 0.0)


def _unit(target: FloatArray) -> float:
    return max(float(target.std()), 1e-9)


def _left_out(
    design: FloatArray, target: FloatArray, mean: FloatArray, spread: FloatArray, *,
    noise: FloatArray,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Error of each target given the others, and what costs are uncertain by, noise aside."""
    rows = with_intercept(design)
    variances = np.maximum(np.einsum("ij,ij->i", rows @ spread, rows), 0.0)
    leverage = np.minimum(variances / noise, 1 - 1e-9)
    return (target - rows @ mean) / (1 - leverage), np.sqrt(variances / (1 - leverage))


def _width(errors: FloatArray) -> float:
    """What stated deviations are to be multiplied by, so that 90 % intervals hold 90 %.

    Args:
        errors: Of networks left out, as multiples of what was stated for them.
    """
    seen = _WIDE / _NORMAL_WIDE * float(np.abs(errors).mean())
    return (len(errors) * seen + _TRUSTED) / (len(errors) + _TRUSTED)


def _short(value: float) -> float:
    """Six significant digits: what a file keeps."""
    return float(f"{value:.6g}")
