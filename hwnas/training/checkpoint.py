"""Checkpoints: one safetensors file with weights, optimiser state and, as JSON, what they are of.

One file, replaced atomically, so that there is no moment at which weights and state disagree.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hwnas import files
from hwnas.errors import FileFormatError

FILE_NAME = "supernet.safetensors"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Training as it stood after an epoch.

    Attributes:
        made_for: What must be the same to go on: space, configuration, data.
        epochs: How many are done.
        history: The log's records.
        tensors: ``weights.*`` and ``optimizer.*``; ``average.*`` and ``average_steps`` where a
            moving average of the weights is kept; ``statistics.*`` of batch-norms where weights
            were not trained here and came with them.
    """

    made_for: Mapping[str, Any]
    epochs: int
    history: tuple[Mapping[str, float], ...]
    tensors: Mapping[str, Tensor]


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint file.

    Raises:
        StorageError: It could not be written; the one before is untouched.
    """
    state = {
        "version": _VERSION,
        "made_for": checkpoint.made_for,
        "epochs": checkpoint.epochs,
        "history": checkpoint.history,
    }
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    # a single metadata key: the order of several would differ from run to run
    files.write_bytes(path, save(tensors, metadata={"hwnas": json.dumps(state, sort_keys=True)}))


def read(path: Path) -> Checkpoint:
    """A checkpoint that `write` wrote.

    Raises:
        FileFormatError: The file cannot be read, or is no checkpoint of this version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = json.loads(metadata.get("hwnas", "{}"))
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise FileFormatError(
            f"{path} is not a readable checkpoint ({error}): delete it to train again."
        ) from error
    if state.get("version") != _VERSION:
        raise FileFormatError(
            f"{path} has checkpoint version {state.get('version')}; expected {_VERSION}: delete "
            "it to train again."
        )
    return Checkpoint(state["made_for"], state["epochs"], tuple(state["history"]), tensors)


def tensors_of(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and optimiser state by name."""
    tensors = {f"weights.{name}": weight.detach() for name, weight in module.named_parameters()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    return tensors


def restore_weights(
    module: nn.Module, tensors: Mapping[str, Tensor], *, kind: str = "weights"
) -> None:
    """Copy weights, or their average, into a module; names and shapes must be its own."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(tensors[f"{kind}.{name}"])


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put an optimiser's state back."""
    state: dict[int, dict[str, Tensor]] = {}
    for full_name, tensor in tensors.items():
        kind, _, rest = full_name.partition(".")
        if kind == "optimizer":
            index, _, name = rest.partition(".")
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
