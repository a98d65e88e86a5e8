"""Which networks of a space a training step takes, and what of them is free to vary yet.

Progressive shrinking (Cai et al. 2020, Once-for-All, section 3.3) lets one property after
another vary, the others staying as in the largest network.
"""

from collections.abc import Sequence

import numpy as np

from hwnas.catalog import IntArray
from hwnas.layers import EMPTY, LayerSpec
from hwnas.protocols import SearchSpace
from hwnas.training.config import Property, SupernetConfig
from hwnas.training.extremes import extreme_rows

_OF_FIELD: dict[str, Property] = {"resolution": "resolution", "kernel_size": "kernel_size"}


class ElasticSampler:
    """Draws the networks that are trained beside the largest one.

    Args:
        space: Whose networks.
        config: Says what becomes elastic when.
    """

    def __init__(self, space: SearchSpace, config: SupernetConfig) -> None:
        self._space = space
        self._config = config
        self.smallest, self.largest = extreme_rows(space)
        self._properties = gene_properties(space, self.largest) if config.progressive else ()

    def rows(self, epoch: int, rng: np.random.Generator) -> IntArray:
        """Random networks and, in a sandwich, last the smallest, shape (networks, genes).

        None in the epochs of the largest network alone.

        Args:
            epoch: From 0.
            rng: Draws the random ones.
        """
        config = self._config
        if epoch < config.largest_first:
            return np.zeros((0, len(self.largest)), dtype=np.int64)
        drawn = self._space.sample(config.random_networks, rng)
        rows = np.concatenate([drawn, self.smallest[None]]) if config.sandwich else drawn
        locked = [name in self._locked(epoch) for name in self._properties]
        if any(locked):
            rows = self._space.canonical(np.where(locked, self.largest, rows))
        return rows

    def _locked(self, epoch: int) -> Sequence[Property]:
        """What does not vary yet: the stages are equally long."""
        config = self._config
        elastic_epochs = max(1, config.epochs - config.largest_first)
        stage = (epoch - config.largest_first) * len(config.progressive) // elastic_epochs
        return config.progressive[stage + 1 :]


def gene_properties(space: SearchSpace, row: IntArray) -> tuple[Property | None, ...]:
    """What each gene decides, seen by changing it in one network.

    Args:
        space: Of the genes.
        row: A network all of whose genes have an effect, such as the largest, shape (genes,).

    Returns:
        One entry a gene; None for a gene that decides something else, such as the activation.
    """
    base = _layers(space, row)
    properties = []
    for gene, choices in enumerate(space.cardinalities):
        changed = row.copy()
        changed[gene] = 0 if row[gene] else choices - 1
        other = _layers(space, space.canonical(changed[None])[0])
        properties.append(_property(base, other))
    return tuple(properties)


def _layers(space: SearchSpace, row: IntArray) -> list[LayerSpec]:
    return [space.catalog.layers[index] for index in space.layer_indices(row[None])[0]]


def _property(base: Sequence[LayerSpec], other: Sequence[LayerSpec]) -> Property | None:
    pairs = [(a, b) for a, b in zip(base, other, strict=True) if a != b]
    if any((a == EMPTY) != (b == EMPTY) for a, b in pairs):
        return "depth"
    for field, name in _OF_FIELD.items():
        if any(getattr(a, field) != getattr(b, field) for a, b in pairs):
            return name
    widths = ("hidden_channels", "out_channels")
    if any(getattr(a, field) != getattr(b, field) for a, b in pairs for field in widths):
        return "width"
    return None
