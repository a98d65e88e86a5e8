"""Batch-norm folded into the convolution before it, for graph writers and for fast evaluation."""

import copy

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hwnas.layer_weights import LayerWeights
from hwnas.networks.blocks import Conv, ConvNorm, Linear, MBConv
from hwnas.networks.pixels import channels_last


def folded_weights(network: nn.Sequential) -> list[LayerWeights]:
    """Weights layer by layer as `hwnas.layer_weights` names them, folded in double precision."""
    return [_layer_weights(layer) for layer in network]


def fold(network: nn.Sequential) -> nn.Sequential:
    """A copy in evaluation mode whose convolutions have taken in their batch-norms."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, ConvNorm) and isinstance(module.norm, nn.BatchNorm2d):
            weight, bias = _folded(module)
            module.conv.weight = nn.Parameter(weight, requires_grad=False)
            module.conv.bias = nn.Parameter(bias, requires_grad=False)
            module.norm = nn.Identity()
    return channels_last(folded)


def _layer_weights(layer: nn.Module) -> LayerWeights:
    if isinstance(layer, Conv):
        return _convolution("", layer.convolution)
    if isinstance(layer, MBConv):
        weights = _convolution("expand.", layer.expand) if layer.expand is not None else {}
        weights |= _convolution("depthwise.", layer.depthwise)
        if layer.squeeze_excite is not None:
            weights |= _linear("squeeze.", layer.squeeze_excite.squeeze)
            weights |= _linear("excite.", layer.squeeze_excite.excite)
        return weights | _convolution("project.", layer.project)
    if isinstance(layer, Linear):
        return _linear("", layer.linear)
    return {}


def _convolution(part: str, module: ConvNorm) -> dict[str, NDArray[np.float32]]:
    weight, bias = _folded(module)
    return {f"{part}weight": _array(weight), f"{part}bias": _array(bias)}


def _linear(part: str, module: nn.Linear) -> dict[str, NDArray[np.float32]]:
    weights = {f"{part}weight": _array(module.weight)}
    return weights | ({} if module.bias is None else {f"{part}bias": _array(module.bias)})


def _folded(module: ConvNorm) -> tuple[Tensor, Tensor]:
    """Weight (O, I, K, K) and bias (O,) that do the work of convolution and batch-norm."""
    norm = module.norm
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = module.conv.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return weight.float().detach(), bias.float().detach()


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())
