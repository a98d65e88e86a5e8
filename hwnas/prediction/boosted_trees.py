"""Gradient boosting with small regression trees on genes and smooth numbers, in NumPy alone."""

from dataclasses import dataclass

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.prediction.features import Encoding

_BINS = 16  # of a smooth number
_LEAST_ROWS = 4  # in a leaf
_SHRINKAGE = 0.08
_TREES = 200
_LEVELS = 4
_ROWS_SHARE = 0.7  # of the rows that a tree sees (Friedman, Stochastic gradient boosting, 2002)


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A complete binary tree; node i has the children 2 i + 1 and 2 i + 2.

    Attributes:
        columns: What each inner node looks at, shape (inner nodes,).
        thresholds: It goes right above it, shape (inner nodes,).
        leaves: Shape (leaves,).
    """

    columns: IntArray
    thresholds: IntArray
    leaves: FloatArray

    def predict(self, binned: IntArray) -> FloatArray:
        """Of binned features, shape (architectures,)."""
        node = np.zeros(len(binned), dtype=np.intp)
        rows = np.arange(len(binned))
        for _ in range(_LEVELS):
            right = binned[rows, self.columns[node]] > self.thresholds[node]
            node = 2 * node + 1 + right
        return np.asarray(self.leaves[node - len(self.columns)])


@dataclass(frozen=True, slots=True, eq=False)
class BoostedTrees:
    """A sum of trees.

    Attributes:
        encoding: Of the genes.
        edges: Of the bins of each smooth number, shape (smooth, bins - 1).
        start: What the trees are added to.
        trees: Shrunken.
        noise_std: Deviation on the rows it was fitted on, far too small without calibration.
    """

    encoding: Encoding
    edges: FloatArray
    start: float
    trees: tuple[Tree, ...]
    noise_std: float

    def predict(self, genes: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean, and one deviation for all, each of shape (architectures,)."""
        binned = _binned(self.encoding, genes, self.edges)
        mean = self.start + sum(tree.predict(binned) for tree in self.trees)
        return np.asarray(mean), np.full(len(genes), self.noise_std)


def fit_trees(
    encoding: Encoding, genes: IntArray, values: FloatArray, *, seed: int = 0
) -> BoostedTrees:
    """Trees fitted one after the other to what those before left over.

    Args:
        encoding: Of the genes.
        genes: Canonical, shape (architectures, genes).
        values: Shape (architectures,).
        seed: Of the rows that each tree sees.
    """
    quantiles = np.arange(1, _BINS) / _BINS
    edges = np.quantile(encoding.smooth(genes), quantiles, axis=0).T
    binned = _binned(encoding, genes, edges)
    bins = max(int(encoding.cardinalities.max()), _BINS)
    rng = np.random.default_rng(seed)
    left, start, trees = values - values.mean(), float(values.mean()), []
    for _ in range(_TREES):
        rows = np.flatnonzero(rng.random(len(values)) < _ROWS_SHARE)
        tree = _grown(binned[rows], left[rows], bins)
        left = left - tree.predict(binned)
        trees.append(tree)
    return BoostedTrees(encoding, edges, start, tuple(trees), float(left.std()) or 1.0)


def _grown(binned: IntArray, left: FloatArray, bins: int) -> Tree:
    """A tree that splits every node where the squared error falls most."""
    inner = 2**_LEVELS - 1
    columns, thresholds = np.zeros(inner, dtype=np.intp), np.full(inner, bins, dtype=np.intp)
    node = np.zeros(len(left), dtype=np.intp)
    for level in range(_LEVELS):
        first = 2**level - 1
        for which in range(first, 2 * first + 1):
            own = np.flatnonzero(node == which)
            found = _best_split(binned[own], left[own], bins)
            if found is not None:
                columns[which], thresholds[which] = found
        node = 2 * node + 1 + (binned[np.arange(len(left)), columns[node]] > thresholds[node])
    sums = np.bincount(node - inner, weights=left, minlength=inner + 1)
    counts = np.bincount(node - inner, minlength=inner + 1)
    return Tree(columns, thresholds, _SHRINKAGE * sums / np.maximum(counts, 1))


def _best_split(binned: IntArray, left: FloatArray, bins: int) -> tuple[int, int] | None:
    """The column and the threshold; None where no split leaves enough rows on both sides."""
    if len(left) < 2 * _LEAST_ROWS:
        return None
    width = binned.shape[1]
    places = (binned + np.arange(width) * bins).ravel()
    counts = np.bincount(places, minlength=width * bins).reshape(width, bins).cumsum(axis=1)
    weights = np.repeat(left, width)
    sums = np.bincount(places, weights, minlength=width * bins).reshape(width, bins).cumsum(axis=1)
    others, rest = len(left) - counts, left.sum() - sums
    gain = sums**2 / np.maximum(counts, 1) + rest**2 / np.maximum(others, 1)
    gain[(counts < _LEAST_ROWS) | (others < _LEAST_ROWS)] = -np.inf
    best = int(gain.argmax())
    if not np.isfinite(gain.flat[best]):
        return None
    return best // bins, best % bins


def _binned(encoding: Encoding, genes: IntArray, edges: FloatArray) -> IntArray:
    """Genes as they are, and the bins of the smooth numbers, shape (architectures, columns)."""
    smooth = encoding.smooth(genes)
    columns = [np.searchsorted(own, values) for own, values in zip(edges, smooth.T, strict=True)]
    return np.column_stack([genes, *columns]).astype(np.intp)
