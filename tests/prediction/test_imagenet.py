import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from hwnas.errors import FileFormatError, InputError, SpaceMismatchError
from hwnas.prediction import imagenet
from hwnas.prediction.imagenet_features import one_hots, smooth_features, squares, stage_codes
from hwnas.prediction.imagenet_fitting import held_out
from hwnas.prediction.measured_subnets import read_subnets
from hwnas.prediction.published_mlp import PublishedMlp
from hwnas.spaces import load_space

BENCH = Path(__file__).parents[3] / "shared" / "bench"
ROWS, MLP = BENCH / "ofa_mbv3_w1.0_imagenet.jsonl", BENCH / "ofa" / "acc_predictor.npz"
MISSING = "the published table is not at hand"

DIRECT = list(imagenet.DIRECT_RESOLUTIONS)
SPACE = load_space("ofa_mbv3_w1.0", resolutions=DIRECT)
BOUND = imagenet.shipped_predictor().bind(SPACE)
GENES = SPACE.sample(40, np.random.default_rng(0))


def at(step, genes=GENES):
    changed = genes.copy()
    changed[:, 0] = step
    return changed


def test_mean_and_deviation_are_those_of_the_linear_model():
    found = imagenet.shipped_predictor().coefficients
    genes = at(4)
    codes = stage_codes(genes)
    smooth = (smooth_features(codes) - found.smooth_mean) / found.smooth_scale
    columns = np.concatenate([one_hots(codes), squares(smooth)], axis=1) @ found.weights
    columns += found.constant
    np.testing.assert_allclose(BOUND.mean(genes), columns[:, 0])
    expected = np.sqrt((columns[:, 1:] ** 2).sum(axis=1) + found.rest_std**2)
    np.testing.assert_allclose(BOUND.std(genes), expected)


def test_many_at_once_are_as_each_alone():
    many = SPACE.sample(9_000, np.random.default_rng(1))
    picked = [0, 8_191, 8_192, 8_999]
    alone = [BOUND.mean(many[[i]])[0] for i in picked]
    np.testing.assert_allclose(BOUND.mean(many)[picked], alone, rtol=1e-12)
    assert BOUND.mean(many[:0]).shape == (0,)


def test_more_pixels_mean_more_accuracy_and_less_doubt():
    means = np.stack([BOUND.mean(at(step)) for step in range(len(DIRECT))])
    stds = np.stack([BOUND.std(at(step)) for step in range(len(DIRECT))])
    assert (np.diff(means, axis=0) > 0).all()
    assert (np.diff(stds, axis=0) < 0).all()
    assert (stds > 0.03).all()
    assert (stds < 0.4).all()


def test_resolutions_in_between_are_interpolated():
    three = load_space("ofa_mbv3_w1.0", resolutions=[176, 184, 192])
    bound = imagenet.shipped_predictor().bind(three)
    low, middle, high = (bound.mean(at(step)) for step in range(3))
    np.testing.assert_allclose(middle, (low + high) / 2)


def test_a_space_of_one_resolution_has_no_gene_for_it():
    alone = imagenet.shipped_predictor().bind(load_space("ofa_mbv3_w1.0", resolutions=[192]))
    np.testing.assert_allclose(alone.mean(GENES[:, 1:]), BOUND.mean(at(2)))
    np.testing.assert_allclose(alone.std(GENES[:, 1:]), BOUND.std(at(2)))


def test_the_largest_network_is_predicted_better_than_the_smallest():
    smallest, largest = np.zeros((1, 46), dtype=int), (SPACE.cardinalities - 1)[None]
    assert 65 < BOUND.mean(smallest)[0] < 70
    assert 77 < BOUND.mean(largest)[0] < 78


def test_changes_from_224_pixels_are_those_of_the_published_predictor_on_average():
    many = SPACE.sample(3_000, np.random.default_rng(2))
    reference = BOUND.mean(at(4, many)).mean()
    for step, published in ((0, 78.57 - 81.55), (1, 79.77 - 81.55), (2, 80.60 - 81.55)):
        change = BOUND.mean(at(step, many)).mean() - reference
        assert change == pytest.approx(published, abs=0.2)


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("ofa_mbv3_w1.2", {}),
        ("mbv3_small_32", {}),
        ("ofa_mbv3_w1.0", {"classes": 10}),
        ("ofa_mbv3_w1.0", {"in_channels": 1}),
    ],
)
def test_other_spaces_are_refused(source, changes):
    with pytest.raises(SpaceMismatchError, match=r"knows space ofa_mbv3_w1\.0 alone"):
        imagenet.shipped_predictor().bind(load_space(source, **changes))


def test_resolutions_that_nobody_knows_are_refused():
    with pytest.raises(InputError, match="160 to 224 pixels, and the space has resolution 128"):
        imagenet.shipped_predictor().bind(load_space("ofa_mbv3_w1.0"))


def test_what_is_written_is_read_back_with_equal_answers():
    content = imagenet.shipped_predictor().to_bytes()
    again = imagenet.ImageNetPredictor.from_bytes(content, source="a file").bind(SPACE)
    np.testing.assert_array_equal(again.mean(GENES), BOUND.mean(GENES))
    np.testing.assert_array_equal(again.std(GENES), BOUND.std(GENES))
    assert len(content) < 2**20


@pytest.mark.parametrize("cut", [0, 10, 2_000])
def test_a_damaged_file_is_refused(cut):
    content = imagenet.shipped_predictor().to_bytes()[:cut]
    with pytest.raises(FileFormatError, match="a file is damaged"):
        imagenet.ImageNetPredictor.from_bytes(content, source="a file")


def test_the_shipped_figures_keep_the_promise():
    folder = resources.files("hwnas.prediction") / "data"
    about = json.loads((folder / "ofa_mbv3_w1.0.json").read_text())
    assert about["five_fold"]["spearman"] >= 0.992
    assert about["five_fold"]["mae"] <= 0.12
    assert 0.85 <= about["five_fold"]["coverage_90"] <= 0.95
    assert all(source["licence"] == "Apache-2.0" for source in about["sources"])


@pytest.mark.skipif(not ROWS.is_file(), reason=MISSING)
def test_the_shipped_figures_are_what_measured_subnets_give():
    measured = read_subnets(ROWS, SPACE)
    everyday = SPACE.sample(20_000, np.random.default_rng(0))
    found = held_out(measured, SPACE, everyday=everyday)
    folder = resources.files("hwnas.prediction") / "data"
    stated = json.loads((folder / "ofa_mbv3_w1.0.json").read_text())["five_fold"]
    assert found.spearman == pytest.approx(stated["spearman"], abs=1e-3)
    assert found.mae == pytest.approx(stated["mae"], abs=2e-3)


@pytest.mark.skipif(not MLP.is_file(), reason=MISSING)
def test_the_published_perceptron_ranks_measured_subnets_as_is_known_of_it():
    measured = read_subnets(ROWS, SPACE)
    mlp = PublishedMlp(MLP)
    means = [mlp.top1(measured.genes, resolution).mean() for resolution in DIRECT]
    np.testing.assert_allclose(means, [78.57, 79.77, 80.60, 81.25, 81.55], atol=0.02)


def test_a_file_that_holds_no_perceptron_is_refused(tmp_path):
    path = tmp_path / "mlp.npz"
    np.savez(path, weight=np.zeros(3))
    with pytest.raises(FileFormatError, match="does not hold Once-for-All's"):
        PublishedMlp(path)
    path.write_bytes(b"nothing")
    with pytest.raises(FileFormatError, match="does not hold Once-for-All's"):
        PublishedMlp(path)
