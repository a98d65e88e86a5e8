"""The weight-sharing supernet: every network of a space is cut from one set of weights."""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hwnas.layers import LayerSpec
from hwnas.networks.blocks import build_layer
from hwnas.networks.pixels import channels_last, resize
from hwnas.networks.static import build


class Slot(nn.Module):
    """The weights of one slot's largest layer, from which its other layers are cut.

    Another way of cutting, such as Once-for-All's learned kernel transformations, is another
    class with `weights`.
    """

    def __init__(self, largest: LayerSpec) -> None:
        super().__init__()
        self.largest = build_layer(largest, statistics=False)

    def weights(self, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
        """Views of the shared weights for a smaller layer.

        Args:
            shapes: Of the smaller layer's parameters, by name.
        """
        return {
            name: cut(self.largest.get_parameter(name), shape) for name, shape in shapes.items()
        }


def cut(weight: Tensor, shape: torch.Size) -> Tensor:
    """The part of a weight that a smaller layer shares: first channels, centre of the kernel.

    Args:
        weight: Shape (out,), (out, in) or (out, in, kernel, kernel).
        shape: Of the part; no dimension larger than the weight's.
    """
    if weight.shape == shape:
        return weight
    starts = [
        0 if axis < 2 else (weight.shape[axis] - shape[axis]) // 2 for axis in range(len(shape))
    ]
    return weight[tuple(slice(a, a + size) for a, size in zip(starts, shape, strict=True))]


class Supernet(nn.Module):
    """All networks of a space at once.

    Its batch-norms have scale and shift but no running statistics, which differ from network to
    network: forward normalises by the batch, and an extracted network has its statistics
    recalibrated before it is evaluated.

    Args:
        slot_layers: Slot by slot the largest layer, as `SearchSpace.slot_layers` gives them.
    """

    def __init__(self, slot_layers: Iterable[LayerSpec]) -> None:
        super().__init__()
        self.slots = nn.ModuleList(Slot(layer) for layer in slot_layers)
        self._skeletons: dict[LayerSpec, tuple[nn.Module, dict[str, torch.Size]]] = {}

    def forward(self, images: Tensor, layers: Sequence[LayerSpec]) -> Tensor:
        """Logits of one network, (N, classes).

        Args:
            images: (N, C, H, W); resized to the first layer's resolution.
            layers: One for each slot; empty ones are skipped.
        """
        x = resize(images, layers[0].resolution)
        for slot, layer in zip(self.slots, layers, strict=True):
            if layer.kind != "empty":
                skeleton, shapes = self._skeleton(layer)
                x = functional_call(skeleton, cast("Slot", slot).weights(shapes), x)
        return x

    def extract(self, layers: Sequence[LayerSpec]) -> nn.Sequential:
        """One network with its own copy of the weights.

        Its batch-norm statistics are not yet set: recalibrate them.

        Args:
            layers: One for each slot; empty ones are skipped.
        """
        network = build(layers)
        present = [pair for pair in zip(self.slots, layers, strict=True) if pair[1].kind != "empty"]
        with torch.no_grad():
            for module, (slot, layer) in zip(network, present, strict=True):
                for name, weight in cast("Slot", slot).weights(self._skeleton(layer)[1]).items():
                    module.get_parameter(name).copy_(weight)
        return channels_last(network)

    def _skeleton(self, layer: LayerSpec) -> tuple[nn.Module, dict[str, torch.Size]]:
        """A layer without weights of its own, and the shapes of those it needs."""
        if layer not in self._skeletons:
            with torch.device("meta"):
                module = build_layer(layer, statistics=False)
            shapes = {name: weight.shape for name, weight in module.named_parameters()}
            self._skeletons[layer] = (module, shapes)
        return self._skeletons[layer]
