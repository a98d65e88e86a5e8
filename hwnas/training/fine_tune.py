"""Training of one network: from the supernet's weights, or from scratch with the same recipe."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from hwnas.layers import LayerSpec
from hwnas.networks.folding import fold
from hwnas.networks.pixels import channels_last, resize
from hwnas.networks.static import build, initialise
from hwnas.networks.supernet import Supernet
from hwnas.progress import Progress, silent
from hwnas.training.config import NetworkConfig
from hwnas.training.data import DataSet
from hwnas.training.evaluation import accuracy, batches_at, recalibrate, recalibration_part
from hwnas.training.images import LabelledImages
from hwnas.training.recipe import (
    create_optimizer,
    distillation_loss,
    epoch_batches,
    label_loss,
    set_learning_rate,
    torch_threads,
)

Teacher = Callable[[Tensor], Tensor]


def train_network(
    layers: Sequence[LayerSpec],
    data: DataSet,
    config: NetworkConfig,
    on_progress: Progress = silent,
) -> nn.Sequential:
    """A network of these layers, trained from fresh weights.

    Args:
        layers: What it is made of; the first says the resolution.
        data: Its test part is not looked at.
        config: How long, and how.
        on_progress: Told after each step.
    """
    network = build(layers)
    initialise(network, config.seed)
    return _train(network, layers, data, config, None, "training a network", on_progress)


def fine_tune(
    network: nn.Sequential,
    layers: Sequence[LayerSpec],
    data: DataSet,
    config: NetworkConfig,
    on_progress: Progress = silent,
    *,
    teacher: Teacher | None = None,
) -> nn.Sequential:
    """A copy of a network, trained further.

    Args:
        network: With weights, as `Supernet.extract` gives it.
        layers: Of the network; the first says the resolution.
        data: Its test part is not looked at.
        config: How long, and how.
        on_progress: Told after each step.
        teacher: Gives logits for full-size images, such as `largest_as_teacher`.
    """
    return _train(copy.deepcopy(network), layers, data, config, teacher, "fine-tuning", on_progress)


def largest_as_teacher(supernet: Supernet, layers: Sequence[LayerSpec], data: DataSet) -> Teacher:
    """The supernet's largest network, recalibrated, as a teacher for `fine_tune`.

    Args:
        supernet: Trained.
        layers: Of its largest network, one for each slot.
        data: Gives images for recalibration.
    """
    network = supernet.extract(layers)
    resolution = layers[0].resolution
    recalibrate(network, batches_at(recalibration_part(data.train), resolution))

    folded = fold(network)

    def logits(images: Tensor) -> Tensor:
        with torch.no_grad():
            return cast("Tensor", folded(resize(images, resolution)))

    return logits


def test_accuracy(network: nn.Sequential, layers: Sequence[LayerSpec], data: DataSet) -> float:
    """Top-1 in percent on the test part: to be asked once, at the end."""
    return accuracy(network, layers, data.test)


def _train(
    network: nn.Sequential,
    layers: Sequence[LayerSpec],
    data: DataSet,
    config: NetworkConfig,
    teacher: Teacher | None,
    task: str,
    on_progress: Progress,
) -> nn.Sequential:
    part = data.train.joined(data.validation) if config.use_validation else data.train
    resolution = layers[0].resolution
    channels_last(network).train()
    optimizer = create_optimizer(network, config.recipe)
    steps = max(1, config.images // config.recipe.batch_size)
    with torch_threads(config.recipe.threads):
        for step, (images, labels) in zip(
            range(steps), _endless_batches(part, config), strict=False
        ):
            set_learning_rate(optimizer, config.recipe, step=step, steps=steps)
            optimizer.zero_grad(set_to_none=True)
            logits = network(resize(images, resolution))
            loss = label_loss(logits, labels, config.recipe)
            if teacher is not None and config.distillation > 0:
                soft = distillation_loss(logits, teacher(images))
                loss = torch.lerp(loss, soft, config.distillation)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            on_progress(task, step + 1, steps, f"loss {loss.item():.3f}")
        # statistics of images as they will come, not of augmented ones
        recalibrate(network, batches_at(recalibration_part(part), resolution))
    return network


def _endless_batches(
    part: LabelledImages, config: NetworkConfig
) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in itertools.count():
        yield from epoch_batches(part, config.recipe, np.random.default_rng([config.seed, epoch]))
