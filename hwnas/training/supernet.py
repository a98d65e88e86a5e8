"""Training of a supernet: the sandwich rule with in-place distillation.

Yu et al. 2020 (BigNAS), section 3: each step trains the largest network on the labels, and the
smallest and some random networks on the largest one's probabilities.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hwnas import files
from hwnas.catalog import IntArray
from hwnas.errors import SpaceMismatchError
from hwnas.layers import LayerSpec
from hwnas.networks.pixels import channels_last
from hwnas.networks.static import initialise
from hwnas.networks.supernet import Supernet
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace
from hwnas.training import checkpoint
from hwnas.training.checkpoint import Checkpoint
from hwnas.training.config import SupernetConfig
from hwnas.training.data import DataSet
from hwnas.training.evaluation import Evaluator
from hwnas.training.extremes import extreme_rows
from hwnas.training.recipe import (
    create_optimizer,
    distillation_loss,
    epoch_batches,
    label_loss,
    set_learning_rate,
    steps_per_epoch,
    torch_threads,
)

LOG_NAME = "training.jsonl"


def train_supernet(
    space: SearchSpace,
    data: DataSet,
    config: SupernetConfig,
    directory: Path,
    on_progress: Progress = silent,
) -> Supernet:
    """A trained supernet; goes on from the checkpoint when the directory holds one.

    Everything random follows from the seed and the epoch, so a training that was interrupted
    ends with the weights of one that was not, at the same number of torch threads.

    Args:
        space: Its resolution and channels must be those of the data.
        data: Trains on its training part; the test part is not looked at.
        config: How long, and how.
        directory: Where the checkpoint and the log (JSON lines, one an evaluated epoch) lie.
        on_progress: Told after each step.

    Raises:
        SpaceMismatchError: The directory's checkpoint is of another space, configuration or
            data set; or the data do not fit the space.
    """
    _check_fit(space, data)
    path = directory / checkpoint.FILE_NAME
    made_for = _made_for(space, data, config)
    supernet = create_supernet(space, config.seed)
    optimizer = create_optimizer(supernet, config.recipe)
    history: list[dict[str, Any]] = []
    start = 0
    if path.is_file():
        saved = checkpoint.read(path)
        _check_same(saved.made_for, made_for, path)
        checkpoint.restore_weights(supernet, saved.tensors)
        checkpoint.restore_optimizer(optimizer, saved.tensors)
        start, history = saved.epochs, [dict(record) for record in saved.history]
        # the process may have died between checkpoint and log
        _write_log(directory / LOG_NAME, history)
    with torch_threads(config.recipe.threads):
        training = _Training(space, data, config, supernet, optimizer, on_progress)
        for epoch in range(start, config.epochs):
            history.append(training.run_epoch(epoch))
            tensors = checkpoint.tensors_of(supernet, optimizer)
            checkpoint.write(path, Checkpoint(made_for, epoch + 1, tuple(history), tensors))
            _write_log(directory / LOG_NAME, history)
    return supernet


def load_supernet(space: SearchSpace, directory: Path) -> Supernet:
    """The supernet that a training left in a directory.

    Raises:
        FileFormatError: There is no readable checkpoint.
        SpaceMismatchError: It is of another space.
    """
    path = directory / checkpoint.FILE_NAME
    saved = checkpoint.read(path)
    _check_same(
        {"space": saved.made_for["space"]}, {"space": files.digest(space.definition())}, path
    )
    supernet = create_supernet(space, seed=0)
    checkpoint.restore_weights(supernet, saved.tensors)
    return supernet


def create_supernet(space: SearchSpace, seed: int) -> Supernet:
    """An untrained supernet of the space."""
    supernet = Supernet(space.slot_layers)
    initialise(supernet, seed)
    return channels_last(supernet)


def slot_layers_of(space: SearchSpace, rows: IntArray) -> list[tuple[LayerSpec, ...]]:
    """One layer for each slot, absent ones empty, of each architecture of shape (count, genes)."""
    layers = space.catalog.layers
    return [tuple(layers[i] for i in indices) for indices in space.layer_indices(rows)]


class _Training:
    """What stays the same from epoch to epoch."""

    def __init__(
        self,
        space: SearchSpace,
        data: DataSet,
        config: SupernetConfig,
        supernet: Supernet,
        optimizer: torch.optim.Optimizer,
        on_progress: Progress,
    ) -> None:
        self._space, self._data, self._config = space, data, config
        self._supernet, self._optimizer, self._on_progress = supernet, optimizer, on_progress
        self._smallest, self._largest = slot_layers_of(space, np.stack(extreme_rows(space)))
        self._evaluator = Evaluator(supernet, data)

    def run_epoch(self, epoch: int) -> dict[str, Any]:
        """Train for one epoch; its record for the log."""
        config = self._config
        rng = np.random.default_rng([config.seed, epoch])
        per_epoch = steps_per_epoch(self._data.train, config.recipe)
        steps, done, losses = per_epoch * config.epochs, per_epoch * epoch, 0.0
        for images, labels in epoch_batches(self._data.train, config.recipe, rng):
            set_learning_rate(self._optimizer, config.recipe, step=done, steps=steps)
            others = self._others(rng) if epoch >= config.largest_first else []
            losses += self._step(images, labels, others)
            done += 1
            note = f"loss {losses / (done - per_epoch * epoch):.3f}"
            self._on_progress("training the supernet", done, steps, note)
        record: dict[str, Any] = {"epoch": epoch + 1, "loss": losses / per_epoch}
        if (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == config.epochs:
            record["largest_accuracy"] = self._evaluator.accuracy(self._largest)
            record["smallest_accuracy"] = self._evaluator.accuracy(self._smallest)
        return record

    def _others(self, rng: np.random.Generator) -> list[tuple[LayerSpec, ...]]:
        rows = self._space.sample(self._config.random_networks, rng)
        return [*slot_layers_of(self._space, rows), self._smallest]

    def _step(
        self, images: Tensor, labels: Tensor, others: Sequence[tuple[LayerSpec, ...]]
    ) -> float:
        """One update; the largest network's loss."""
        self._optimizer.zero_grad(set_to_none=True)
        logits = self._supernet(images, self._largest)
        loss = label_loss(logits, labels, self._config.recipe)
        loss.backward()  # type: ignore[no-untyped-call]
        for layers in others:
            distillation_loss(self._supernet(images, layers), logits).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()


