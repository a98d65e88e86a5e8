"""How layers cost other than their kind does elsewhere, told by devices that are known."""

import numpy as np

from hwnas.calibration.layout import Layout
from hwnas.catalog import FloatArray

_OWN = 0.3  # share of what kinds have for themselves, whatever known devices show


def departures(layout: Layout, shown: FloatArray) -> FloatArray:
    """Covariance of what sets a layer apart from others of its kind, shape (layers, layers).

    Two layers depart alike where their kinds did so on known devices, such as two kernel sizes of
    one expansion, and where they stand at positions that known devices treat alike, such as two
    blocks of one stage.

    Args:
        layout: Where layers stand and what kind they are.
        shown: What layers cost on known devices, or anything else that tells them apart, each
            column in a unit of its own, shape (layers, columns).
    """
    places, place = np.unique(layout.positions, return_inverse=True)
    kinds = int(layout.kinds.max(initial=-1)) + 1
    real = np.flatnonzero(layout.real)
    sums = np.zeros((len(places), kinds, shown.shape[1]))
    counts = np.zeros((len(places), kinds, 1))
    at = place[real], layout.kinds[real]
    np.add.at(sums, at, shown[real])
    np.add.at(counts, at, 1.0)
    usual = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    apart = np.where(counts > 0, sums / np.maximum(counts, 1) - usual, 0.0)
    by_kind, by_place = _between_kinds(apart), _between_places(apart)
    covariance = np.zeros((len(layout), len(layout)))
    covariance[np.ix_(real, real)] = by_kind[np.ix_(at[1], at[1])] * by_place[np.ix_(at[0], at[0])]
    return covariance


def _between_kinds(apart: FloatArray) -> FloatArray:
    """Covariance between kinds, mean variance 1."""
    products = np.einsum("pac,pbc->ab", apart, apart)
    scale = float(np.trace(products)) / max(len(products), 1)
    if scale <= 0:
        return np.eye(len(products))
    return np.asarray((1 - _OWN) * products / scale + _OWN * np.eye(len(products)))


def _between_places(apart: FloatArray) -> FloatArray:
    """How alike places are: 1 for the same, less the further known devices set them apart."""
    flat = apart.reshape(len(apart), -1)
    squares = np.sum((flat[:, None] - flat) ** 2, axis=-1)
    usual = squares[squares > 0]
    return np.asarray(np.exp(-squares / (np.median(usual) if len(usual) else 1.0)))
