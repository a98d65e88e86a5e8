import importlib.util
from pathlib import Path

import numpy as np
import pytest

from hwnas import estimators
from hwnas.errors import InputError
from hwnas.estimators.supernet import SupernetSource
from hwnas.spaces.precision_choice import PrecisionSpace
from hwnas.training.evaluation import Evaluator
from hwnas.training.recipe import torch_threads
from hwnas.training.supernet import load_supernet, slot_layers_of, train_supernet

SCRIPT = Path(__file__).parent.parent / "data/train_tiny_supernet.py"
_spec = importlib.util.spec_from_file_location("train_tiny_supernet_for_estimators", SCRIPT)
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    directory = tmp_path_factory.mktemp("supernet")
    data = tiny.tiny_data()
    train_supernet(tiny.SPACE, data, tiny.tiny_config(1), directory)
    return SupernetSource(directory, data, threads=1)


def test_accuracy_is_the_evaluators_for_each_architecture(source):
    context = estimators.EstimatorContext(tiny.SPACE, resources={"supernet": source})
    estimator = estimators.create("accuracy", context, estimator="supernet")
    rows = tiny.SPACE.sample(3, np.random.default_rng(0))
    estimate = estimator.estimate(rows)
    evaluator = Evaluator(load_supernet(tiny.SPACE, source.directory), source.data)
    with torch_threads(1):
        networks = slot_layers_of(tiny.SPACE, rows)
        expected = [evaluator.accuracy(layers) for layers in networks]
    assert estimate.mean.tolist() == expected
    assert not estimator.cheap
    assert estimator.objective.maximise


def test_the_deviation_is_that_of_counting_so_many_images(source):
    context = estimators.EstimatorContext(tiny.SPACE, resources={"supernet": source})
    estimator = estimators.create("accuracy", context, estimator="supernet")
    estimate = estimator.estimate(tiny.SPACE.sample(1, np.random.default_rng(1)))
    share = estimate.mean[0] / 100
    expected = 100 * np.sqrt(share * (1 - share) / len(source.data.validation))
    assert estimate.std[0] == pytest.approx(expected)


def test_without_a_supernet_the_estimator_says_what_is_missing():
    context = estimators.EstimatorContext(tiny.SPACE)
    with pytest.raises(InputError, match="needs a trained supernet"):
        estimators.create("accuracy", context, estimator="supernet")


def test_accuracy_is_that_of_the_contexts_precision(source):
    rows = tiny.SPACE.sample(2, np.random.default_rng(3))
    evaluator = Evaluator(load_supernet(tiny.SPACE, source.directory), source.data)
    found, expected = {}, {}
    with torch_threads(1):
        for precision in ("fp32", "int8"):
            context = estimators.EstimatorContext(
                tiny.SPACE, precision=precision, resources={"supernet": source}
            )
            found[precision] = estimators.create("accuracy", context).estimate(rows).mean.tolist()
            expected[precision] = [
                evaluator.accuracy(layers, precision) for layers in slot_layers_of(tiny.SPACE, rows)
            ]
    assert found == expected


def test_an_fp32_supernet_serves_a_search_of_precisions(source):
    mixed = PrecisionSpace(tiny.SPACE, ("fp32", "int8"))
    rows = tiny.SPACE.sample(2, np.random.default_rng(4))
    genes = np.concatenate([np.column_stack([[index, index], rows]) for index in (0, 1)])
    context = estimators.EstimatorContext(mixed, resources={"supernet": source})
    found = estimators.create("accuracy", context).estimate(genes)
    for index, precision in enumerate(mixed.precisions):
        own = estimators.EstimatorContext(
            tiny.SPACE, precision=precision, resources={"supernet": source}
        )
        alone = estimators.create("accuracy", own).estimate(rows)
        assert found.mean[2 * index : 2 * index + 2].tolist() == alone.mean.tolist()
    assert found.std.shape == (4,)


def test_a_fidelity_judges_on_such_a_part_of_the_images(source):
    context = estimators.EstimatorContext(tiny.SPACE, resources={"supernet": source})
    estimator = estimators.create("accuracy", context, estimator="supernet")
    rows = tiny.SPACE.sample(2, np.random.default_rng(4))
    rough, again = (estimator.estimate_at(rows, 0.8) for _ in range(2))
    assert rough.mean.tolist() == again.mean.tolist()
    images = round(0.8 * len(source.data.validation))
    assert images >= 32
    # a share of so many images
    counts = rough.mean * images / 100
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    assert (rough.std >= estimator.estimate(rows).std * 0.9).all()
    assert estimator.estimate_at(rows, 1.0).mean.tolist() == estimator.estimate(rows).mean.tolist()
