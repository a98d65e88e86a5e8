"""How alike two architectures are: the covariance that a Gaussian process over choices learns.

Two parts are added, each with a weight of its own:

- A product over genes: two rows are alike as far as their choices are, gene by gene. Written
  out it holds effects of single genes, of pairs and of every higher order.
- A squared exponential of how often each choice occurs, wherever it does: in many spaces the
  number of convolutions matters more than their places.

How different two choices are is learned as a distance between points in a plane, one point
for each choice. Genes with equally many choices share the points, since such genes usually
choose among the same operations, and scale the distances each by a factor of its own; where the
choices mean different things, the factors and the other part make up for it.
"""

from dataclasses import dataclass

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import BoolArray

_PLANE = 2
_UNLIKE = 1.0  # squared distance of two choices that no data has told apart yet


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows of genes as the kernel reads them.

    Attributes:
        chosen: One-hot of every gene, shape (architectures, choices of all genes).
        counts: How often each choice of each group of genes occurs, shape (architectures,
            choices of all groups).
    """

    chosen: FloatArray
    counts: FloatArray

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: IntArray | BoolArray) -> "Encoded":
        return Encoded(self.chosen[index], self.counts[index])

    def exact(self) -> "Encoded":
        """The same in double precision, as solving systems needs; single is for screening."""
        return Encoded(self.chosen.astype(np.float64), self.counts.astype(np.float64))


class ChoiceKernel:
    """The covariance of rows of choices, and its derivatives by all of its parameters.

    A parameter vector holds, in this order: the logarithms of the two parts' variances, of the
    variance that no other architecture tells anything about, and of each gene's factor; the
    points of the choices; the logarithms of the weights of the counts.

    Args:
        cardinalities: Number of choices of each gene, shape (genes,).
    """

    def __init__(self, cardinalities: IntArray) -> None:
        self._cardinalities = np.asarray(cardinalities, dtype=np.int64)
        self._starts = np.append(0, np.cumsum(self._cardinalities))
        genes = len(self._cardinalities)
        self._groups = [
            (int(size), np.flatnonzero(self._cardinalities == size))
            for size in np.unique(self._cardinalities)
        ]
        choices = sum(size for size, _ in self._groups)
        self._factors = slice(3, 3 + genes)
        self._points = slice(3 + genes, 3 + genes + _PLANE * choices)
        self._weights = slice(self._points.stop, self._points.stop + choices)

    def prior(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each parameter before any data, for unit variance."""
        mean = np.zeros(self._weights.stop)
        mean[:3] = np.log([0.5, 0.3, 0.05])
        mean[self._factors] = -np.log(max(len(self._cardinalities), 1))
        mean[self._weights] = np.log(0.05)
        deviation = np.ones(len(mean))
        deviation[:3] = 1.5
        deviation[self._factors] = 0.7
        return mean, deviation

    def start(self) -> FloatArray:
        """Parameters to begin with: the prior's mean, but no two choices at the same point."""
        parameters, _ = self.prior()
        around = np.random.default_rng(0)
        size = self._points.stop - self._points.start
        parameters[self._points] = 0.3 * around.standard_normal(size)
        return parameters

    def encode(self, genes: IntArray) -> Encoded:
        """Rows of shape (architectures, genes), ready for `covariance`."""
        # a row without genes has no type of its own
        genes = np.asarray(genes, dtype=np.int64)
        chosen = np.zeros((len(genes), self._starts[-1]), dtype=np.float32)
        chosen[np.arange(len(genes))[:, None], genes + self._starts[:-1]] = 1.0
        counts = [
            (genes[:, members] == choice).sum(axis=1)
            for size, members in self._groups
            for choice in range(size)
        ]
        shape = (len(genes), len(counts))
        return Encoded(chosen, np.array(counts, dtype=np.float32).reshape(shape[::-1]).T)

    def variance(self, parameters: FloatArray) -> float:
        """Of any single architecture, the part of its own not included."""
        return float(np.exp(parameters[:2]).sum())

    def covariance(self, parameters: FloatArray, rows: Encoded, others: Encoded) -> FloatArray:
        """Shape (rows, others), the part of its own not included."""
        product, counts = self._parts(parameters, rows, others)
        product += counts
        return product

    def gradient(self, parameters: FloatArray, rows: Encoded, slope: FloatArray) -> FloatArray:
        """Derivatives by the parameters of anything that depends on the rows' covariance.

        Args:
            parameters: As above.
            rows: What the covariance is of.
            slope: Derivatives by the entries of the covariance, symmetric.
        """
        product, counts = self._parts(parameters, rows, rows)
        product *= slope
        counts *= slope
        result = np.zeros(len(parameters))
        result[:3] = product.sum(), counts.sum(), slope.trace() * np.exp(parameters[2])
        self._add_choices(result, parameters, rows.chosen.T @ (product @ rows.chosen))
        weights = np.exp(parameters[self._weights])
        both_ways = np.einsum("ij,ij->j", rows.counts, counts @ rows.counts)
        alone = (rows.counts**2).T @ counts.sum(axis=1)
        result[self._weights] = -2 * weights * (alone - both_ways)
        return result

    def _parts(
        self, parameters: FloatArray, rows: Encoded, others: Encoded
    ) -> tuple[FloatArray, FloatArray]:
        kind = rows.chosen.dtype
        distances = self._distances(parameters).astype(kind)
        product = rows.chosen @ (others.chosen.astype(kind) @ -distances).T
        product += kind.type(parameters[0])
        np.exp(product, out=product)
        weights = np.exp(parameters[self._weights]).astype(kind)
        scaled = rows.counts * weights
        counts = (2 * scaled) @ others.counts.T.astype(kind)
        counts -= (scaled * rows.counts).sum(axis=1)[:, None]
        counts -= (others.counts.astype(kind) ** 2) @ weights
        np.minimum(counts, 0.0, out=counts)
        counts += kind.type(parameters[1])
        np.exp(counts, out=counts)
        return product, counts

    def _distances(self, parameters: FloatArray) -> FloatArray:
        """Distances of all choices of one gene, in blocks along the diagonal."""
        result = np.zeros((self._starts[-1],) * 2)
        factors = np.exp(parameters[self._factors])
        for (_, members), points in zip(self._groups, self._planes(parameters), strict=True):
            apart = _apart(points)
            for gene in members.tolist():
                result[self._block(gene)] = factors[gene] * apart
        return result

    def _add_choices(self, result: FloatArray, parameters: FloatArray, slopes: FloatArray) -> None:
        """Derivatives by factors and points, from those by minus the distances of choices."""
        factors = np.exp(parameters[self._factors])
        by_points = []
        for (_, members), points in zip(self._groups, self._planes(parameters), strict=True):
            apart = _apart(points)
            total = np.zeros_like(apart)
            for gene in members.tolist():
                slope = factors[gene] * slopes[self._block(gene)]
                result[self._factors.start + gene] = -(slope * apart).sum()
                total -= slope + slope.T
            by_points.append(2 * (total.sum(axis=1)[:, None] * points - total @ points).ravel())
        if by_points:
            result[self._points] = np.concatenate(by_points)

    def _planes(self, parameters: FloatArray) -> list[FloatArray]:
        """Points of the choices, group by group, each of shape (choices, 2)."""
        ends = np.cumsum([_PLANE * size for size, _ in self._groups])[:-1]
        parts = np.split(parameters[self._points], ends) if self._groups else []
        return [part.reshape(-1, _PLANE) for part in parts]

    def _block(self, gene: int) -> tuple[slice, slice]:
        block = slice(int(self._starts[gene]), int(self._starts[gene + 1]))
        return block, block


def _apart(points: FloatArray) -> FloatArray:
    """Squared distances, shape (choices, choices), 0 only between a choice and itself."""
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    return np.asarray(squared + _UNLIKE * (1 - np.eye(len(points))))
