"""Choosing a predictor by cross-validation, and calibrating how sure it says it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from scipy.stats import rankdata

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError
from hwnas.prediction.boosted_trees import fit_trees
from hwnas.prediction.features import TRIVIAL, Encoding, encoding_of
from hwnas.prediction.gaussian_process import PROCESS, RIDGE, fit_process
from hwnas.protocols import SearchSpace

ENSEMBLE = "ensemble"
LEAST_ROWS = 20
"""With fewer there is no telling how good a predictor is."""

_FOLDS = 5
_NORMAL_90 = 1.645


class Model(Protocol):
    """A fitted regression."""

    def predict(self, genes: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, each of shape (architectures,)."""


MODELS: Mapping[str, Callable[[Encoding, IntArray, FloatArray], Model]] = {
    "ridge": partial(fit_process, grams=RIDGE),
    "gaussian_process": partial(fit_process, grams=PROCESS),
    "boosted_trees": fit_trees,
}


@dataclass(frozen=True, slots=True)
class Score:
    """What cross-validation says of a predictor, or of a number that ranks for nothing.

    Attributes:
        name: A key of `MODELS`, ``ensemble``, or one of `TRIVIAL`.
        spearman: Rank correlation with the values that were held out; NaN for a constant.
        rmse: Root mean squared error, in the values' unit; None for a trivial number.
        coverage_90: Part of the held-out values in intervals that were calibrated on the other
            folds to hold 90 %; None for a trivial number.
    """

    name: str
    spearman: float
    rmse: float | None = None
    coverage_90: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """The regression that predicts best, fitted on all rows.

    Attributes:
        cardinalities: Of the genes it takes, shape (genes,).
        chosen: Its name.
        scores: Of all regressions that were tried, the best first, then of the trivial numbers.
        rows: How many architectures it was fitted on.
    """

    cardinalities: IntArray
    chosen: str
    scores: tuple[Score, ...]
    rows: int
    _models: tuple[Model, ...]
    _stretch: float

    def mean(self, genes: IntArray) -> FloatArray:
        """Expected values of canonical genes, shape (architectures,)."""
        return _combined(self._models, genes)[0]

    def std(self, genes: IntArray) -> FloatArray:
        """Calibrated standard deviations, shape (architectures,)."""
        return self._stretch * _combined(self._models, genes)[1]


def fit(space: SearchSpace | Encoding, genes: IntArray, values: FloatArray) -> Predictor:
    """The predictor that is best in five-fold cross-validation, fitted on all rows.

    Tried are ridge regression on one-hots and their pairs, a Gaussian process, boosted trees, and
    the mean of the three. All also see MACs, parameters and depth where a space says them. The
    highest rank correlation wins: a search compares. Deviations are stretched so that 90 % of the
    held-out values lie in their intervals.

    Args:
        space: Whose genes they are; an `Encoding` for a bare table.
        genes: Of evaluated architectures, canonical, shape (architectures, genes).
        values: Such as their accuracy in percent, shape (architectures,).

    Raises:
        InputError: There are too few architectures, or a value is not a number.
    """
    encoding = space if isinstance(space, Encoding) else encoding_of(space)
    values = np.asarray(values, dtype=np.float64)
    _check(encoding, genes, values)
    part = _folds(genes)
    held = {name: _held_out(encoding, genes, values, part, name) for name in MODELS}
    means = np.stack([mean for mean, _ in held.values()])
    stds = np.stack([std for _, std in held.values()])
    held[ENSEMBLE] = _mixture(means, stds)
    scores = [_score(name, mean, std, values, part) for name, (mean, std) in held.items()]
    scores.sort(key=lambda score: np.nan_to_num(score.spearman, nan=-1.0), reverse=True)
    chosen = scores[0].name
    names = MODELS if chosen == ENSEMBLE else (chosen,)
    mean, std = held[chosen]
    return Predictor(
        cardinalities=encoding.cardinalities,
        chosen=chosen,
        scores=(*scores, *_trivial_scores(encoding, genes, values)),
        rows=len(values),
        _models=tuple(MODELS[name](encoding, genes, values) for name in names),
        _stretch=_stretch(mean, std, values),
    )