def _write_log(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    lines = (json.dumps(record, sort_keys=True) + "\n" for record in history)
    files.write_text(path, "".join(lines))


def _check_fit(space: SearchSpace, data: DataSet) -> None:
    """Refuse data of which the space's first or last layer cannot be made."""
    first, last = space.slot_layers[0], space.slot_layers[-1]
    wanted = (first.in_channels, last.out_channels, first.resolution)
    given = (data.in_channels, len(data.classes), data.resolution)
    if given != wanted:
        raise SpaceMismatchError(
            f"Space {space.name} is for {wanted[0]} channels, {wanted[1]} classes and "
            f"{wanted[2]} px; {data.source} has {given[0]}, {given[1]} and {given[2]}: load both "
            "with the same."
        )


def _made_for(space: SearchSpace, data: DataSet, config: SupernetConfig) -> dict[str, Any]:
    return {
        "space": files.digest(space.definition()),
        "config": files.to_plain(config),
        "data": data.fingerprint(),
    }


def _check_same(saved: Any, wanted: Any, path: Path) -> None:
    for what, value in wanted.items():
        if saved.get(what) != value:
            raise SpaceMismatchError(
                f"{path} was made for another {_MEANING[what]}: choose another directory, or "
                "delete the file to train again."
            )


_MEANING = {"space": "search space", "config": "training configuration", "data": "data set"}
