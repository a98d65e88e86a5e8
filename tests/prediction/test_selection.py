from pathlib import Path

import numpy as np
import pytest

from hwnas.errors import InputError
from hwnas.prediction import Encoding, encoding_of, fit
from hwnas.prediction.selection import MODELS, spearman
from hwnas.spaces import load_space

SPACE = load_space("mbv3_small_32")
GENES = SPACE.sample(120, np.random.default_rng(0))
TABLE = Path(__file__).parents[3] / "shared/bench/search_nbmacro_params.npz"


def accuracy(genes, seed=0):
    """Rises with parameters, falls with the first genes, and is a little random."""
    smooth = encoding_of(SPACE).smooth(genes)
    noise = np.random.default_rng(seed).normal(size=len(genes))
    return 70 + 4 * smooth[:, 1] - 1.5 * genes[:, 1] - genes[:, 2] + 0.2 * noise


@pytest.fixture(scope="module")
def predictor():
    return fit(SPACE, GENES, accuracy(GENES))


def test_a_predictor_ranks_better_than_what_needs_no_evaluation(predictor):
    by_name = {score.name: score for score in predictor.scores}
    assert set(by_name) == {*MODELS, "ensemble", "macs", "params", "depth"}
    assert predictor.chosen == predictor.scores[0].name
    trivial = max(by_name[name].spearman for name in ("macs", "params", "depth"))
    assert predictor.scores[0].spearman > trivial
    assert predictor.scores[0].spearman == max(s.spearman for s in predictor.scores)
    new = SPACE.sample(400, np.random.default_rng(5))
    assert spearman(predictor.mean(new), accuracy(new, seed=6)) > trivial


def test_nine_of_ten_values_are_in_their_intervals(predictor):
    new = SPACE.sample(1_000, np.random.default_rng(5))
    inside = np.abs(predictor.mean(new) - accuracy(new, seed=6)) <= 1.645 * predictor.std(new)
    assert 0.8 < inside.mean() < 0.98
    assert 0.8 < predictor.scores[0].coverage_90 < 0.98


def test_the_same_rows_give_the_same_predictor(predictor):
    again = fit(SPACE, GENES, accuracy(GENES))
    np.testing.assert_array_equal(predictor.mean(GENES), again.mean(GENES))
    assert predictor.scores == again.scores


def test_a_bare_table_has_no_trivial_numbers():
    genes = np.random.default_rng(0).integers(3, size=(60, 5))
    predictor = fit(Encoding(np.full(5, 3)), genes, genes.sum(axis=1) / 2)
    assert {score.name for score in predictor.scores} == {*MODELS, "ensemble"}
    assert predictor.scores[0].spearman > 0.95


def test_equal_values_are_predicted_as_they_are():
    predictor = fit(SPACE, GENES[:40], np.full(40, 80.0))
    np.testing.assert_allclose(predictor.mean(GENES), 80.0, atol=1e-6)
    assert np.isnan(predictor.scores[0].spearman)


@pytest.mark.parametrize(
    ("genes", "values", "message"),
    [
        (GENES[:10], np.ones(10), "at least 20 different"),
        (np.repeat(GENES[:10], 5, axis=0), np.ones(50), "at least 20 different"),
        (GENES, np.ones(7), "a row of"),
        (GENES[:, 1:], np.ones(120), "a row of"),
        (GENES + 99, np.ones(120), "not among its choices"),
        (GENES - 1, np.ones(120), "not among its choices"),
        (GENES, np.append(np.ones(119), np.nan), "Value 119 is nan"),
        (GENES, np.append(np.inf, np.ones(119)), "Value 0 is inf"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(genes, values, message):
    with pytest.raises(InputError, match=message):
        fit(SPACE, genes, values)


def test_rank_correlation_is_that_of_the_ranks():
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 4.0, 3.0])) == (
        pytest.approx(0.6)
    )
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))


@pytest.mark.skipif(not TABLE.is_file(), reason="the published table is not at hand")
def test_three_hundred_measured_networks_rank_the_others():
    with np.load(TABLE) as table:
        genes, values = table["genes"], -table["objectives"][:, 0]
        encoding = Encoding(table["cardinalities"])
    order = np.random.default_rng(0).permutation(len(genes))
    few, others = order[:300], order[300:1300]
    predictor = fit(encoding, genes[few], values[few])
    assert spearman(predictor.mean(genes[others]), values[others]) > 0.95
