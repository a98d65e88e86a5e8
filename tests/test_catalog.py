"""A catalog keeps distinct layers, and sums or maximises their costs over architectures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas import layers
from hwnas.catalog import LayerCatalog, largest, total
from hwnas.layers import EMPTY, LayerSpec

A = LayerSpec("conv", 8, 3, 16, kernel_size=3)
B = LayerSpec("mbconv", 8, 16, 16, hidden_channels=32, kernel_size=5, se_channels=8)
C = LayerSpec("linear", 1, 16, 10, bias=True)


def test_a_catalog_starts_with_the_empty_layer_and_keeps_each_layer_once():
    catalog = LayerCatalog([A, B, A, EMPTY, C, B])
    assert catalog.layers == (EMPTY, A, B, C)
    assert len(catalog) == 4
    assert [catalog.index(layer) for layer in catalog.layers] == [0, 1, 2, 3]


def test_a_layer_that_is_not_in_the_catalog_is_a_key_error():
    with pytest.raises(KeyError):
        LayerCatalog([A]).index(B)


@pytest.mark.parametrize("name", ["macs", "params", "weights", "peak_activations", "moved"])
def test_cost_vectors_hold_the_costs_of_the_layers_in_order(name):
    catalog = LayerCatalog([A, B, C])
    cost = getattr(layers, name)
    assert getattr(catalog, name).tolist() == [0, cost(A), cost(B), cost(C)]


def test_totals_and_maxima_by_hand():
    values = np.array([0.0, 1.5, 4.0])
    indices = np.array([[1, 2, 0], [1, 1, 1]])
    assert total(values, indices).tolist() == [5.5, 4.5]
    assert largest(values, indices).tolist() == [4.0, 1.5]


@given(
    seed=st.integers(0, 2**32 - 1),
    architectures=st.integers(0, 20),
    slots=st.integers(1, 9),
    kinds=st.integers(1, 12),
)
def test_gathering_by_column_equals_a_loop_over_architectures(seed, architectures, slots, kinds):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=kinds)
    indices = rng.integers(kinds, size=(architectures, slots))
    assert total(values, indices).tolist() == pytest.approx(
        [sum(values[i] for i in row) for row in indices]
    )
    assert largest(values, indices).tolist() == [max(values[i] for i in row) for row in indices]
