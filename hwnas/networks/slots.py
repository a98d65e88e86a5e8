"""A slot of a supernet: its largest layer's weights, and how smaller layers are cut from them."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hwnas.layers import LayerSpec
from hwnas.networks.blocks import build_layer

_KERNEL = "depthwise.conv.weight"
_SMALLEST_KERNEL = 3


class Slot(nn.Module):
    """The weights of one slot's largest layer, from which its other layers are cut.

    Args:
        largest: The layer.
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


class KernelTransformSlot(Slot):
    """Smaller depthwise kernels are learned linear functions of larger ones' centres.

    Cai et al. 2020 (Once-for-All), section 3.3: the centre of a 7x7 kernel times a 25x25 matrix
    is the 5x5 kernel, whose centre times a 9x9 matrix is the 3x3 one; all channels of a slot
    share the matrices, which begin as identities.

    Args:
        largest: The layer; one without a depthwise kernel beyond 3x3 has no matrices.
    """

    def __init__(self, largest: LayerSpec) -> None:
        super().__init__(largest)
        sizes = range(largest.kernel_size, _SMALLEST_KERNEL, -2) if largest.kind == "mbconv" else ()
        self.transforms = nn.ParameterDict(
            {transform_name(size): nn.Parameter(torch.eye((size - 2) ** 2)) for size in sizes}
        )

    def weights(self, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
        """As `Slot.weights`, smaller kernels transformed."""
        weights = super().weights(shapes)
        if _KERNEL in shapes:
            weights[_KERNEL] = self._kernel(shapes[_KERNEL])
        return weights

    def _kernel(self, shape: torch.Size) -> Tensor:
        full = self.largest.get_parameter(_KERNEL)
        kernel = full[: shape[0]]
        for size in range(full.shape[-1], shape[-1], -2):
            centre = kernel[..., 1:-1, 1:-1].reshape(shape[0], -1)
            smaller = functional.linear(centre, self.transforms[transform_name(size)])
            kernel = smaller.view(shape[0], 1, size - 2, size - 2)
        return kernel


def transform_name(size: int) -> str:
    """Name of the matrix that makes the next smaller kernel from one of this size."""
    return f"{size}to{size - 2}"


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