def _check(encoding: Encoding, genes: IntArray, values: FloatArray) -> None:
    if genes.shape != (len(values), len(encoding.cardinalities)):
        raise InputError(
            f"A predictor needs a row of {len(encoding.cardinalities)} genes for each value; got "
            f"genes of shape {genes.shape} and {len(values)} values."
        )
    if ((genes < 0) | (genes >= encoding.cardinalities)).any():
        raise InputError("A gene is not among its choices; give genes as the space samples them.")
    if not np.isfinite(values).all():
        wrong = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"Value {wrong} is {values[wrong]}; leave out what was not evaluated.")
    different = len(np.unique(genes, axis=0))
    if different < LEAST_ROWS:
        raise InputError(
            f"A predictor needs at least {LEAST_ROWS} different evaluated architectures; got "
            f"{different}."
        )


def _folds(genes: IntArray) -> IntArray:
    """A random part for each row, shape (rows,); equal architectures are in the same part."""
    _, which = np.unique(genes, axis=0, return_inverse=True)
    order = np.random.default_rng(0).permutation(which.max() + 1)
    return np.asarray(order[which.ravel()] % _FOLDS)


def _held_out(
    encoding: Encoding, genes: IntArray, values: FloatArray, part: IntArray, name: str
) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of each row by a model that was not fitted on it."""
    mean, std = np.empty(len(values)), np.empty(len(values))
    for fold in range(_FOLDS):
        left = part == fold
        model = MODELS[name](encoding, genes[~left], values[~left])
        mean[left], std[left] = model.predict(genes[left])
    return mean, std


def _mixture(means: FloatArray, stds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of an even mixture, from arrays of shape (models, architectures)."""
    return means.mean(axis=0), np.sqrt((stds**2).mean(axis=0) + means.var(axis=0))


def _combined(models: tuple[Model, ...], genes: IntArray) -> tuple[FloatArray, FloatArray]:
    found = [model.predict(genes) for model in models]
    return _mixture(np.stack([mean for mean, _ in found]), np.stack([std for _, std in found]))


def _stretch(mean: FloatArray, std: FloatArray, values: FloatArray) -> float:
    """What deviations have to be multiplied with for 90 % of the values to be where they say."""
    errors = np.abs(mean - values) / std
    return max(float(np.quantile(errors, 0.9)) / _NORMAL_90, 1e-6)


def _score(
    name: str, mean: FloatArray, std: FloatArray, values: FloatArray, part: IntArray
) -> Score:
    inside = np.zeros(len(values), dtype=bool)
    for fold in range(_FOLDS):
        left = part == fold
        stretch = _stretch(mean[~left], std[~left], values[~left])
        inside[left] = np.abs(mean - values)[left] <= _NORMAL_90 * stretch * std[left]
    rmse = float(np.sqrt(((mean - values) ** 2).mean()))
    return Score(name, spearman(mean, values), rmse, float(inside.mean()))


def _trivial_scores(encoding: Encoding, genes: IntArray, values: FloatArray) -> list[Score]:
    if encoding.trivial is None:
        return []
    numbers = encoding.trivial(genes)
    return [
        Score(name, spearman(column, values))
        for name, column in zip(TRIVIAL, numbers.T, strict=True)
    ]


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Rank correlation; NaN where one of the two is constant."""
    ranks = [rankdata(values) for values in (a, b)]
    deviations = [values - values.mean() for values in ranks]
    lengths = np.sqrt(np.prod([values @ values for values in deviations]))
    return float(deviations[0] @ deviations[1] / lengths) if lengths > 0 else float("nan")
