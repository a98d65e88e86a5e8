"""Networks that compute in fp32 what their files of lower precision will compute.

int8 as the exported files have it (Jacob et al. 2018, section 2; Krishnamoorthi 2018, section 3):
weights symmetric, a scale for each output channel; activations asymmetric, a range for each tensor,
the smallest and largest value seen on calibration images; biases stay as they are, because files
hold them in 32 bits. A hard-swish is computed in fp32 between two int8 tensors.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hwnas.layers import LayerSpec
from hwnas.networks.blocks import Conv, ConvNorm, Linear, MBConv, SqueezeExcite

_LEVELS = 255  # steps between the lowest and the highest of 256 values
_LARGEST_WEIGHT = 127
_TINY = 1e-12


def at_precision(
    folded: nn.Sequential,
    layers: Sequence[LayerSpec],
    precision: str,
    calibration: Sequence[Tensor],
) -> nn.Module:
    """A network in evaluation mode that computes as its file of a precision will.

    Args:
        folded: As `hwnas.networks.folding.fold` gives it; its weights are changed.
        layers: What it is made of; empty ones are skipped.
        precision: ``fp32``, ``fp16`` (weights and biases rounded, computed in fp32) or ``int8``.
        calibration: Batches of images whose activations give the ranges of int8.

    Returns:
        To be called within `torch.inference_mode`.

    Raises:
        ValueError: The precision is none of these.
    """
    if precision == "int8":
        return _fake_quantized(folded, layers, calibration)
    if precision == "fp16":
        for parameter in folded.parameters():
            parameter.data = parameter.data.half().float()
    elif precision != "fp32":
        raise ValueError(f"Networks cannot be evaluated at precision {precision!r}.")
    return folded


def _fake_quantized(
    folded: nn.Sequential, layers: Sequence[LayerSpec], calibration: Sequence[Tensor]
) -> nn.Module:
    present = [layer for layer in layers if layer.kind != "empty"]
    parts = [_quantized(module, layer) for module, layer in zip(folded, present, strict=True)]
    network = nn.Sequential(_Input(), *parts).eval()
    with torch.inference_mode():
        for batch in calibration:
            network(batch)
    for module in network.modules():
        if isinstance(module, Quantizer):
            module.freeze()
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight = nn.Parameter(quantized_weight(module.weight), requires_grad=False)
    return network


def quantized_weight(weight: Tensor) -> Tensor:
    """A weight of shape (out, ...) rounded to 255 values symmetric about 0 for each ``out``."""
    rows = weight.detach().flatten(1)
    scale = (rows.abs().amax(1, keepdim=True) / _LARGEST_WEIGHT).clamp_min(_TINY)
    rounded = (rows / scale).round_().clamp_(-_LARGEST_WEIGHT, _LARGEST_WEIGHT).mul_(scale)
    # rows are a copy in another order when the weight is channels last
    return torch.empty_like(weight).copy_(rounded.view(weight.shape))


class Quantizer(nn.Module):
    """Widens a range by what passes until it is frozen; then rounds to 256 values of the range."""

    def __init__(self) -> None:
        super().__init__()
        self.low = self.high = 0.0  # 0 is always among the values
        self._scale: float | None = None
        self._lowest = self._highest = 0.0

    def freeze(self) -> None:
        """Stop widening the range."""
        # in fp32 as in the files: pixels between -1 and 1 lie half-way between two values of their
        # range, and the rounding of the scale decides, for all of them alike, which one is taken
        self._scale = torch.tensor(max(self.high - self.low, _TINY) / _LEVELS).item()
        self._lowest = float(round(self.low / self._scale))
        self._highest = self._lowest + _LEVELS

    def forward(self, x: Tensor) -> Tensor:
        """The same tensor, changed in place once the range is frozen."""
        if self._scale is None:
            # together in one aminmax they take four times as long
            self.low, self.high = min(self.low, x.amin().item()), max(self.high, x.amax().item())
            return x
        # thirteen times as fast as torch.fake_quantize_per_tensor_affine, which allocates a mask
        x.mul_(1.0 / self._scale).round_().clamp_(self._lowest, self._highest)
        return x.mul_(self._scale)


class _Input(nn.Module):
    """The quantized image."""

    def __init__(self) -> None:
        super().__init__()
        self.quantize = Quantizer()

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; a copy."""
        return cast("Tensor", self.quantize(x.clone()))


class _Product(nn.Module):
    """A convolution or matrix product, its activation, and the quantization of what comes out."""

    def __init__(
        self,
        product: nn.Module,
        activate: Callable[[Tensor], Tensor],
        *,
        in_float: bool = False,
    ) -> None:
        super().__init__()
        self.product = product
        self.activate = activate
        # an activation that is computed in fp32 reads a quantized tensor; others are fused
        self.between = Quantizer() if in_float else None
        self.quantize = Quantizer()

    def forward(self, x: Tensor) -> Tensor:
        """As the product's."""
        x = self.product(x)
        if self.between is not None:
            x = self.between(x)
        return cast("Tensor", self.quantize(self.activate(x)))


class _SqueezeExcite(nn.Module):
    """Squeeze-excite, each of whose steps is quantized."""

    def __init__(self, block: SqueezeExcite) -> None:
        super().__init__()
        self.pooled, self.gated, self.scaled = Quantizer(), Quantizer(), Quantizer()
        self.squeeze = _Product(block.squeeze, torch.relu_)
        self.excite = _Product(block.excite, _identity)
        self.gate = block.gate

    def forward(self, x: Tensor) -> Tensor:
        """Same shape, (N, C, H, W); in place."""
        excited = self.excite(self.squeeze(self.pooled(x.mean((2, 3)))))
        gate = self.gated(self.gate(excited))
        return cast("Tensor", self.scaled(x.mul_(gate[:, :, None, None])))


class _MBConv(nn.Module):
    """An inverted residual block, each of whose steps is quantized."""

    def __init__(self, block: MBConv, *, in_float: bool) -> None:
        super().__init__()

        def activated(convolution: ConvNorm) -> _Product:
            return _Product(convolution.conv, block.activate, in_float=in_float)

        attention = block.squeeze_excite
        self.expand = activated(block.expand) if block.expand is not None else None
        self.depthwise = activated(block.depthwise)
        self.squeeze_excite = _SqueezeExcite(attention) if attention is not None else None
        self.project = _Product(block.project.conv, _identity)
        self.sum = Quantizer() if block.residual else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) to (N, O, H', W')."""
        out = x
        for step in (self.expand, self.depthwise, self.squeeze_excite, self.project):
            if step is not None:
                out = step(out)
        return out if self.sum is None else cast("Tensor", self.sum(out.add_(x)))


class _Pool(nn.Module):
    """Global average pooling, quantized."""

    def __init__(self) -> None:
        super().__init__()
        self.quantize = Quantizer()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return cast("Tensor", self.quantize(x.mean((2, 3))))


def _quantized(module: nn.Module, layer: LayerSpec) -> nn.Module:
    in_float = layer.activation == "hard_swish"
    if isinstance(module, Conv):
        return _Product(module.convolution.conv, module.activate, in_float=in_float)
    if isinstance(module, MBConv):
        return _MBConv(module, in_float=in_float)
    if isinstance(module, Linear):
        return _Product(module.linear, module.activate, in_float=in_float)
    return _Pool()


def _identity(x: Tensor) -> Tensor:
    return x
