"""Weights for timing."""

import numpy as np

from hwnas.layer_weights import random_weights, weight_shapes
from hwnas.layers import LayerSpec

BLOCK = LayerSpec("mbconv", 7, 8, 16, hidden_channels=32, kernel_size=5, se_channels=8)


def test_a_blocks_weights_are_named_in_the_order_of_its_steps():
    expected = {
        "expand.weight": (32, 8, 1, 1),
        "expand.bias": (32,),
        "depthwise.weight": (32, 1, 5, 5),
        "depthwise.bias": (32,),
        "squeeze.weight": (8, 32),
        "squeeze.bias": (8,),
        "excite.weight": (32, 8),
        "excite.bias": (32,),
        "project.weight": (16, 32, 1, 1),
        "project.bias": (16,),
    }
    assert list(weight_shapes(BLOCK).items()) == list(expected.items())


def test_pooling_has_no_weights():
    assert weight_shapes(LayerSpec("pool", 7, 8, 8)) == {}


def test_random_weights_are_float32_of_the_named_shapes_and_repeat_with_their_seed():
    first, second = (random_weights([BLOCK], np.random.default_rng(5))[0] for _ in range(2))
    assert {name: array.shape for name, array in first.items()} == weight_shapes(BLOCK)
    assert all(array.dtype == np.float32 for array in first.values())
    assert all((first[name] == second[name]).all() for name in first)


def test_random_kernels_have_hes_variance():
    layer = LayerSpec("conv", 8, 64, 128, kernel_size=3)
    kernel = random_weights([layer], np.random.default_rng(0))[0]["weight"]
    assert abs(kernel.std() / np.sqrt(2 / (64 * 9)) - 1) < 0.02
