import numpy as np
import pytest

from hwnas.prediction.boosted_trees import fit_trees
from hwnas.prediction.features import Encoding, encoding_of
from hwnas.prediction.gaussian_process import PROCESS, RIDGE, fit_process
from hwnas.spaces import load_space

CARDINALITIES = np.array([3, 3, 4, 2, 3, 3])
TABLE = Encoding(CARDINALITIES)
SPACE = load_space("mbv3_small_32")


def sampled(count, seed=0):
    return np.random.default_rng(seed).integers(CARDINALITIES, size=(count, len(CARDINALITIES)))


def with_a_pair(genes):
    return genes @ [1.0, 2.0, 0.5, 1.0, 0.2, 0.1] + 3.0 * ((genes[:, 0] == 2) & (genes[:, 1] == 1))


def test_one_hots_have_a_place_for_each_choice():
    table = Encoding(np.array([2, 3]))
    np.testing.assert_array_equal(
        table.one_hots(np.array([[1, 2], [0, 0]])), [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0]]
    )


def test_a_spaces_smooth_numbers_are_logarithms_of_what_it_counts():
    genes = SPACE.sample(5, np.random.default_rng(0))
    encoding = encoding_of(SPACE)
    indices = SPACE.layer_indices(genes)
    expected = np.log(SPACE.catalog.macs[indices].sum(axis=1))
    np.testing.assert_allclose(encoding.smooth(genes)[:, 0], expected)
    np.testing.assert_array_equal(encoding.trivial(genes)[:, 2], (indices > 0).sum(axis=1))


@pytest.mark.parametrize("grams", [RIDGE, PROCESS], ids=["ridge", "process"])
def test_a_pair_of_genes_is_learned(grams):
    genes = sampled(150)
    fitted = fit_process(TABLE, genes, with_a_pair(genes), grams=grams)
    new = sampled(300, seed=1)
    mean, std = fitted.predict(new)
    error = np.abs(mean - with_a_pair(new))
    assert error.mean() < 0.15 * with_a_pair(new).std()
    assert (std > 0).all()


@pytest.mark.parametrize("grams", [RIDGE, PROCESS], ids=["ridge", "process"])
def test_doubt_is_smaller_where_values_are_known(grams):
    genes = SPACE.sample(60, np.random.default_rng(0))
    values = encoding_of(SPACE).smooth(genes)[:, 1]
    values = values + 0.01 * np.random.default_rng(1).normal(size=60)
    fitted = fit_process(encoding_of(SPACE), genes, values, grams=grams)
    elsewhere = SPACE.sample(60, np.random.default_rng(2))
    assert fitted.predict(genes)[1].mean() < fitted.predict(elsewhere)[1].mean()


@pytest.mark.parametrize("grams", [RIDGE, PROCESS], ids=["ridge", "process"])
def test_the_stated_variance_is_that_of_the_full_covariance(grams):
    encoding = encoding_of(SPACE)
    genes = SPACE.sample(40, np.random.default_rng(0))
    fitted = fit_process(encoding, genes, encoding.smooth(genes)[:, 0], grams=grams)
    new = SPACE.sample(5, np.random.default_rng(3))
    hot = encoding.one_hots(new) / np.sqrt(len(SPACE.cardinalities))
    own = (hot, (encoding.smooth(new) - fitted.standard[0]) / fitted.standard[1])
    pairs = zip(fitted.widths, grams, strict=True)
    joint = {"own": 0.0, "across": 0.0}
    for width, gram in pairs:
        joint["own"] = joint["own"] + width * gram(own, own)
        joint["across"] = joint["across"] + width * gram(own, fitted.known)
    covariance = fitted.factor @ fitted.factor.T
    left = joint["own"] - joint["across"] @ np.linalg.solve(covariance, joint["across"].T)
    expected = fitted.location[1] * np.sqrt(np.diag(left) + fitted.noise)
    np.testing.assert_allclose(fitted.predict(new)[1], expected, rtol=1e-5)


def test_trees_learn_a_step():
    genes = sampled(200)
    values = np.where(genes[:, 2] > 1, 5.0, 1.0)
    mean, _ = fit_trees(TABLE, genes, values).predict(sampled(100, seed=1))
    expected = np.where(sampled(100, seed=1)[:, 2] > 1, 5.0, 1.0)
    np.testing.assert_allclose(mean, expected, atol=0.01)


def test_trees_of_equal_values_say_that_value():
    mean, std = fit_trees(TABLE, sampled(30), np.full(30, 7.0)).predict(sampled(3, seed=1))
    assert mean.tolist() == [7.0] * 3
    assert (std > 0).all()


def test_equal_seeds_grow_equal_trees():
    genes = sampled(80)
    first, again = (fit_trees(TABLE, genes, with_a_pair(genes), seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.predict(genes)[0], again.predict(genes)[0])
