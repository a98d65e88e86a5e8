import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas.errors import UnknownNameError
from hwnas.networks.static import build, initialise
from hwnas.networks.supernet import Supernet
from hwnas.training.config import NetworkConfig, Recipe
from hwnas.training.evaluation import Evaluator, accuracy, batches_at, evaluate, recalibrate
from hwnas.training.extremes import extreme_rows
from hwnas.training.fine_tune import (
    fine_tune,
    largest_as_teacher,
    train_network,
)
from hwnas.training.fine_tune import (
    test_accuracy as accuracy_on_test,
)
from hwnas.training.images import LabelledImages
from hwnas.training.recipe import (
    augment,
    create_optimizer,
    distillation_loss,
    set_learning_rate,
    torch_threads,
)
from hwnas.training.supernet import create_supernet, slot_layers_of

SCRIPT = Path(__file__).parent.parent / "data/train_tiny_supernet.py"
_spec = importlib.util.spec_from_file_location("train_tiny_supernet_again", SCRIPT)
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)

SLOTS = slot_layers_of(tiny.SPACE, np.stack(extreme_rows(tiny.SPACE)))[1]
LAYERS = tuple(layer for layer in SLOTS if layer.kind != "empty")
RECIPE = Recipe(batch_size=25, learning_rate=0.01, threads=1)
CONFIG = NetworkConfig(images=500, recipe=RECIPE)


@pytest.fixture(scope="module")
def data():
    return tiny.tiny_data()


@pytest.fixture(scope="module")
def trained(data):
    return train_network(LAYERS, data, CONFIG)


def weights_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_equal_weights(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_a_network_trained_from_scratch_learns(trained, data):
    assert accuracy_on_test(trained, LAYERS, data) > 25.0  # 10 % is chance


def test_training_a_network_twice_gives_the_same_weights(trained, data):
    assert_equal_weights(weights_of(train_network(LAYERS, data, CONFIG)), weights_of(trained))


def test_fine_tuning_leaves_the_given_network_as_it_was(trained, data):
    before = weights_of(trained)
    tuned = fine_tune(trained, LAYERS, data, replace(CONFIG, images=50))
    assert_equal_weights(weights_of(trained), before)
    assert not torch.equal(tuned[0].convolution.conv.weight, trained[0].convolution.conv.weight)


def test_fine_tuning_does_not_depend_on_the_test_part(trained, data):
    config = replace(CONFIG, images=50)
    other = replace(data, test=data.test.select(slice(0, 5)))
    first, second = (fine_tune(trained, LAYERS, part, config) for part in (data, other))
    assert_equal_weights(weights_of(first), weights_of(second))


def test_validation_images_are_trained_on_only_when_asked(trained, data):
    other = replace(data, validation=data.validation.select(slice(0, 20)))
    config = replace(CONFIG, images=50, use_validation=False)
    first, second = (fine_tune(trained, LAYERS, part, config) for part in (data, other))
    assert_equal_weights(weights_of(first), weights_of(second))


def test_a_teacher_changes_what_is_learnt(trained, data):
    supernet = create_supernet(tiny.SPACE, seed=3)
    teacher = largest_as_teacher(supernet, SLOTS, data)
    config = replace(CONFIG, images=50, distillation=0.5)
    alone = fine_tune(trained, LAYERS, data, config)
    taught = fine_tune(trained, LAYERS, data, config, teacher=teacher)
    assert not torch.equal(alone[0].convolution.conv.weight, taught[0].convolution.conv.weight)


def test_accuracy_of_a_subnet_is_that_of_its_extracted_and_recalibrated_network(data):
    supernet = create_supernet(tiny.SPACE, seed=0)
    network = supernet.extract(SLOTS)
    recalibrate(network, batches_at(data.train, SLOTS[0].resolution))
    with torch_threads(1):
        given = evaluate(supernet, SLOTS, data, "validation")
    with torch.no_grad():
        batches = batches_at(data.validation, SLOTS[0].resolution)
        logits = torch.cat([network(batch) for batch in batches])
    right = (logits.argmax(1).numpy() == data.validation.labels).sum()
    # folding rounds: an image on the border between two classes may change sides
    assert given == pytest.approx(100.0 * right / len(data.validation), abs=1.0)


def test_accuracies_of_a_population_are_the_same_when_asked_again(data):
    supernet = create_supernet(tiny.SPACE, seed=0)
    rows = tiny.SPACE.sample(4, np.random.default_rng(0))
    networks = slot_layers_of(tiny.SPACE, rows)
    with torch_threads(1):
        evaluator = Evaluator(supernet, data)
        first = [evaluator.accuracy(layers) for layers in networks]
        again = [evaluate(supernet, layers, data) for layers in reversed(networks)]
    assert first == again[::-1]


def test_an_unknown_part_answers_with_the_known_ones(data):
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        evaluate(Supernet(SLOTS), SLOTS, data, "tset")


def test_recalibration_sets_mean_and_variance_of_the_images():
    network = build(LAYERS)
    initialise(network, 0)
    images = torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    recalibrate(network, [images])
    norm = network[0].convolution.norm
    with torch.no_grad():
        seen = network[0].convolution.conv(images)
    torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_accuracy_is_the_share_of_right_answers(trained):
    images = np.zeros((8, 1, 16, 16), np.uint8)
    with torch.no_grad():
        answer = int(
            trained(batches_at(LabelledImages(images, np.zeros(8, np.int64)), 16)[0])[0].argmax()
        )
    labels = np.array([answer] * 6 + [answer + 1] * 2, np.int64)
    assert accuracy(trained, LAYERS, LabelledImages(images, labels)) == 75.0


def test_the_learning_rate_rises_then_falls_to_nothing():
    module = torch.nn.Linear(1, 1)
    recipe = Recipe(learning_rate=1.0, warmup_fraction=0.25)
    optimizer = create_optimizer(module, recipe)
    rates = []
    for step in range(8):
        set_learning_rate(optimizer, recipe, step=step, steps=8)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[:2] == [0.25, 0.75]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 0.05


def test_batch_norm_and_biases_have_no_weight_decay():
    module = build(LAYERS)
    decayed, free = create_optimizer(module, Recipe(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert all(weight.ndim > 1 for weight in decayed["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(module.parameters()))


def test_augmented_images_are_shifted_and_mirrored_copies():
    image = np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 3, 3)
    padded = np.pad(image[0, 0], 1)
    crops = [padded[top : top + 3, left : left + 3] for top in range(3) for left in range(3)]
    possible = {crop.tobytes() for crop in crops} | {crop[:, ::-1].tobytes() for crop in crops}
    recipe = Recipe(crop_padding=1)
    augmented = augment(np.repeat(image, 400, axis=0), recipe, np.random.default_rng(0))
    assert augmented.shape == (400, 1, 3, 3)
    assert {result.tobytes() for result in augmented} == possible


def test_distillation_pulls_towards_the_teacher_and_leaves_it_alone():
    logits = torch.zeros(1, 2, requires_grad=True)
    teacher = torch.tensor([[2.0, 0.0]], requires_grad=True)
    distillation_loss(logits, teacher).backward()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]
    assert teacher.grad is None
