"""Networks that recalibrate their batch-norm and answer, in one pass over both kinds of images."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hwnas.layers import LayerSpec
from hwnas.networks.blocks import ConvNorm, build_layer
from hwnas.networks.slots import Slot
from hwnas.networks.supernet import Supernet


@dataclass(slots=True)
class _Split:
    """How many images at the front of a batch calibrate; the others are answered."""

    calibrating: int = 0


class RecalibratingSupernet:
    """A supernet's networks evaluated without cutting them out, for few images.

    What it says is what an extracted network says whose statistics were set by one batch: the
    calibrating images are normalised by their own statistics, and so are all others.

    Args:
        supernet: Gives the weights, as they are at each call.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._split = _Split()
        self._skeletons: dict[LayerSpec, tuple[nn.Module, dict[str, torch.Size]]] = {}

    def logits(self, calibration: Tensor, images: Tensor, layers: Sequence[LayerSpec]) -> Tensor:
        """Logits of the images, (N, classes).

        Args:
            calibration: At least two images, (M, C, H, W), at the network's resolution.
            images: (N, C, H, W), at the same.
            layers: Of the network, one for each slot.
        """
        self._split.calibrating = len(calibration)
        x = torch.cat([calibration, images])
        for slot, layer in zip(self._supernet.slots, layers, strict=True):
            x = self._through(slot, layer, x, len(images))
        return x

    def logits_of_each(
        self, calibration: Tensor, images: Tensor, networks: Iterable[Sequence[LayerSpec]]
    ) -> Iterator[Tensor]:
        """Logits of the images by one network after another, each (N, classes).

        What a network has in common with the one before it, from the first layer on, is not
        computed again: that pays for many networks in sorted order, and holds what all layers of
        a network gave in memory.

        Args:
            calibration: As in `logits`, like ``images``.
            images: (N, C, H, W).
            networks: One layer for each slot; all of the same resolution.
        """
        before: Sequence[LayerSpec] = ()
        given = [torch.cat([calibration, images])]
        for layers in networks:
            self._split.calibrating = len(calibration)
            pairs = zip(before, layers, strict=False)
            common = next((i for i, (a, b) in enumerate(pairs) if a != b), len(before))
            del given[common + 1 :]
            for slot, layer in zip(self._supernet.slots[common:], layers[common:], strict=True):
                given.append(self._through(slot, layer, given[-1], len(images)))
            before = layers
            yield given[-1]

    def _through(self, slot: nn.Module, layer: LayerSpec, x: Tensor, answered: int) -> Tensor:
        """What a layer makes of calibrating images with the others behind them."""
        if layer.kind == "empty":
            return x
        with torch.inference_mode():
            skeleton, shapes = self._skeleton(layer)
            if layer.kind == "linear":
                x = x[len(x) - answered :]  # no more batch-norm ahead
            return cast("Tensor", functional_call(skeleton, cast("Slot", slot).weights(shapes), x))

    def _skeleton(self, layer: LayerSpec) -> tuple[nn.Module, dict[str, torch.Size]]:
        """A layer without weights of its own, and the shapes of those it needs."""
        if layer not in self._skeletons:
            with torch.device("meta"):
                module = build_layer(layer, statistics=False)
                for part in module.modules():
                    if isinstance(part, ConvNorm):
                        part.norm = _SplitNorm(part.conv.out_channels, self._split)
            shapes = {name: weight.shape for name, weight in module.named_parameters()}
            self._skeletons[layer] = (module, shapes)
        return self._skeletons[layer]


class _SplitNorm(nn.BatchNorm2d):
    """Batch-norm by the statistics of the first images of the batch."""

    def __init__(self, channels: int, split: _Split) -> None:
        super().__init__(channels, track_running_stats=False)
        self._split = split

    def forward(self, x: Tensor) -> Tensor:
        """Same shape, (N, C, H, W)."""
        calibrating = x[: self._split.calibrating]
        mean, variance = torch.batch_norm_update_stats(calibrating, None, None, 1.0)
        values = calibrating.numel() // calibrating.shape[1]
        # as torch does, by the plain variance in training, by the unbiased one afterwards
        self._normalise(calibrating, mean, variance)
        self._normalise(x[len(calibrating) :], mean, variance * (values / (values - 1)))
        return x

    def _normalise(self, x: Tensor, mean: Tensor, variance: Tensor) -> None:
        """In place: what a convolution gave is nobody else's."""
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = torch.addcmul(self.bias, mean, scale, value=-1)
        torch.addcmul(shift[:, None, None], x, scale[:, None, None], out=x)
