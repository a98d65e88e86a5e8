"""Prior covariances of layer costs, as families with hyper-parameters to be learned.

A family knows its covariance at given parameters, the gradient of anything that depends on the
covariance, and a Gaussian hyper-prior over its parameters.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hwnas.calibration.layout import Layout
from hwnas.catalog import FloatArray
from hwnas.errors import InputError


class Family(Protocol):
    """Covariances over layers, or over rows of a design; it must not look at what was measured."""

    @property
    def prior(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the parameters, each shape (parameters,)."""

    @property
    def start(self) -> FloatArray:
        """Where to look for parameters first, shape (parameters,)."""

    def covariance(self, parameters: FloatArray) -> FloatArray:
        """Shape (layers, layers)."""

    def gradient(self, parameters: FloatArray, slope: FloatArray) -> FloatArray:
        """Derivative by each parameter, shape (parameters,).

        Args:
            parameters: Where.
            slope: Derivative by each entry of the covariance, symmetric, shape (layers, layers).
        """

    def over(self, design: FloatArray) -> "Family":
        """The family of what rows of a design sum to, shape (rows, layers)."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A sum of fixed covariances, each times a variance to be learned.

    Attributes:
        components: Shape (components, layers, layers).
        log_means: Hyper-prior mean of each log variance, shape (components,).
        log_deviation: Hyper-prior standard deviation of each log variance.
    """

    components: FloatArray
    log_means: FloatArray
    log_deviation: float = 1.7

    @property
    def prior(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the log variances."""
        return self.log_means, np.full(len(self.log_means), self.log_deviation)

    @property
    def start(self) -> FloatArray:
        """The hyper-prior's mean."""
        return self.log_means

    def covariance(self, parameters: FloatArray) -> FloatArray:
        """The sum at log variances."""
        return np.tensordot(np.exp(parameters), self.components, 1)

    def gradient(self, parameters: FloatArray, slope: FloatArray) -> FloatArray:
        """Derivative by each log variance."""
        return np.asarray(np.exp(parameters) * np.tensordot(self.components, slope, 2))

    def over(self, design: FloatArray) -> "Mixture":
        """The same mixture of sums over rows."""
        return Mixture(design @ self.components @ design.T, self.log_means, self.log_deviation)


@dataclass(frozen=True, slots=True, eq=False)
class Coregional:
    """Kinds of layers that share cost profiles, learned, which drift along the network.

    The intrinsic coregionalization model (Alvarez, Rosasco and Lawrence, Kernels for
    vector-valued functions, 2012, section 4.2): the costs of the kinds at one position covary as
    ``V' V``, with as many rows in ``V`` as profiles, and those of one profile at two positions as
    ``c + exp(-distance / l)``. Added is what layers of one kind share at all positions and at near
    ones, and what each layer has for itself.

    Attributes:
        layout: Positions and kinds.
        unit: Variance of a cost that counts as 1.
        profiles: Where to look for ``V`` first, shape (profiles, kinds); not all 0, which is a
            saddle.
    """

    layout: Layout
    unit: float
    profiles: FloatArray

    # logarithms: one kind everywhere, one kind nearby, each layer, both lengths, c
    _MEANS = (-2.0, -2.0, -2.0, 1.5, 1.5, 0.0)
    _DEVIATIONS = (2.0, 2.0, 2.0, 1.0, 1.0, 2.0)
    _SCALARS = len(_MEANS)

    @property
    def prior(self) -> tuple[FloatArray, FloatArray]:
        """Of six logarithms, then of the profiles one after another."""
        flat = self.profiles.size
        return (
            np.concatenate([self._MEANS, np.zeros(flat)]),
            np.concatenate([self._DEVIATIONS, np.ones(flat)]),
        )

    @property
    def start(self) -> FloatArray:
        """The hyper-prior's mean, and the profiles that were given."""
        return np.concatenate([self._MEANS, self.profiles.ravel()])

    def covariance(self, parameters: FloatArray) -> FloatArray:
        """What profiles, kinds and layers come to."""
        everywhere, nearby, alone, *_ = np.exp(parameters[: self._SCALARS])
        drift, near, shared = self._parts(parameters)
        same = self.layout.same_kind
        total = drift * (shared + everywhere * same) + nearby * same * near
        total[np.diag_indices(len(total))] += alone * self.layout.real
        return np.asarray(self.unit * total)

    def gradient(self, parameters: FloatArray, slope: FloatArray) -> FloatArray:
        """Derivative by the six logarithms and each entry of the profiles."""
        everywhere, nearby, alone, length, near_length, constant = np.exp(
            parameters[: self._SCALARS]
        )
        drift, near, shared = self._parts(parameters)
        same, distances = self.layout.same_kind, self.layout.distances
        sums = shared + everywhere * same
        scalars = [
            everywhere * np.sum(slope * drift * same),
            nearby * np.sum(slope * same * near),
            alone * np.sum(np.diag(slope) * self.layout.real),
            np.sum(slope * sums * (drift - constant) * distances) / length,
            nearby * np.sum(slope * same * near * distances) / near_length,
            constant * np.sum(slope * sums),
        ]
        kinds = self._membership()
        by_kind = kinds.T @ (slope * drift) @ kinds
        return self.unit * np.concatenate(
            [scalars, (2 * self._profiles(parameters) @ by_kind).ravel()]
        )

    def over(self, design: FloatArray) -> "Family":
        """The same covariances of sums over rows."""
        return _Summed(self, design)

    def _parts(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """How profiles and kinds fade with distance, and how kinds covary by their profiles."""
        length, near_length, constant = np.exp(parameters[3 : self._SCALARS])
        distances = self.layout.distances
        by_layer = self._membership() @ self._profiles(parameters).T
        drift = constant + np.exp(-distances / length)
        return drift, np.exp(-distances / near_length), by_layer @ by_layer.T

    def _profiles(self, parameters: FloatArray) -> FloatArray:
        return parameters[self._SCALARS :].reshape(self.profiles.shape)

    def _membership(self) -> FloatArray:
        """1 where a layer is of a kind, shape (layers, kinds); no kind for the empty layer."""
        kinds = np.arange(self.profiles.shape[1])
        return np.asarray(self.layout.kinds[:, None] == kinds, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Summed:
    """A family over rows of a design, worked out from the family over layers each time."""

    family: Family
    design: FloatArray

    @property
    def prior(self) -> tuple[FloatArray, FloatArray]:
        return self.family.prior

    @property
    def start(self) -> FloatArray:
        return self.family.start

    def covariance(self, parameters: FloatArray) -> FloatArray:
        return np.asarray(self.design @ self.family.covariance(parameters) @ self.design.T)

    def gradient(self, parameters: FloatArray, slope: FloatArray) -> FloatArray:
        return self.family.gradient(parameters, self.design.T @ slope @ self.design)

    def over(self, design: FloatArray) -> Family:
        return _Summed(self.family, design @ self.design)


def layout_mixture(layout: Layout, design: FloatArray) -> Mixture:
    """Costs that layers of one kind share everywhere, nearby and next door, and their own.

    Args:
        layout: Positions and kinds.
        design: Networks whose mean variance under each part is to be 1, shape (networks, layers).
    """
    same, relative = layout.same_kind, layout.distances / layout.extent
    parts = [same, same * np.exp(-3 * relative), same * np.exp(-12 * relative)]
    return mixture([*parts, np.diag(layout.real.astype(np.float64))], design, log_means=-1.5)


def scaled_mixture(layout: Layout, design: FloatArray, *, isolated_ms: FloatArray) -> Mixture:
    """Errors of layers measured alone: a common factor, and parts by kind, place and layer.

    Factors that layers share (a cold cache, a slower clock) are relative to what was measured;
    what they share beyond (a copy, a dispatch) is not.

    Args:
        layout: Positions and kinds.
        design: Networks whose mean variance under each part is to be 1.
        isolated_ms: What each layer was measured to take, shape (layers,).
    """
    same, near = layout.same_kind, np.exp(-6 * layout.distances / layout.extent)
    alone = isolated_ms * layout.real
    products = np.outer(alone, alone)
    own = np.diag(layout.real.astype(np.float64))
    real = np.outer(layout.real, layout.real).astype(np.float64)
    relative = [products, products * near, products * same, products * own]
    return mixture([*relative, real, same, own], design, log_means=-3.0)


def mixture(
    components: list[FloatArray],
    design: FloatArray,
    *,
    log_means: FloatArray | float,
    log_deviation: float = 1.7,
) -> Mixture:
    """Components scaled to a mean variance of 1 over the networks of a design.

    A component under which these networks do not differ is left out.

    Args:
        components: Each of shape (layers, layers).
        design: Shape (networks, layers).
        log_means: Of the log variances, one for each component or one for all.
        log_deviation: Their hyper-prior standard deviation.

    Raises:
        InputError: The networks do not differ in any layer that costs anything.
    """
    centred = design - design.mean(axis=0)
    variances = np.array(
        [np.einsum("ij,ij->", centred @ part, centred) / len(centred) for part in components]
    )
    means = np.broadcast_to(np.asarray(log_means, dtype=np.float64), variances.shape)
    kept = [i for i, variance in enumerate(variances) if variance > 1e-12]
    if not kept:
        raise InputError(
            f"The {len(design)} networks do not differ in any layer that costs anything; measure "
            "networks that do."
        )
    return Mixture(
        np.array([components[i] / variances[i] for i in kept]), means[kept], log_deviation
    )
