"""Which layers of a catalog are likely to err together: where they stand and what they are."""

from dataclasses import dataclass

import numpy as np

from hwnas.catalog import BoolArray, FloatArray, IntArray
from hwnas.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where each layer of a catalog stands in a network, and what kind of layer it is.

    Attributes:
        positions: From input to output, in any unit that is even along the network, such as the
            number of the block, shape (layers,).
        kinds: Layers of one kind share what they cost in part; negative for the empty layer,
            which costs nothing; shape (layers,).
    """

    positions: FloatArray
    kinds: IntArray

    def __post_init__(self) -> None:
        if self.positions.shape != self.kinds.shape or self.positions.ndim != 1:
            raise InputError(
                f"A layout wants one position and one kind for each layer; it was given "
                f"{self.positions.shape} positions and {self.kinds.shape} kinds."
            )
        if not np.isfinite(self.positions).all():
            raise InputError("A layout wants finite positions; some are NaN or infinite.")

    @classmethod
    def of_choices(cls, cardinalities: IntArray) -> "Layout":
        """The layout of a space with one choice at each of its positions.

        Choice ``k`` at one position counts as the same kind as choice ``k`` at another.

        Args:
            cardinalities: Number of choices at each position, shape (positions,).
        """
        return cls(
            positions=np.repeat(np.arange(len(cardinalities), dtype=np.float64), cardinalities),
            kinds=np.concatenate([np.arange(count) for count in cardinalities]),
        )

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def real(self) -> BoolArray:
        """Which layers cost anything, shape (layers,)."""
        return self.kinds >= 0

    @property
    def same_kind(self) -> FloatArray:
        """1 where two layers are of one kind, else 0, shape (layers, layers)."""
        real = self.real
        return np.asarray((self.kinds[:, None] == self.kinds) & real[:, None], dtype=np.float64)

    @property
    def distances(self) -> FloatArray:
        """Between positions, shape (layers, layers)."""
        return np.asarray(np.abs(self.positions[:, None] - self.positions))

    @property
    def extent(self) -> float:
        """From the first position to the last, one position's width included."""
        distinct = np.unique(self.positions[self.real])
        if len(distinct) < 2:
            return 1.0
        return float(distinct[-1] - distinct[0] + np.diff(distinct).mean())


def one_hot(genes: IntArray, cardinalities: IntArray) -> FloatArray:
    """Counts over the choices of a space, shape (networks, sum of cardinalities).

    Args:
        genes: Shape (networks, positions).
        cardinalities: Number of choices at each position, shape (positions,).

    Raises:
        InputError: Genes are of another space.
    """
    if genes.ndim != 2 or genes.shape[1] != len(cardinalities):
        raise InputError(
            f"Expected genes of shape (networks, {len(cardinalities)}), got {genes.shape}."
        )
    if len(genes) and ((genes < 0).any() or (genes >= cardinalities).any()):
        raise InputError("Genes lie outside of 0 to cardinality - 1: they are of another space.")
    first = np.concatenate([[0], np.cumsum(cardinalities)[:-1]])
    counts = np.zeros((len(genes), int(np.sum(cardinalities))))
    counts[np.arange(len(genes))[:, None], genes + first] = 1
    return counts


def layer_counts(layer_indices: IntArray, layers: int) -> FloatArray:
    """How often each layer of a catalog is in each network, shape (networks, layers).

    The empty layer, which stands first in a catalog, is not counted.

    Args:
        layer_indices: As `SearchSpace.layer_indices` gives them, shape (networks, slots).
        layers: Length of the catalog.
    """
    networks = len(layer_indices)
    flat = (layer_indices + layers * np.arange(networks)[:, None]).ravel()
    counts = np.bincount(flat, minlength=networks * layers).reshape(networks, layers)
    counts[:, 0] = 0
    return counts.astype(np.float64)
