import numpy as np
import pytest

from hwnas import estimators
from hwnas.errors import InputError, SpaceMismatchError
from hwnas.prediction import encoding_of, fit
from hwnas.prediction.imagenet import shipped_predictor
from hwnas.spaces import load_space

IMAGENET = load_space("ofa_mbv3_w1.0", resolutions=[160, 224])
OWN = load_space("mbv3_small_32")


def test_without_a_predictor_of_ones_own_it_is_imagenets():
    context = estimators.EstimatorContext(IMAGENET)
    estimator = estimators.create("accuracy", context, estimator="accuracy_predictor")
    genes = IMAGENET.sample(6, np.random.default_rng(0))
    estimate = estimator.estimate(genes)
    bound = shipped_predictor().bind(IMAGENET)
    np.testing.assert_array_equal(estimate.mean, bound.mean(genes))
    np.testing.assert_array_equal(estimate.std, bound.std(genes))
    assert estimator.cheap
    assert estimator.objective.maximise
    assert estimator.objective.title == "predicted ImageNet accuracy"


def test_a_predictor_of_ones_own_answers_for_its_space():
    genes = OWN.sample(40, np.random.default_rng(0))
    predictor = fit(OWN, genes, encoding_of(OWN).smooth(genes)[:, 0])
    context = estimators.EstimatorContext(OWN, resources={"accuracy_predictor": predictor})
    estimate = estimators.create("accuracy", context).estimate(genes)
    np.testing.assert_array_equal(estimate.mean, predictor.mean(genes))
    np.testing.assert_array_equal(estimate.std, predictor.std(genes))
    elsewhere = estimators.EstimatorContext(IMAGENET, resources=context.resources)
    with pytest.raises(SpaceMismatchError, match="fitted in another space"):
        estimators.create("accuracy", elsewhere)


def test_the_estimator_is_chosen_by_what_the_context_has():
    context = estimators.EstimatorContext(OWN, resources={"supernet": None})
    with pytest.raises(InputError, match="needs a trained supernet"):
        estimators.create("accuracy", context)


def test_an_own_space_without_a_predictor_is_refused():
    with pytest.raises(SpaceMismatchError, match=r"knows space ofa_mbv3_w1\.0 alone"):
        estimators.create("accuracy", estimators.EstimatorContext(OWN))


def test_resolutions_beyond_those_known_are_refused():
    context = estimators.EstimatorContext(load_space("ofa_mbv3_w1.0"))
    with pytest.raises(InputError, match="has resolution 128"):
        estimators.create("accuracy", context)
