"""The distinct layers of a search space, and their costs as vectors."""

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hwnas import layers as layer_costs
from hwnas.layers import EMPTY, LayerSpec

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class LayerCatalog:
    """Distinct layers in a fixed order, the empty layer first.

    Anything that is known layer by layer is a vector of shape (layers,) over the catalog;
    gathered at layer indices of shape (architectures, slots) it costs a whole population.

    Attributes:
        layers: The layers; ``layers[0]`` is the empty layer.
    """

    def __init__(self, layers: Iterable[LayerSpec]) -> None:
        self.layers = tuple(dict.fromkeys((EMPTY, *layers)))
        self._index = {layer: index for index, layer in enumerate(self.layers)}

    def __len__(self) -> int:
        return len(self.layers)

    def index(self, layer: LayerSpec) -> int:
        """Position of a layer in the catalog; KeyError when it is not there."""
        return self._index[layer]

    def vector(self, cost: Callable[[LayerSpec], float]) -> FloatArray:
        """A cost of every layer, shape (layers,)."""
        return np.array([cost(layer) for layer in self.layers], dtype=np.float64)

    @cached_property
    def macs(self) -> FloatArray:
        """Multiply-accumulates for one image, shape (layers,)."""
        return self.vector(layer_costs.macs)

    @cached_property
    def params(self) -> FloatArray:
        """Trained parameters, shape (layers,)."""
        return self.vector(layer_costs.params)

    @cached_property
    def weights(self) -> FloatArray:
        """Numbers stored in an exported file, shape (layers,)."""
        return self.vector(layer_costs.weights)

    @cached_property
    def biases(self) -> FloatArray:
        """Biases among `weights`, shape (layers,)."""
        return self.vector(layer_costs.biases)

    @cached_property
    def filters(self) -> FloatArray:
        """Output channels with weights of their own, shape (layers,)."""
        return self.vector(layer_costs.filters)

    @cached_property
    def hard_swish_elements(self) -> FloatArray:
        """Activation elements that go through a hard-swish, shape (layers,)."""
        return self.vector(layer_costs.hard_swish_elements)

    @cached_property
    def int8_peak_bytes(self) -> FloatArray:
        """Most bytes of activations alive at once in an int8 network, shape (layers,)."""
        return self.vector(layer_costs.int8_peak_bytes)

    @cached_property
    def peak_activations(self) -> FloatArray:
        """Most activation elements alive at once, shape (layers,)."""
        return self.vector(layer_costs.peak_activations)

    @cached_property
    def moved(self) -> FloatArray:
        """Elements read and written, weights included, shape (layers,)."""
        return self.vector(layer_costs.moved)


def total(values: FloatArray, layer_indices: IntArray) -> FloatArray:
    """What additive costs sum to, shape (architectures,).

    Args:
        values: Cost of each layer of the catalog, shape (layers,).
        layer_indices: As `SearchSpace.layer_indices` gives them, shape (architectures, slots).
    """
    # "clip" spares a bounds check that costs half the time; a space's indices are in range
    return np.asarray(values.take(layer_indices.T, mode="clip").sum(axis=0))


def largest(values: FloatArray, layer_indices: IntArray) -> FloatArray:
    """What costs that do not add up come to, such as peak memory: the maximum over slots.

    Args:
        values: Cost of each layer of the catalog, shape (layers,).
        layer_indices: As `SearchSpace.layer_indices` gives them, shape (architectures, slots).
    """
    return np.asarray(values.take(layer_indices.T, mode="clip").max(axis=0))
