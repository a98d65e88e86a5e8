"""Any other space with one gene more: the precision of the whole network."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hwnas import spaces
from hwnas.catalog import IntArray, LayerCatalog
from hwnas.errors import FileFormatError, InputError
from hwnas.layers import LayerSpec
from hwnas.protocols import SearchSpace
from hwnas.units import PRECISIONS

FAMILY = "precision_choice"


class PrecisionSpace:
    """The architectures of a base space, each at several precisions.

    The first gene is an index into `precisions`; the others are the base space's. Layers do not
    depend on the precision, so catalog, slots and weights are the base space's too: what does
    depend on it (latency, size, accuracy) is estimated with one estimator for each precision.

    Attributes:
        base: The space of the other genes.
        precisions: What the first gene chooses from.
        cardinalities: Number of choices of each gene, shape (genes,).
    """

    def __init__(self, base: SearchSpace, precisions: tuple[str, ...]) -> None:
        self.base = base
        self.precisions = precisions
        self.cardinalities: IntArray = np.concatenate([[len(precisions)], base.cardinalities])

    @property
    def name(self) -> str:
        """The base space's name."""
        return self.base.name

    @property
    def catalog(self) -> LayerCatalog:
        """The base space's distinct layers."""
        return self.base.catalog

    @property
    def slot_layers(self) -> tuple[LayerSpec, ...]:
        """The base space's slots."""
        return self.base.slot_layers

    def split(self, genes: IntArray) -> tuple[IntArray, IntArray]:
        """Genes of shape (architectures, genes) as precisions and the base space's genes.

        Returns:
            Indices into `precisions`, shape (architectures,), and the base space's genes, shape
            (architectures, genes - 1).
        """
        return genes[:, 0], genes[:, 1:]

    def layer_indices(self, genes: IntArray) -> IntArray:
        """Catalog indices, shape (architectures, slots); the same at every precision."""
        return self.base.layer_indices(genes[:, 1:])

    def canonical(self, genes: IntArray) -> IntArray:
        """The base space's genes canonical, the precision as it is; same shape."""
        return np.concatenate([genes[:, :1], self.base.canonical(genes[:, 1:])], axis=1)

    def sample(self, count: int, rng: np.random.Generator) -> IntArray:
        """Random canonical architectures at random precisions, shape (count, genes)."""
        chosen = rng.integers(len(self.precisions), size=(count, 1))
        return np.concatenate([chosen, self.base.sample(count, rng)], axis=1)

    def describe(self, row: IntArray) -> dict[str, Any]:
        """``precision``, and the base space's readable form."""
        row = np.asarray(row)
        return {"precision": self.precisions[int(row[0])], **self.base.describe(row[1:])}

    def parse(self, mapping: Mapping[str, Any]) -> IntArray:
        """A canonical row from the form that `describe` gives.

        Raises:
            InputError: The precision is missing or not among the choices, or the rest is none of
                the base space's architectures.
        """
        rest = dict(mapping)
        precision = rest.pop("precision", None)
        if precision not in self.precisions:
            raise InputError(
                f"Architecture key 'precision' is {precision!r}; this search of {self.name} offers "
                f"{list(self.precisions)}."
            )
        return np.concatenate([[self.precisions.index(precision)], self.base.parse(rest)])

    def definition(self) -> dict[str, Any]:
        """Plain data from which the same space can be built again."""
        return {
            "family": FAMILY,
            "precisions": list(self.precisions),
            "base": self.base.definition(),
        }


def base_space(space: SearchSpace) -> SearchSpace:
    """The space without its precision gene; the space itself when it has none."""
    return space.base if isinstance(space, PrecisionSpace) else space


def create(content: Mapping[str, Any], source: str) -> SearchSpace:
    """A space of this family from plain data.

    Args:
        content: ``precisions``, at least two; ``base``, the definition of another space; further
            keys replace those of ``base``.
        source: Where it came from, for errors.

    Raises:
        FileFormatError: Precisions are unknown, repeated or fewer than two, or ``base`` is no
            definition of a space, or one that chooses precisions itself.
    """
    changes = dict(content)
    precisions, base = changes.pop("precisions", None), changes.pop("base", None)
    if not isinstance(precisions, (list, tuple)) or any(p not in PRECISIONS for p in precisions):
        raise FileFormatError(
            f"{source}: precisions is {precisions!r}; expected a list of some of "
            f"{', '.join(PRECISIONS)}."
        )
    if len(precisions) < 2 or len(set(precisions)) < len(precisions):
        raise FileFormatError(
            f"{source}: precisions is {list(precisions)}; expected at least two different ones."
        )
    if not isinstance(base, Mapping) or base.get("family") == FAMILY:
        raise FileFormatError(
            f"{source}: base must be the definition of a space whose family is not {FAMILY}."
        )
    name = {"name": changes.pop("name")} if "name" in changes else {}
    wrapped = spaces.from_definition({**name, **base, **changes}, source=f"{source}: base")
    return PrecisionSpace(wrapped, tuple(precisions))
