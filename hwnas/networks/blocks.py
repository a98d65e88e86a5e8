"""One torch module for each kind of layer; all of them take a whole batch, NCHW or (N, C)."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hwnas.layers import Activation, Gate, LayerSpec

NORM_EPS = 1e-5


def build_layer(layer: LayerSpec, *, statistics: bool = True) -> nn.Module:
    """A layer as a module with fresh weights.

    Args:
        layer: Of any kind but ``empty``.
        statistics: Whether batch-norms keep running statistics. Without them they normalise
            by the batch at hand, always: a supernet's weights serve too many networks to share
            statistics.
    """
    if layer.kind == "conv":
        return Conv(layer, statistics=statistics)
    if layer.kind == "mbconv":
        return MBConv(layer, statistics=statistics)
    if layer.kind == "pool":
        return Pool()
    if layer.kind == "linear":
        return Linear(layer)
    raise ValueError(f"A layer of kind {layer.kind!r} has no module.")


class ConvNorm(nn.Module):
    """A convolution without bias, and its batch-norm."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        statistics: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        )
        self.norm: nn.Module = nn.BatchNorm2d(
            out_channels, eps=NORM_EPS, track_running_stats=statistics
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) to (N, O, H', W')."""
        return cast("Tensor", self.norm(self._convolved(x)))

    def _convolved(self, x: Tensor) -> Tensor:
        """The convolution, without the weights that meet nothing but padding.

        On an image of few pixels torch's kernels spend up to 200 times as long on those.
        """
        conv = self.conv
        reach = conv.kernel_size[0] // 2
        needed = min(reach, max(x.shape[-2:]) - 1)
        if needed == reach:
            return cast("Tensor", conv(x))
        used = slice(reach - needed, reach + needed + 1)
        weight = conv.weight[:, :, used, used]
        return functional.conv2d(x, weight, conv.bias, conv.stride, needed, 1, conv.groups)


class Conv(nn.Module):
    """Convolution, batch-norm, activation."""

    def __init__(self, layer: LayerSpec, *, statistics: bool = True) -> None:
        super().__init__()
        self.convolution = ConvNorm(
            layer.in_channels,
            layer.out_channels,
            kernel_size=layer.kernel_size,
            stride=layer.stride,
            statistics=statistics,
        )
        self.activate = _ACTIVATIONS[layer.activation]

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) to (N, O, H', W')."""
        return self.activate(self.convolution(x))


class SqueezeExcite(nn.Module):
    """Channels scaled by a gate that sees the mean of all channels."""

    def __init__(self, channels: int, squeezed: int, gate: Gate) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, squeezed)
        self.excite = nn.Linear(squeezed, channels)
        self.gate = _GATES[gate]

    def forward(self, x: Tensor) -> Tensor:
        """Same shape, (N, C, H, W)."""
        scale = _relu(self.squeeze(x.mean((2, 3))))
        return x * self.gate(self.excite(scale))[:, :, None, None]


class MBConv(nn.Module):
    """Inverted residual block; ``expand`` and ``squeeze_excite`` are None where left out."""

    def __init__(self, layer: LayerSpec, *, statistics: bool = True) -> None:
        super().__init__()
        hidden = layer.hidden_channels
        self.expand = (
            ConvNorm(layer.in_channels, hidden, statistics=statistics) if layer.expands else None
        )
        self.depthwise = ConvNorm(
            hidden,
            hidden,
            kernel_size=layer.kernel_size,
            stride=layer.stride,
            groups=hidden,
            statistics=statistics,
        )
        self.squeeze_excite = (
            SqueezeExcite(hidden, layer.se_channels, layer.gate) if layer.se_channels else None
        )
        self.project = ConvNorm(hidden, layer.out_channels, statistics=statistics)
        self.residual = layer.residual
        self.activate = _ACTIVATIONS[layer.activation]

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) to (N, O, H', W')."""
        out: Tensor = x
        if self.expand is not None:
            out = self.activate(self.expand(out))
        out = self.activate(self.depthwise(out))
        if self.squeeze_excite is not None:
            out = self.squeeze_excite(out)
        out = self.project(out)
        return out.add_(x) if self.residual else out


class Pool(nn.Module):
    """Global average pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return x.mean((2, 3))


class Linear(nn.Module):
    """Matrix product, optional bias, activation."""

    def __init__(self, layer: LayerSpec) -> None:
        super().__init__()
        self.linear = nn.Linear(layer.in_channels, layer.out_channels, bias=layer.bias)
        self.activate = _ACTIVATIONS[layer.activation]

    def forward(self, x: Tensor) -> Tensor:
        """(N, I) to (N, O)."""
        return self.activate(cast("Tensor", self.linear(x)))


# In place, because fresh memory costs more than the arithmetic: batch-norm and convolutions do not
# need their output for their gradient.


def _identity(x: Tensor) -> Tensor:
    return x


def _relu(x: Tensor) -> Tensor:
    return functional.relu(x, inplace=True)


def _relu6(x: Tensor) -> Tensor:
    return functional.relu6(x, inplace=True)


def _hard_swish(x: Tensor) -> Tensor:
    # its gradient needs its input
    return functional.hardswish(x, inplace=not torch.is_grad_enabled())


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "none": _identity,
    "relu": _relu,
    "relu6": _relu6,
    "hard_swish": _hard_swish,
}

_GATES: dict[Gate, Callable[[Tensor], Tensor]] = {
    "hard_sigmoid": functional.hardsigmoid,
    "sigmoid": torch.sigmoid,
}
