import numpy as np

from hwnas.catalog import total
from hwnas.prediction import imagenet_features as features
from hwnas.spaces import load_space

SPACE = load_space("ofa_mbv3_w1.0", resolutions=[160, 224])
GENES = SPACE.sample(50, np.random.default_rng(0))


def test_sums_over_stage_codes_are_what_the_space_counts():
    at_largest = GENES.copy()
    at_largest[:, 0] = 1
    indices = SPACE.layer_indices(at_largest)
    smooth = features.smooth_features(features.stage_codes(GENES))
    np.testing.assert_allclose(np.exp(smooth[:, 0]) * 1e6, total(SPACE.catalog.macs, indices))
    np.testing.assert_allclose(np.exp(smooth[:, 1]) * 1e6, total(SPACE.catalog.params, indices))


def test_smooth_numbers_are_depths_and_sums_of_expansions_and_kernel_sizes():
    smooth = features.smooth_features(features.stage_codes(GENES))
    for row, found in zip(GENES, smooth, strict=True):
        architecture = SPACE.describe(row)
        for stage, depth in enumerate(architecture["d"]):
            own = slice(4 * stage, 4 * stage + depth)
            assert found[2 + stage] == depth
            assert found[7 + stage] == sum(architecture["e"][own])
            assert found[12 + stage] == sum(k - 1 for k in architecture["ks"][own])


def test_one_hots_name_each_block_that_is_present_and_the_depth():
    hot = features.one_hots(features.stage_codes(GENES)).reshape(len(GENES), 5, 27)
    for row, found in zip(GENES, hot, strict=True):
        architecture = SPACE.describe(row)
        for stage, depth in enumerate(architecture["d"]):
            expected = np.zeros(27)
            for block in range(depth):
                place = 4 * stage + block
                expected[6 * block + (3, 5, 7).index(architecture["ks"][place])] = 1
                expected[6 * block + 3 + (3, 4, 6).index(architecture["e"][place])] = 1
            expected[24 + depth - 2] = 1
            np.testing.assert_array_equal(found[stage], expected)


def test_codes_are_the_same_without_a_gene_for_the_resolution():
    np.testing.assert_array_equal(features.stage_codes(GENES), features.stage_codes(GENES[:, 1:]))


def test_squares_hold_every_pair_once():
    np.testing.assert_array_equal(
        features.squares(np.array([[2.0, 3.0]])), [[2.0, 3.0, 4.0, 6.0, 9.0]]
    )
