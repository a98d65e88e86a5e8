"""Once-for-All's published MobileNetV3 supernets (Cai et al., ICLR 2020), read into ours.

Their files are torch state dicts, of which two namings are about; both are read. Their images
are normalised by ImageNet's means and deviations, ours to -1 to 1: the first convolution takes
in the difference. That is exact but for the outermost pixels, where padding now stands for grey
instead of ImageNet's mean colour.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # only the name of what torch raises

import torch
from torch import Tensor, nn

from hwnas.errors import FileFormatError, SpaceMismatchError
from hwnas.layers import LayerSpec
from hwnas.networks.pixels import channels_last
from hwnas.networks.slots import transform_name
from hwnas.networks.supernet import Supernet

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_STEM = "0.convolution"
_STATISTICS = ("running_mean", "running_var")

_CONV = {"conv.weight": "conv.weight"}
_NORM = {"norm.weight": "bn.weight", "norm.bias": "bn.bias"}
_MBCONV = {"expand": "inverted_bottleneck", "depthwise": "depth_conv", "project": "point_linear"}
_SQUEEZE = {"squeeze": "reduce", "excite": "expand"}


@dataclass(frozen=True, slots=True, eq=False)
class OnceForAll:
    """A supernet with Once-for-All's weights.

    Attributes:
        supernet: Ours, with kernel transformations.
        statistics: Running means and variances of the largest network's batch-norms, by slot
            and name such as ``2.depthwise.norm.running_mean``.
    """

    supernet: Supernet
    statistics: Mapping[str, Tensor]

    def extract(self, layers: Sequence[LayerSpec]) -> nn.Sequential:
        """One network whose batch-norm statistics are the first ones of the largest network's.

        That is how their own code leaves a network before `set_running_statistics`, and far
        from its accuracy: recalibrate it on images.

        Args:
            layers: One for each slot; empty ones are skipped.
        """
        network = self.supernet.extract(layers)
        present = [slot for slot, layer in enumerate(layers) if layer.kind != "empty"]
        with torch.no_grad():
            for position, slot in enumerate(present):
                for name, buffer in network[position].named_buffers():
                    if name.endswith(_STATISTICS):
                        buffer.copy_(self.statistics[f"{slot}.{name}"][: len(buffer)])
        return network.eval()


def read(path: Path, slot_layers: Sequence[LayerSpec], *, their_pixels: bool = False) -> OnceForAll:
    """A published supernet.

    Args:
        path: A file such as ``ofa_mbv3_d234_e346_k357_w1.0``.
        slot_layers: Of the space ``ofa_mbv3_w1.0`` or ``ofa_mbv3_w1.2``.
        their_pixels: Leave the first convolution as it is, for images normalised as theirs.

    Raises:
        FileFormatError: The file is no state dict, or not of such a supernet.
        SpaceMismatchError: It is of another variant, as of another width.
    """
    state = _state(path)
    supernet = Supernet(slot_layers, kernel_transforms=True)
    weights = dict(supernet.named_parameters())
    statistics: dict[str, Tensor] = {}
    for ours, theirs in _names(slot_layers):
        tensor = _tensor(state, theirs, path)
        slot, _, name = ours.partition(".")
        if name.endswith(_STATISTICS):
            statistics[ours] = tensor.clone()
        else:
            inner = name if name.startswith("transforms.") else f"largest.{name}"
            _fill(weights.pop(f"slots.{slot}.{inner}"), tensor, f"{path} is of another variant "
                  f"than the space: its {theirs}")  # fmt: skip
    assert not weights, f"no names for {sorted(weights)}"
    read_in = OnceForAll(channels_last(supernet), statistics)
    if not their_pixels:
        _take_our_pixels(read_in)
    return read_in


def _fill(weight: Tensor, tensor: Tensor, what: str) -> None:
    # their fully connected layers are 1x1 convolutions
    wanted = weight.shape if tensor.ndim == weight.ndim else (*weight.shape, 1, 1)
    if tensor.shape != wanted:
        raise SpaceMismatchError(
            f"{what} has shape {tuple(tensor.shape)}, where the space needs {tuple(wanted)}. Use "
            "the space of the file's width: ofa_mbv3_w1.0 or ofa_mbv3_w1.2."
        )
    with torch.no_grad():
        weight.copy_(tensor.reshape(weight.shape))


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; FileFormatError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be read ({error.strerror}); expected a published supernet of "
            "Once-for-All, such as ofa_mbv3_d234_e346_k357_w1.0."
        ) from error


def _state(path: Path) -> dict[str, Tensor]:
    """Tensors by their names without wrappers' parts."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(
            f"{path} cannot be read as a torch file of weights ({reason}); expected a published "
            "supernet of Once-for-All, such as ofa_mbv3_d234_e346_k357_w1.0."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise FileFormatError(f"{path} holds no state dict; expected names with tensors.")
    return {_plain(name): tensor for name, tensor in state.items()}


