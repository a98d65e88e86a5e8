"""Accuracy of networks: batch-norm recalibrated, folded, quantized, then counted."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hwnas.layers import LayerSpec
from hwnas.networks.fake_quantization import at_precision
from hwnas.networks.folding import fold
from hwnas.networks.pixels import resize, to_batch
from hwnas.networks.recalibrating import RecalibratingSupernet
from hwnas.networks.supernet import Supernet
from hwnas.training.data import DataSet
from hwnas.training.images import LabelledImages

RECALIBRATION_IMAGES = 512
_BATCH_SIZE = 128


class Evaluator:
    """Accuracy of a supernet's networks on one part of the data.

    Images are prepared once for each resolution. Equal networks have equal accuracy at a fixed
    number of torch threads: the recalibration images are always the same.

    Args:
        supernet: Gives the weights.
        data: Gives images of training, for recalibration, and of ``part``.
        part: ``validation``, or ``test`` at the very end.
        recalibration_images: At most so many.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: DataSet,
        *,
        part: str = "validation",
        recalibration_images: int = RECALIBRATION_IMAGES,
    ) -> None:
        self._supernet = supernet
        self._recalibrating = RecalibratingSupernet(supernet)
        self._part = data.part(part)
        self._recalibration = recalibration_part(data.train, recalibration_images)
        self._batches: dict[int, tuple[list[Tensor], list[Tensor]]] = {}

    def accuracy(self, layers: Sequence[LayerSpec], precision: str = "fp32") -> float:
        """Top-1 in percent of one network, given one layer for each slot.

        Args:
            layers: What it is made of.
            precision: At which it computes (`hwnas.networks.fake_quantization.at_precision`); the
                ranges of int8 are those of every second recalibration image.
        """
        calibration, batches = self._prepared(layers[0].resolution)
        if precision == "fp32" and len(calibration) == len(batches) == 1:
            logits = self._recalibrating.logits(calibration[0], batches[0], layers)
            return _share_right(logits.argmax(dim=1), self._part)
        network = self._supernet.extract(layers)
        recalibrate(network, calibration)
        observed = [batch[::2] for batch in calibration]
        computing = at_precision(fold(network), layers, precision, observed)
        return _accuracy(computing, batches, self._part)

    def _prepared(self, resolution: int) -> tuple[list[Tensor], list[Tensor]]:
        if resolution not in self._batches:
            self._batches[resolution] = (
                batches_at(self._recalibration, resolution),
                batches_at(self._part, resolution),
            )
        return self._batches[resolution]


def evaluate(
    supernet: Supernet, layers: Sequence[LayerSpec], data: DataSet, part: str = "validation"
) -> float:
    """Top-1 in percent of one of the supernet's networks; many are quicker by an `Evaluator`."""
    return Evaluator(supernet, data, part=part).accuracy(layers)


def accuracy(network: nn.Sequential, layers: Sequence[LayerSpec], part: LabelledImages) -> float:
    """Top-1 in percent of a trained network, whose batch-norm statistics stand as they are."""
    return _accuracy(fold(network), batches_at(part, layers[0].resolution), part)


def recalibrate(network: nn.Module, batches: Sequence[Tensor]) -> None:
    """Set batch-norm statistics to the averages over these batches."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over batches
    network.train()
    with torch.inference_mode():
        for batch in batches:
            network(batch)
    for norm in norms:
        norm.momentum = 0.1
    network.eval()


def batches_at(part: LabelledImages, resolution: int) -> list[Tensor]:
    """All images as batches of a resolution."""
    starts = range(0, len(part), _BATCH_SIZE)
    chunks = (part.images[start : start + _BATCH_SIZE] for start in starts)
    return [resize(to_batch(chunk), resolution) for chunk in chunks]


def _accuracy(folded: nn.Module, batches: Sequence[Tensor], part: LabelledImages) -> float:
    with torch.inference_mode():
        predicted = torch.cat([folded(batch).argmax(dim=1) for batch in batches])
    return _share_right(predicted, part)


def _share_right(predicted: Tensor, part: LabelledImages) -> float:
    return 100.0 * float((predicted == torch.from_numpy(part.labels)).double().mean())


def recalibration_part(part: LabelledImages, count: int = RECALIBRATION_IMAGES) -> LabelledImages:
    """So many images at even distances, so that all classes are among them."""
    count = min(count, len(part))
    return part.select(np.linspace(0, len(part) - 1, count).astype(np.int64))
