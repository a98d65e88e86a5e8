"""A space's supernet, and its networks as layers slot by slot."""

from hwnas.catalog import IntArray
from hwnas.layers import LayerSpec
from hwnas.networks.pixels import channels_last
from hwnas.networks.static import initialise
from hwnas.networks.supernet import Supernet
from hwnas.protocols import SearchSpace


def create_supernet(space: SearchSpace, seed: int, *, kernel_transforms: bool = False) -> Supernet:
    """An untrained supernet of the space."""
    supernet = Supernet(space.slot_layers, kernel_transforms=kernel_transforms)
    initialise(supernet, seed)
    return channels_last(supernet)


def slot_layers_of(space: SearchSpace, rows: IntArray) -> list[tuple[LayerSpec, ...]]:
    """One layer for each slot, absent ones empty, of each architecture of shape (count, genes)."""
    layers = space.catalog.layers
    return [tuple(layers[i] for i in indices) for indices in space.layer_indices(rows)]
