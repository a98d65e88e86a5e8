"""The weight-sharing supernet: every network of a space is cut from one set of weights."""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hwnas.layers import LayerSpec
from hwnas.networks.blocks import build_layer
from hwnas.networks.pixels import channels_last, resize
from hwnas.networks.slots import KernelTransformSlot, Slot
from hwnas.networks.static import build


class Supernet(nn.Module):
    """All networks of a space at once.

    Its batch-norms have scale and shift but no running statistics, which differ from network to
    network: forward normalises by the batch, and an extracted network has its statistics
    recalibrated before it is evaluated.

    Args:
        slot_layers: Slot by slot the largest layer, as `SearchSpace.slot_layers` gives them.
        kernel_transforms: Whether smaller kernels are learned functions of larger ones instead
            of their centres.
    """

    def __init__(
        self, slot_layers: Iterable[LayerSpec], *, kernel_transforms: bool = False
    ) -> None:
        super().__init__()
        slot = KernelTransformSlot if kernel_transforms else Slot
        self.slots = nn.ModuleList(slot(layer) for layer in slot_layers)
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
        with torch.device("meta"):  # random weights would be drawn for nothing
            network = build(layers)
        network.to_empty(device="cpu")
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
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
