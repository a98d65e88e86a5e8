"""What all training shares: optimiser, learning rate, augmentation, losses."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hwnas.networks.pixels import to_batch
from hwnas.training.config import Recipe
from hwnas.training.images import LabelledImages


def create_optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """An optimiser of all the module's parameters."""
    parameters = list(module.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def set_learning_rate(
    optimizer: torch.optim.Optimizer, recipe: Recipe, *, step: int, steps: int
) -> None:
    """Linear warm-up, then half a cosine down to 0.

    Args:
        optimizer: Whose learning rate is set.
        recipe: Gives the highest learning rate and the length of the warm-up.
        step: From 0.
        steps: In the whole training.
    """
    warmup = recipe.warmup_fraction * steps
    done = step + 0.5
    if done < warmup:
        factor = done / warmup
    else:
        factor = 0.5 * (1 + math.cos(math.pi * (done - warmup) / (steps - warmup)))
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * factor


def epoch_batches(
    part: LabelledImages, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of augmented images with their labels, each image once, in random order.

    The last batch is left out when it is not full: batch-norm cannot use a very small one.
    """
    order = rng.permutation(len(part))
    for start in range(0, steps_per_epoch(part, recipe) * recipe.batch_size, recipe.batch_size):
        chosen = order[start : start + recipe.batch_size]
        images = augment(part.images[chosen], recipe, rng)
        yield to_batch(images), torch.from_numpy(part.labels[chosen])


def steps_per_epoch(part: LabelledImages, recipe: Recipe) -> int:
    """Number of batches in an epoch; 1 when all images do not fill a batch."""
    return max(1, len(part) // recipe.batch_size)


def augment(
    images: NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Images cropped and mirrored at random, same shape (N, C, H, W)."""
    count, _, height, width = images.shape
    pad = recipe.crop_padding
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    top, left = rng.integers(0, 2 * pad + 1, size=(2, count))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    if recipe.flip:
        mirrored = rng.random(count) < 0.5
        columns[mirrored] = columns[mirrored, ::-1]
    # advanced indices around a slice put the channels last, as torch wants them in memory
    cropped = padded[np.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return cropped.transpose(0, 3, 1, 2)


def label_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy with the recipe's label smoothing."""
    return functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)


def distillation_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Cross-entropy against the teacher's probabilities, through which no gradient flows."""
    targets = teacher_logits.detach().softmax(dim=1)
    return functional.cross_entropy(logits, targets)


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Run with so many torch threads; None leaves torch's own choice, all cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
