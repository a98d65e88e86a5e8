import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas.networks.fake_quantization import at_precision
from hwnas.networks.folding import fold
from hwnas.training.evaluation import Evaluator, batches_at, recalibrate, recalibration_part
from hwnas.training.supernet import create_supernet, slot_layers_of

SCRIPT = Path(__file__).parent.parent / "data/train_tiny_supernet.py"
_spec = importlib.util.spec_from_file_location("train_tiny_supernet_for_evaluation", SCRIPT)
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)


@pytest.fixture(scope="module")
def data():
    return tiny.tiny_data()


@pytest.fixture(scope="module")
def supernet():
    return create_supernet(tiny.SPACE, seed=1)


@pytest.fixture(scope="module")
def networks():
    return slot_layers_of(tiny.SPACE, tiny.SPACE.sample(3, np.random.default_rng(0)))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_accuracy_at_a_precision_is_that_of_the_network_that_computes_at_it(
    precision, supernet, data, networks
):
    evaluator = Evaluator(supernet, data)
    for layers in networks:
        resolution = layers[0].resolution
        calibration = batches_at(recalibration_part(data.train), resolution)
        network = supernet.extract(layers)
        recalibrate(network, calibration)
        ranges = [batch[::2] for batch in calibration]
        computing = at_precision(fold(network), layers, precision, ranges)
        with torch.inference_mode():
            batches = batches_at(data.validation, resolution)
            found = torch.cat([computing(batch).argmax(dim=1) for batch in batches]).numpy()
        expected = 100 * float((found == data.validation.labels).mean())
        assert evaluator.accuracy(layers, precision) == pytest.approx(expected)


def test_accuracies_do_not_depend_on_what_was_asked_before(supernet, data, networks):
    evaluator = Evaluator(supernet, data)
    first = [evaluator.accuracy(layers, "int8") for layers in networks]
    fp32 = [evaluator.accuracy(layers) for layers in networks]
    assert [evaluator.accuracy(layers, "int8") for layers in networks] == first
    assert fp32 == [Evaluator(supernet, data).accuracy(layers) for layers in networks]
