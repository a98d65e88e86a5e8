"""The steps of a supernet's training, and all that they change.

They are not compiled: `torch.compile` made a step of one network, the largest of mbv3_small_32 at
batch 64, 1.07 times as fast on one x86-64 core, for three CPU minutes of compiling that every other
network needs again.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwnas.layers import LayerSpec
from hwnas.networks.supernet import Supernet
from hwnas.progress import Progress
from hwnas.protocols import SearchSpace
from hwnas.training import checkpoint
from hwnas.training.averaging import WeightAverage
from hwnas.training.checkpoint import Checkpoint
from hwnas.training.config import SupernetConfig
from hwnas.training.data import DataSet
from hwnas.training.distributed import Group
from hwnas.training.elastic import ElasticSampler
from hwnas.training.evaluation import Evaluator
from hwnas.training.recipe import (
    create_optimizer,
    distillation_loss,
    epoch_batches,
    label_loss,
    set_learning_rate,
    steps_per_epoch,
)
from hwnas.training.weight_sharing import create_supernet, slot_layers_of


class TrainingState:
    """All that changes from epoch to epoch: what a checkpoint holds.

    Args:
        space: Of the supernet.
        config: How it is trained.
        device: That it computes on.
    """

    def __init__(self, space: SearchSpace, config: SupernetConfig, device: torch.device) -> None:
        self._space, self._config = space, config
        transforms = config.kernel_transforms
        supernet = create_supernet(space, config.seed, kernel_transforms=transforms)
        self.device = device
        self.supernet = supernet.to(device)
        self.optimizer = create_optimizer(self.supernet, config.recipe)
        self.average = WeightAverage(self.supernet, config.average) if config.average else None
        self.epochs = 0
        self.history: list[Mapping[str, Any]] = []

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint of the same training."""
        checkpoint.restore_weights(self.supernet, saved.tensors)
        checkpoint.restore_optimizer(self.optimizer, saved.tensors)
        self.epochs, self.history = saved.epochs, list(saved.history)
        if self.average is not None:
            averages = {n.removeprefix("average."): t for n, t in saved.tensors.items()}
            self.average.restore(averages, int(saved.tensors["average_steps"].item()))

    def checkpoint(self, made_for: Mapping[str, Any]) -> Checkpoint:
        """What a training must be given to go on."""
        tensors = checkpoint.tensors_of(self.supernet, self.optimizer)
        if self.average is not None:
            tensors |= {f"average.{name}": t for name, t in self.average.tensors.items()}
            tensors["average_steps"] = torch.tensor(self.average.steps)
        tensors = {name: tensor.cpu() for name, tensor in tensors.items()}
        return Checkpoint(made_for, self.epochs, tuple(self.history), tensors)

    def result(self) -> Supernet:
        """The supernet to keep, on the CPU: of average weights, where there is an average."""
        transforms = self._config.kernel_transforms
        kept = create_supernet(self._space, 0, kernel_transforms=transforms)
        source = dict(self.supernet.named_parameters())
        with torch.no_grad():
            for name, weight in kept.named_parameters():
                weight.copy_(source[name] if self.average is None else self.average.tensors[name])
        return kept


class SupernetSteps:
    """Trains a state epoch by epoch.

    Args:
        space: Of the supernet.
        data: Its training and validation parts are looked at.
        config: How it is trained.
        state: What is changed.
        group: The processes that train together.
        on_progress: Told after each step.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: DataSet,
        config: SupernetConfig,
        state: TrainingState,
        group: Group,
        on_progress: Progress,
    ) -> None:
        self._space, self._data, self._config = space, data, config
        self._state, self._group, self._on_progress = state, group, on_progress
        self._sampler = ElasticSampler(space, config)
        rows = np.stack([self._sampler.smallest, self._sampler.largest])
        self._smallest, self._largest = slot_layers_of(space, rows)
        self._accuracies = ""

    def run_epoch(self, epoch: int) -> dict[str, Any]:
        """Train for one epoch; its record for the log."""
        config = self._config
        rng = np.random.default_rng([config.seed, epoch])
        per_epoch = steps_per_epoch(self._data.train, config.recipe)
        steps, done, losses, begun = per_epoch * config.epochs, per_epoch * epoch, 0.0, time.time()
        for images, labels in epoch_batches(self._data.train, config.recipe, rng):
            set_learning_rate(self._state.optimizer, config.recipe, step=done, steps=steps)
            others = slot_layers_of(self._space, self._sampler.rows(epoch, rng))
            losses += self._step(images, labels, others)
            done += 1
            now = done - per_epoch * epoch
            speed = now * config.recipe.batch_size / max(time.time() - begun, 1e-9)
            note = f"loss {losses / now:.3f}, {speed:.0f} images/s{self._accuracies}"
            self._on_progress("training the supernet", done, steps, note)
        record: dict[str, Any] = {"epoch": epoch + 1, "loss": losses / per_epoch}
        last = epoch + 1 == config.epochs
        if self._group.rank == 0 and (last or (epoch + 1) % config.evaluate_every == 0):
            record |= self._looked_at()
        return record

    def _looked_at(self) -> dict[str, float]:
        """Validation accuracy of the largest and the smallest network."""
        evaluator = Evaluator(self._state.result(), self._data)
        largest, smallest = (evaluator.accuracy(each) for each in (self._largest, self._smallest))
        self._accuracies = f", smallest {smallest:.1f} %, largest {largest:.1f} %"
        return {"largest_accuracy": largest, "smallest_accuracy": smallest}

    def _step(
        self, images: Tensor, labels: Tensor, others: Sequence[tuple[LayerSpec, ...]]
    ) -> float:
        """One update; the loss on the labels, averaged over the networks trained on them."""
        state = self._state
        images = self._group.part(images).to(state.device)
        labels = self._group.part(labels).to(state.device)
        state.optimizer.zero_grad(set_to_none=True)
        if self._config.sandwich or not others:
            loss = self._sandwich(images, labels, others)
        else:
            loss = self._on_labels(images, labels, others)
        self._group.average_gradients(state.supernet)
        state.optimizer.step()
        if state.average is not None:
            state.average.update()
        return loss

    def _sandwich(
        self, images: Tensor, labels: Tensor, others: Sequence[tuple[LayerSpec, ...]]
    ) -> float:
        """Gradients of the largest network on the labels, of the others on what it says."""
        logits = self._logits(images, self._largest)
        loss = label_loss(logits, labels, self._config.recipe)
        loss.backward()  # type: ignore[no-untyped-call]
        for layers in others:
            distillation_loss(self._logits(images, layers), logits).backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def _on_labels(
        self, images: Tensor, labels: Tensor, networks: Sequence[tuple[LayerSpec, ...]]
    ) -> float:
        """Gradients of all networks on the labels."""
        total = 0.0
        for layers in networks:
            loss = label_loss(self._logits(images, layers), labels, self._config.recipe)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total / len(networks)

    def _logits(self, images: Tensor, layers: Sequence[LayerSpec]) -> Tensor:
        state = self._state
        with torch.autocast(
            state.device.type, torch.bfloat16, enabled=self._config.mixed_precision
        ):
            logits: Tensor = state.supernet(images, layers)
        return logits.float()
