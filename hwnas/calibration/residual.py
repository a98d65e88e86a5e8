"""What sums of layers miss where latency is not additive, learned from whole networks.

A Gaussian process over what a network is as a whole: which kinds of layers follow each other
(runtimes fuse neighbours), and how much there is of it (caches and memories overflow).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from hwnas import files
from hwnas.calibration.evidence import AS_NORMAL, fit
from hwnas.calibration.priors import Mixture
from hwnas.catalog import FloatArray, IntArray

_LENGTHS = (0.5, 1.0, 2.0)  # of smooth parts, in standard deviations of a total
_LOG_MEAN = -1.5
_FOLDS = 5
_LEAST = 4 * _FOLDS  # networks
_WORTH = 0.85  # of the error without it; above, a second model is not worth its doubts
_CLEARLY = 1.645  # standard errors by which it must be better
_BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Residual:
    """What was learned of errors of sums; with the networks it gives them back.

    Attributes:
        variances: Of neighbours, and of totals at each length.
        noise: Standard deviation of what is not explained even so, relative to a latency.
        precisions: Of each network's noise, relative to the usual; low for an outlier.
        error: Mean absolute error, percent, of networks left out in turns, with this model.
        additive_error: The same of sums alone, which made it worth while.
    """

    variances: tuple[float, ...]
    noise: float
    precisions: tuple[float, ...]
    error: float
    additive_error: float

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """What is looked at in layers, the empty one first.

    Attributes:
        kinds: Shape (layers,); whatever the empty layer's says.
        costs_ms: Shape (layers,); 0 for the empty layer.
        totals: What networks have much or little of, shape (layers, totals).
    """

    kinds: IntArray
    costs_ms: FloatArray
    totals: FloatArray

    def only(self, chosen: IntArray) -> "Traits":
        """The traits of some layers, in another order."""
        return Traits(self.kinds[chosen], self.costs_ms[chosen], self.totals[chosen])

    def of(self, layer_indices: IntArray, kinds: int) -> tuple[FloatArray, FloatArray]:
        """Neighbours and totals of networks.

        Args:
            layer_indices: Shape (networks, slots); 0 is no layer.
            kinds: How many there are.

        Returns:
            The share of a network's cost in layers of each kind that are followed by each other
            one, shape (networks, kinds * kinds); and totals, shape (networks, totals).
        """
        order = np.argsort(layer_indices == 0, axis=1, kind="stable")  # absent slots last
        layers = np.take_along_axis(layer_indices, order, axis=1)
        costs, kind = self.costs_ms[layers], self.kinds[layers]
        both = costs[:, :-1] + costs[:, 1:]
        both[layers[:, 1:] == 0] = 0.0
        both /= np.maximum(costs.sum(axis=1, keepdims=True), 1e-300)
        bins = np.where(both > 0, kind[:, :-1] * kinds + kind[:, 1:], 0)
        flat = (bins + kinds**2 * np.arange(len(bins))[:, None]).ravel()
        size = len(bins) * kinds**2
        pairs = np.bincount(flat, both.ravel(), minlength=size).reshape(len(bins), kinds**2)
        return np.asarray(pairs, dtype=np.float64), self.totals[layers].sum(axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """Predicts what sums miss, relative to them.

    Attributes:
        traits: Of the layers that networks are given as.
        kinds: How many kinds of layers there are.
        pairs: Neighbours in the networks that it was learned from, shape (known, kinds ** 2).
        totals: Their totals in units of ``spread`` about ``centre``, shape (known, totals).
        centre: Shape (totals,).
        spread: Shape (totals,).
        learned: Hyper-parameters.
        level: Mean of what sums miss.
        weights: Of the known networks, shape (known,).
        inverse: Of the covariance of what was seen of them, shape (known, known).
    """

    traits: Traits
    kinds: int
    pairs: FloatArray
    totals: FloatArray
    centre: FloatArray
    spread: FloatArray
    learned: Residual
    level: float
    weights: FloatArray
    inverse: FloatArray

    def only(self, chosen: IntArray) -> "Correction":
        """The same for networks given as some of the layers, in another order."""
        return replace(self, traits=self.traits.only(chosen))

    def means(self, layer_indices: IntArray) -> FloatArray:
        """What sums miss, as a share of them, shape (networks,)."""
        return self._predict(layer_indices, deviate=False)[0]

    def deviations(self, layer_indices: IntArray) -> FloatArray:
        """Its standard deviation, noise included, shape (networks,)."""
        return self._predict(layer_indices, deviate=True)[1]

    def left_out(self, missed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What would be predicted of each known network without it, and its deviation.

        Args:
            missed: As it was learned from.
        """
        own = np.diag(self.inverse)
        return missed - self.weights / own, np.sqrt(1 / own)

    def _predict(self, layer_indices: IntArray, *, deviate: bool) -> tuple[FloatArray, FloatArray]:
        means, variances = np.empty(len(layer_indices)), np.zeros(len(layer_indices))
        first, *smooth = self.learned.variances
        noise = (AS_NORMAL * self.learned.noise) ** 2
        for start in range(0, len(layer_indices), _BLOCK):
            block = slice(start, start + _BLOCK)
            pairs, totals = self.traits.of(layer_indices[block], self.kinds)
            parts = _parts(pairs, (totals - self.centre) / self.spread, self.pairs, self.totals)
            across = np.tensordot(self.learned.variances, parts, 1)
            means[block] = self.level + across @ self.weights
            if deviate:
                own = first * np.einsum("ij,ij->i", pairs, pairs) + sum(smooth)
                told = np.einsum("ij,ij->i", across @ self.inverse, across)
                variances[block] = np.maximum(own - told, 0.0) + noise
        return means, np.sqrt(variances)