def _plain(name: str) -> str:
    name = name.removeprefix("module.").replace(".mobile_inverted_conv.", ".conv.")
    return re.sub(r"\.(conv|bn|linear)\.\1\.", r".\1.", name)


def _tensor(state: Mapping[str, Tensor], name: str, path: Path) -> Tensor:
    if name not in state:
        raise FileFormatError(
            f"{path} has no {name}; expected a MobileNetV3 supernet of Once-for-All with elastic "
            "depth, width and kernel, such as ofa_mbv3_d234_e346_k357_w1.0."
        )
    return state[name]


def _names(slot_layers: Sequence[LayerSpec]) -> Iterator[tuple[str, str]]:
    """For each of our tensors, slot first, the name of theirs."""
    block = 0
    outer = iter(("first_conv", "final_expand_layer"))
    linear = iter(("feature_mix_layer.conv", "classifier.linear"))
    for slot, layer in enumerate(slot_layers):
        if layer.kind == "conv":
            yield from _normed(f"{slot}.convolution", next(outer))
        elif layer.kind == "linear":
            name = next(linear)
            yield f"{slot}.linear.weight", f"{name}.weight"
            if layer.bias:
                yield f"{slot}.linear.bias", f"{name}.bias"
        elif layer.kind == "mbconv":
            yield from _block(slot, layer, f"blocks.{block}.conv")
            block += 1


def _block(slot: int, layer: LayerSpec, theirs: str) -> Iterator[tuple[str, str]]:
    for ours, name in _MBCONV.items():
        if ours != "expand" or layer.expands:
            yield from _normed(f"{slot}.{ours}", f"{theirs}.{name}")
    for ours, name in _SQUEEZE.items() if layer.se_channels else ():
        for kind in ("weight", "bias"):
            yield (
                f"{slot}.squeeze_excite.{ours}.{kind}",
                f"{theirs}.depth_conv.se.fc.{name}.{kind}",
            )
    for size in range(layer.kernel_size, 3, -2):
        matrix = transform_name(size)
        yield f"{slot}.transforms.{matrix}", f"{theirs}.depth_conv.conv.{matrix}_matrix"


def _normed(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    statistics = {f"norm.{kind}": f"bn.{kind}" for kind in _STATISTICS}
    for name, other in (_CONV | _NORM | statistics).items():
        yield f"{ours}.{name}", f"{theirs}.{other}"


def _take_our_pixels(read_in: OnceForAll) -> None:
    """Theirs is ours times 0.5 / std plus (0.5 - mean) / std, which batch-norm can take in."""
    mean, std = torch.tensor(_MEAN)[:, None, None], torch.tensor(_STD)[:, None, None]
    weight = read_in.supernet.get_parameter("slots.0.largest.convolution.conv.weight")
    with torch.no_grad():
        constant = (weight * ((0.5 - mean) / std)).sum((1, 2, 3))
        read_in.statistics[f"{_STEM}.norm.running_mean"].sub_(constant)
        weight.mul_(0.5 / std)
