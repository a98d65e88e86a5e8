"""ImageNet top-1 of Once-for-All's MobileNetV3 subnets of width 1.0, at 160 to 224 pixels.

Fitted on subnets that others measured; `data/ofa_mbv3_w1.0.json` says on which, under which
licences, and how far off it was on those that it was not fitted on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import FileFormatError, InputError
from hwnas.prediction.imagenet_features import (
    ONE_HOTS,
    STAGES,
    check_space,
    smooth_features,
    squares,
    stage_codes,
    stage_tables,
)
from hwnas.protocols import Estimate, SearchSpace

RESOLUTIONS = (160, 224)
"""The smallest and the largest that are known."""

DIRECT_RESOLUTIONS = (160, 176, 192, 208, 224)
"""Those whose shifts are known; between them they are interpolated."""

_FILE = "ofa_mbv3_w1.0.safetensors"
_CHUNK = 8192  # architectures at once, so that what is computed of them stays in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """The predictor at 224 pixels.

    Attributes:
        smooth_mean: Of the smooth numbers, shape (smooth,).
        smooth_scale: Their deviation, shape (smooth,).
        weights: Of one-hots, then of `squares`; shape (features, 1 + directions). The first column
            gives the mean; the squares of what the others give add up to a variance.
        constant: Added to what the weights give, shape (1 + directions,).
        rest_std: The deviation that is the same for all architectures, in points.
    """

    smooth_mean: FloatArray
    smooth_scale: FloatArray
    weights: FloatArray
    constant: FloatArray
    rest_std: float


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """How accuracy changes from 224 pixels to fewer.

    Attributes:
        resolutions: Ascending, without 224.
        weights: Of one and the standardised smooth numbers, shape (1 + smooth, resolutions).
        spread: Deviation of the changes over subnets, in points. Nobody measured them subnet by
            subnet, so all of it counts as doubt.
    """

    resolutions: IntArray
    weights: FloatArray
    spread: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ImageNetPredictor:
    """Coefficients and shifts; `bind` them to a space to predict."""

    coefficients: Coefficients
    shifts: Shifts

    def bind(self, space: SearchSpace) -> "BoundImageNetPredictor":
        """The predictor for the genes of a space.

        Raises:
            SpaceMismatchError: The space is not Once-for-All's of width 1.0.
            InputError: It has resolutions beyond 160 to 224 pixels.
        """
        offered = check_space(space)
        beyond = [r for r in offered if not RESOLUTIONS[0] <= r <= RESOLUTIONS[1]]
        if beyond:
            raise InputError(
                f"ImageNet accuracy is known at {RESOLUTIONS[0]} to {RESOLUTIONS[1]} pixels, and "
                f"the space has resolution {beyond[0]}; choose some with --resolution, such as "
                "--resolution 160 --resolution 224."
            )
        return BoundImageNetPredictor(self.coefficients, self.shifts, offered)

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        arrays = {
            "smooth_mean": self.coefficients.smooth_mean,
            "smooth_scale": self.coefficients.smooth_scale,
            "weights": self.coefficients.weights,
            "constant": self.coefficients.constant,
            "rest_std": np.array([self.coefficients.rest_std]),
            "shift_resolutions": self.shifts.resolutions,
            "shift_weights": self.shifts.weights,
            "shift_spread": self.shifts.spread,
        }
        return bytes(save({n: np.ascontiguousarray(a) for n, a in arrays.items()}))

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str) -> "ImageNetPredictor":
        """From a safetensors file.

        Raises:
            FileFormatError: It is damaged.
        """
        try:
            found = load(content)
            coefficients = Coefficients(
                found["smooth_mean"], found["smooth_scale"], found["weights"], found["constant"],
                float(found["rest_std"][0]),
            )  # fmt: skip
            shifts = Shifts(
                found["shift_resolutions"], found["shift_weights"], found["shift_spread"]
            )
        except (SafetensorError, KeyError) as error:
            raise FileFormatError(f"{source} is damaged ({error}); install hwnas again.") from error
        return cls(coefficients, shifts)


@cache
def shipped_predictor() -> ImageNetPredictor:
    """The predictor that comes with hwnas."""
    file = resources.files("hwnas.prediction") / "data" / _FILE
    return ImageNetPredictor.from_bytes(file.read_bytes(), source=str(file))


class BoundImageNetPredictor:
    """ImageNet top-1 of the genes of one space, in percent."""

    def __init__(
        self, coefficients: Coefficients, shifts: Shifts, resolutions: tuple[int, ...]
    ) -> None:
        self._coefficients = coefficients
        self._shifts = shifts
        self._several = len(resolutions) > 1
        self._interpolation = _interpolation(shifts.resolutions, np.array(resolutions))
        self._shift_variance = (self._interpolation @ shifts.spread) ** 2
        # by code, what the one-hots of a stage amount to: shape (stages, codes, 1 + directions)
        own = coefficients.weights[: STAGES * ONE_HOTS].reshape(STAGES, ONE_HOTS, -1)
        self._of_stages = np.stack([stage_tables().one_hots @ weights for weights in own])
        self._means = np.ascontiguousarray(self._of_stages[:, :, 0])
        curved = coefficients.weights[STAGES * ONE_HOTS :]
        self._curved = np.ascontiguousarray(curved)
        count = len(coefficients.smooth_mean)
        self._slope = curved[:count, 0]
        self._curvature = np.zeros((count, count))
        self._curvature[np.triu_indices(count)] = curved[count:, 0]

    def mean(self, genes: IntArray) -> FloatArray:
        """Expected top-1 of canonical genes, shape (architectures,)."""
        return _in_chunks(self._chunk_mean, genes)

    def std(self, genes: IntArray) -> FloatArray:
        """Its standard deviation, shape (architectures,), in points."""
        return _in_chunks(self._chunk_std, genes)

    def estimate(self, genes: IntArray) -> Estimate:
        """Both."""
        return Estimate(self.mean(genes), self.std(genes))

    def _chunk_mean(self, genes: IntArray) -> FloatArray:
        codes = stage_codes(genes)
        smooth = self._standardised(codes)
        result = self._coefficients.constant[0] + smooth @ self._slope
        result += np.einsum("ij,ij->i", smooth @ self._curvature, smooth)
        for table, own in zip(self._means, codes.T, strict=True):
            result += table.take(own, mode="clip")
        steps = self._steps(genes)
        if self._interpolation[steps].any():
            weights = self._shifts.weights
            changes = weights[0] + smooth @ weights[1:]
            result += np.einsum("ij,ij->i", changes, self._interpolation[steps])
        return np.asarray(result)

    def _chunk_std(self, genes: IntArray) -> FloatArray:
        codes = stage_codes(genes)
        result = squares(self._standardised(codes)) @ self._curved[:, 1:]
        result += self._coefficients.constant[1:]
        for table, own in zip(self._of_stages, codes.T, strict=True):
            result += table[own, 1:]
        variance = np.einsum("ij,ij->i", result, result) + self._coefficients.rest_std**2
        return np.asarray(np.sqrt(variance + self._shift_variance[self._steps(genes)]))

    def _standardised(self, codes: IntArray) -> FloatArray:
        found = self._coefficients
        return (smooth_features(codes) - found.smooth_mean) / found.smooth_scale

    def _steps(self, genes: IntArray) -> IntArray:
        """Which of the space's resolutions each architecture has."""
        return genes[:, 0] if self._several else np.zeros(len(genes), dtype=np.intp)


def _interpolation(known: IntArray, wanted: IntArray) -> FloatArray:
    """Weights of the known shifts at each resolution, shape (wanted, known); none at 224."""
    knots = np.append(known, RESOLUTIONS[1])
    hats = np.eye(len(knots))[:, :-1]
    return np.stack([np.interp(wanted, knots, hat) for hat in hats.T], axis=1)


def _in_chunks(of: Callable[[IntArray], FloatArray], genes: IntArray) -> FloatArray:
    """A function of architectures, a few at a time; the same for all of them as for one."""
    starts = range(0, len(genes), _CHUNK)
    parts = [of(genes[start : start + _CHUNK]) for start in starts]
    return np.concatenate(parts) if parts else np.zeros(0)
