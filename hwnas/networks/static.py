"""Whole networks of fixed layers."""

from collections.abc import Iterable

import torch
from torch import nn

from hwnas.layers import LayerSpec, check_chain
from hwnas.networks.blocks import build_layer


def build(layers: Iterable[LayerSpec]) -> nn.Sequential:
    """A network with fresh weights, one child for each layer; empty layers are left out.

    Raises:
        ValueError: The layers do not fit together.
    """
    return nn.Sequential(*(build_layer(layer) for layer in check_chain(layers)))


def initialise(network: nn.Module, seed: int) -> None:
    """Set all weights, the same for the same seed: He's normal (fan out), small in the last layer.

    He et al. 2015, section 2.2, as MobileNetV3's and Once-for-All's reference code use it. The
    squeeze-excite's layers are convolutions there, and are treated as such here.
    """
    generator = torch.Generator().manual_seed(seed)
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1:]
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = module.weight
            groups = module.groups if isinstance(module, nn.Conv2d) else 1
            fan_out = weight.numel() // weight.shape[1] // groups
            std = 0.01 if module in last else (2.0 / fan_out) ** 0.5
            with torch.no_grad():
                weight.normal_(0.0, std, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