def correction(
    layer_indices: IntArray, missed: FloatArray, *, traits: Traits, learned: Residual
) -> Correction:
    """What sums miss, in closed form.

    Args:
        layer_indices: Known networks, shape (known, slots).
        missed: By how much each took longer than the sum that was expected of it from the others,
            relative to that, shape (known,).
        traits: Of the layers.
        learned: Hyper-parameters, of the same networks.
    """
    kinds = int(traits.kinds.max()) + 1
    pairs, raw = traits.of(layer_indices, kinds)
    centre, spread = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-300)
    totals = (raw - centre) / spread
    marginal = np.tensordot(learned.variances, _parts(pairs, totals, pairs, totals), 1)
    marginal[np.diag_indices(len(missed))] += learned.noise**2 / np.array(learned.precisions)
    inverse = cho_solve(cho_factor(marginal, lower=True), np.eye(len(missed)))
    level = float(np.average(missed, weights=learned.precisions))
    return Correction(
        traits, kinds, pairs, totals, centre, spread, learned, level,
        inverse @ (missed - level), inverse,
    )  # fmt: skip


def residual(
    layer_indices: IntArray, missed: FloatArray, *, traits: Traits, repeatability: float
) -> Residual | None:
    """A second model, where sums fail and it does better on networks left out; else None.

    Args:
        layer_indices: As for `correction`.
        missed: As for `correction`.
        traits: As for `correction`.
        repeatability: Mean absolute difference of two halves of the measurements, as a fraction.
    """
    additive = np.abs(missed)
    if len(missed) < _LEAST or additive.mean() <= repeatability:
        return None
    unseen = np.empty_like(missed)
    for fold in range(_FOLDS):
        out = np.arange(len(missed)) % _FOLDS == fold
        model = correction(
            layer_indices[~out], missed[~out], traits=traits,
            learned=_learned(layer_indices[~out], missed[~out], traits),
        )  # fmt: skip
        unseen[out] = model.means(layer_indices[out])
    errors = np.abs((unseen - missed) / (1 + missed))
    gains = additive / (1 + missed) - errors
    doubt = gains.std() / np.sqrt(len(gains))
    before = float(np.mean(additive / (1 + missed)))
    if errors.mean() > _WORTH * before or gains.mean() < _CLEARLY * doubt:
        return None
    found = _learned(layer_indices, missed, traits)
    return replace(
        found,
        error=round(100 * float(errors.mean()), 3),
        additive_error=round(100 * before, 3),
    )


def _learned(layer_indices: IntArray, missed: FloatArray, traits: Traits) -> Residual:
    """Hyper-parameters by marginal likelihood, no errors stated."""
    pairs, raw = traits.of(layer_indices, int(traits.kinds.max()) + 1)
    totals = (raw - raw.mean(axis=0)) / np.maximum(raw.std(axis=0), 1e-300)
    parts = _parts(pairs, totals, pairs, totals)
    unit = max(float(missed.std()), 1e-9)
    centred = [
        part - part.mean(axis=0) - part.mean(axis=1)[:, None] + part.mean() for part in parts
    ]
    scales = np.array([max(np.trace(part) / len(part), 1e-12) for part in centred])
    family = Mixture(parts / scales[:, None, None], np.full(len(parts), _LOG_MEAN))
    found = fit(family, np.eye(len(missed)), (missed - missed.mean()) / unit)
    variances = unit**2 * np.exp(found.parameters[:-1]) / scales
    return Residual(
        tuple(float(f"{variance:.6g}") for variance in variances),
        float(f"{unit * np.sqrt(found.noise):.6g}"),
        tuple(float(f"{one:.6g}") for one in found.precisions),
        0.0,
        0.0,
    )


def _parts(
    pairs: FloatArray, totals: FloatArray, known_pairs: FloatArray, known_totals: FloatArray
) -> FloatArray:
    """Covariances with known networks: by neighbours, and by totals; (parts, networks, known)."""
    squares = (
        np.einsum("ij,ij->i", totals, totals)[:, None]
        - 2 * totals @ known_totals.T
        + np.einsum("ij,ij->i", known_totals, known_totals)
    )
    smooth = [np.exp(-squares / (2 * totals.shape[1] * length**2)) for length in _LENGTHS]
    return np.stack([pairs @ known_pairs.T, *smooth])
