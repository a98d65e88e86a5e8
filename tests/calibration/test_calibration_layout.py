import numpy as np
import pytest

from hwnas.calibration import Layout, layer_counts, one_hot
from hwnas.errors import InputError


def test_choices_are_counted_one_hot_position_by_position():
    counts = one_hot(np.array([[1, 0], [0, 2]]), np.array([2, 3]))
    assert counts.tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]]


def test_genes_of_another_space_are_refused():
    with pytest.raises(InputError, match="another space"):
        one_hot(np.array([[2, 0]]), np.array([2, 3]))
    with pytest.raises(InputError, match="shape"):
        one_hot(np.array([[0]]), np.array([2, 3]))


def test_layers_are_counted_and_the_empty_layer_is_not():
    assert layer_counts(np.array([[1, 1, 0], [2, 3, 1]]), 4).tolist() == [
        [0, 2, 0, 0],
        [0, 1, 1, 1],
    ]


def test_a_layout_knows_kinds_distances_and_the_empty_layer():
    layout = Layout(positions=np.array([0.0, 0.0, 2.0]), kinds=np.array([-1, 4, 4]))
    assert layout.same_kind.tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    assert layout.distances[1, 2] == 2
    assert layout.extent == 4


def test_a_layout_of_choices_repeats_kinds_at_every_position():
    layout = Layout.of_choices(np.array([2, 3]))
    assert layout.positions.tolist() == [0, 0, 1, 1, 1]
    assert layout.kinds.tolist() == [0, 1, 0, 1, 2]


def test_a_layout_with_unequal_lengths_is_refused():
    with pytest.raises(InputError, match="one position and one kind"):
        Layout(positions=np.zeros(2), kinds=np.zeros(3, dtype=int))
