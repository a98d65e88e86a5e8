"""What layers cost, against small sums worked out by hand."""

from dataclasses import replace

import pytest

from hwnas import layers
from hwnas.layers import EMPTY, LayerSpec, check_chain, make_divisible

CONV = LayerSpec("conv", 8, 3, 16, kernel_size=3, stride=2, activation="relu")
BLOCK = LayerSpec("mbconv", 4, 8, 8, hidden_channels=16, kernel_size=3, se_channels=8)
PLAIN_BLOCK = LayerSpec("mbconv", 4, 8, 8, hidden_channels=8, kernel_size=3)
POOL = LayerSpec("pool", 7, 32, 32)
LINEAR = LayerSpec("linear", 1, 32, 10, bias=True)


def test_an_empty_layer_costs_nothing():
    costs = (layers.macs, layers.params, layers.weights, layers.peak_activations, layers.moved)
    assert [cost(EMPTY) for cost in costs] == [0, 0, 0, 0, 0]


def test_a_convolution_costs_what_the_sum_by_hand_says():
    assert layers.macs(CONV) == 16 * 3 * 9 * 4 * 4
    assert layers.params(CONV) == 432 + 2 * 16
    assert layers.weights(CONV) == 432 + 16
    assert layers.peak_activations(CONV) == 3 * 64 + 16 * 16
    assert layers.moved(CONV) == 192 + 256 + 448


def test_an_inverted_residual_block_costs_what_the_sum_by_hand_says():
    # expansion 1x1, depthwise 3x3, two squeeze-excite products, projection 1x1
    assert layers.macs(BLOCK) == 8 * 16 * 16 + 16 * 9 * 16 + 2 * 16 * 8 + 16 * 8 * 16
    assert layers.params(BLOCK) == (128 + 32) + (144 + 32) + (128 + 8) + (128 + 16) + (128 + 16)
    assert layers.weights(BLOCK) == (128 + 16) + (144 + 16) + (128 + 8) + (128 + 16) + (128 + 8)


def test_biases_and_filters_are_counted_apart_from_weights():
    # of a block: expansion, depthwise, the two squeeze-excite products, projection
    assert layers.biases(BLOCK) == layers.filters(BLOCK) == 16 + 16 + 8 + 16 + 8
    unbiased = LayerSpec("linear", 1, 32, 10)
    assert (layers.biases(LINEAR), layers.filters(LINEAR)) == (10, 10)
    assert (layers.biases(unbiased), layers.filters(unbiased)) == (0, 10)


def test_an_int8_network_holds_a_byte_an_activation():
    assert layers.int8_peak_bytes(BLOCK) == layers.peak_activations(BLOCK)
    assert layers.int8_peak_bytes(EMPTY) == 0


def test_an_int8_hard_swish_is_held_as_int8_and_as_fp32():
    block = replace(BLOCK, activation="hard_swish")
    feature_map, block_input = 16 * 16, 8 * 16
    assert layers.int8_peak_bytes(block) == 5 * feature_map + block_input
    assert layers.hard_swish_elements(block) == 2 * feature_map
    # without an expansion only the depthwise step has one, and without a residual nothing is kept
    plain = replace(PLAIN_BLOCK, activation="hard_swish", stride=2)
    assert layers.int8_peak_bytes(plain) == max(8 * 16 + 8 * 4, 5 * 8 * 4)
    assert layers.hard_swish_elements(replace(CONV, activation="hard_swish")) == 16 * 16


def test_the_peak_of_a_block_is_its_depthwise_step_with_the_input_held_for_the_addition():
    assert layers.peak_activations(BLOCK) == 16 * 16 + 16 * 16 + 8 * 16


def test_each_step_of_a_block_holds_what_it_and_later_steps_need():
    block_input, feature_map = 8 * 16, 16 * 16
    assert [step.live for step in layers.operations(BLOCK)] == [
        block_input + feature_map,
        block_input + feature_map + feature_map,
        block_input + feature_map + 16,
        block_input + feature_map + 16 + 8,
        block_input + feature_map + 8 + 16,
        block_input + feature_map + 16,
        block_input + feature_map + block_input,
    ]


def test_each_step_of_a_block_moves_its_inputs_weights_and_output():
    moved = [step.read + step.written + step.weights for step in layers.operations(BLOCK)]
    assert moved == [
        128 + 256 + 144,
        256 + 256 + 160,
        256 + 16,
        16 + 8 + 136,
        8 + 16 + 144,
        256 + 16 + 256,
        256 + 128 + 128 + 136,
    ]
    assert layers.moved(BLOCK) == sum(moved)


def test_a_block_without_expansion_counts_its_input_once_while_the_depthwise_step_reads_it():
    assert not PLAIN_BLOCK.expands
    assert [step.live for step in layers.operations(PLAIN_BLOCK)] == [128 + 128, 128 + 128 + 128]
    assert layers.macs(PLAIN_BLOCK) == 8 * 9 * 16 + 8 * 8 * 16


def test_a_block_that_strides_holds_nothing_for_an_addition():
    block = LayerSpec("mbconv", 5, 8, 8, hidden_channels=16, kernel_size=3, stride=2)
    assert not block.residual
    assert block.out_resolution == 3
    assert [step.live for step in layers.operations(block)] == [
        8 * 25 + 16 * 25,
        16 * 25 + 16 * 9,
        16 * 9 + 8 * 9,
    ]


def test_pooling_has_no_weights_and_moves_its_input_and_output():
    assert (layers.macs(POOL), layers.params(POOL)) == (0, 0)
    assert layers.peak_activations(POOL) == layers.moved(POOL) == 32 * 49 + 32
    assert POOL.out_resolution == 1


@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_layer_counts_its_bias_as_a_parameter_and_not_as_a_product(bias):
    layer = LayerSpec("linear", 1, 32, 10, bias=bias)
    assert layers.macs(layer) == 320
    assert layers.params(layer) == layers.weights(layer) == 320 + 10 * bias
    assert layers.moved(layer) == 32 + 10 + 320 + 10 * bias


def test_a_chain_leaves_out_empty_layers():
    chain = check_chain([LayerSpec("conv", 14, 3, 32, stride=2), EMPTY, POOL, EMPTY, LINEAR])
    assert [layer.kind for layer in chain] == ["conv", "pool", "linear"]


def test_a_chain_whose_layers_do_not_fit_is_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"gets \(16, 4\), expects \(32, 7\)"):
        check_chain([CONV, POOL])


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [
        (1, 8),
        (8, 8),
        (11, 16),
        (12, 16),
        (19, 24),
        (20, 24),
        (35, 32),
        (36, 40),
        (18, 24),
        (66, 64),
    ],
)
def test_channels_round_to_the_nearest_multiple_of_8_but_lose_no_more_than_a_tenth(
    channels, rounded
):
    assert make_divisible(channels) == rounded
    assert rounded >= 0.9 * channels
