"""Training of a supernet: the sandwich rule with in-place distillation.

Yu et al. 2020 (BigNAS), section 3: each step trains the largest network on the labels, and the
smallest and some random networks on the largest one's probabilities.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwnas import files
from hwnas.errors import SpaceMismatchError
from hwnas.networks import once_for_all
from hwnas.networks.supernet import Supernet
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace
from hwnas.training import checkpoint
from hwnas.training.checkpoint import Checkpoint
from hwnas.training.config import SupernetConfig
from hwnas.training.data import DataSet
from hwnas.training.distributed import compute_device, joined
from hwnas.training.recipe import torch_threads
from hwnas.training.supernet_steps import SupernetSteps, TrainingState
from hwnas.training.weight_sharing import create_supernet as create_supernet
from hwnas.training.weight_sharing import slot_layers_of as slot_layers_of

LOG_NAME = "training.jsonl"


def train_supernet(
    space: SearchSpace,
    data: DataSet,
    config: SupernetConfig,
    directory: Path,
    on_progress: Progress = silent,
) -> Supernet:
    """A trained supernet; goes on from the checkpoint when the directory holds one.

    Everything random follows from the seed and the epoch, so on a CPU a training that was
    interrupted ends with the weights of one that was not, at the same number of torch threads.
    Processes that torchrun started train together.

    Args:
        space: Its resolution and channels must be those of the data.
        data: Trains on its training part; the test part is not looked at.
        config: How long, and how.
        directory: Where the checkpoint and the log (JSON lines, one an evaluated epoch) lie.
        on_progress: Told after each step.

    Raises:
        SpaceMismatchError: The directory's checkpoint is of another space, configuration or
            data set; or the data do not fit the space.
        InputError: There is no such device, or too few images a batch for the processes.
        StorageError: A checkpoint cannot be written; the one before is kept.
    """
    _check_fit(space, data)
    path = directory / checkpoint.FILE_NAME
    made_for = _made_for(space, data, config)
    device = compute_device(config.device)
    with (
        joined(device, config.recipe.batch_size) as group,
        torch_threads(config.recipe.threads),
    ):
        state = TrainingState(space, config, device)
        if path.is_file():
            saved = checkpoint.read(path)
            _check_same(_with_defaults(saved.made_for), made_for, path)
            state.restore(saved)
            if group.rank == 0:
                # the process may have died between checkpoint and log
                _write_log(directory / LOG_NAME, state.history)
        group.wait()
        steps = SupernetSteps(space, data, config, state, group, on_progress)
        for epoch in range(state.epochs, config.epochs):
            record = steps.run_epoch(epoch)
            state.epochs, state.history = epoch + 1, [*state.history, record]
            if group.rank == 0:
                checkpoint.write(path, state.checkpoint(made_for))
                _write_log(directory / LOG_NAME, state.history)
        group.wait()
    return state.result()


def import_once_for_all(space: SearchSpace, file: Path, directory: Path) -> None:
    """Lay a published supernet of Once-for-All into a directory, as if it had been trained there.

    Args:
        space: ``ofa_mbv3_w1.0`` or ``ofa_mbv3_w1.2``, with 1,000 classes and RGB images.
        file: As `hwnas.networks.once_for_all.read` takes it.
        directory: Where the checkpoint is written.

    Raises:
        FileFormatError: The file is no such supernet.
        SpaceMismatchError: It is of another space.
    """
    path = directory / checkpoint.FILE_NAME
    made_for = {
        "space": files.digest(space.definition()),
        "config": None,
        "data": None,
        "weights": once_for_all.fingerprint(file),
    }
    if path.is_file() and checkpoint.read(path).made_for == made_for:
        return
    read = once_for_all.read(file, space.slot_layers)
    tensors = {f"weights.{name}": w.detach() for name, w in read.supernet.named_parameters()}
    tensors |= {f"statistics.{name}": tensor for name, tensor in read.statistics.items()}
    checkpoint.write(path, Checkpoint(made_for, 0, (), tensors))


def load_supernet(space: SearchSpace, directory: Path) -> Supernet:
    """The supernet that a training left in a directory: the average of its weights, if it kept one.

    Raises:
        FileFormatError: There is no readable checkpoint.
        SpaceMismatchError: It is of another space.
    """
    path = directory / checkpoint.FILE_NAME
    saved = checkpoint.read(path)
    _check_same(
        {"space": saved.made_for["space"]}, {"space": files.digest(space.definition())}, path
    )
    transforms = any(".transforms." in name for name in saved.tensors)
    supernet = create_supernet(space, 0, kernel_transforms=transforms)
    averaged = any(name.startswith("average.") for name in saved.tensors)
    checkpoint.restore_weights(supernet, saved.tensors, kind="average" if averaged else "weights")
    return supernet


def _write_log(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    lines = (json.dumps(record, sort_keys=True) + "\n" for record in history)
    files.write_text(path, "".join(lines))


def _check_fit(space: SearchSpace, data: DataSet) -> None:
    """Refuse data of which the space's first or last layer cannot be made."""
    first, last = space.slot_layers[0], space.slot_layers[-1]
    wanted = (first.in_channels, last.out_channels, first.resolution)
    given = (data.in_channels, len(data.classes), data.resolution)
    if given != wanted:
        raise SpaceMismatchError(
            f"Space {space.name} is for {wanted[0]} channels, {wanted[1]} classes and "
            f"{wanted[2]} px; {data.source} has {given[0]}, {given[1]} and {given[2]}: load both "
            "with the same."
        )


def _made_for(space: SearchSpace, data: DataSet, config: SupernetConfig) -> dict[str, Any]:
    return {
        "space": files.digest(space.definition()),
        "config": _as_read_back(config),
        "data": data.fingerprint(),
    }


def _as_read_back(config: SupernetConfig) -> Any:
    return json.loads(json.dumps(files.to_plain(config)))


def _with_defaults(made_for: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint was made for, of a time when there were fewer settings too."""
    config = made_for["config"]
    if config is not None:
        config = _as_read_back(files.parse(config, SupernetConfig, source="checkpoint"))
    return {**made_for, "config": config}


def _check_same(saved: Any, wanted: Any, path: Path) -> None:
    for what, value in wanted.items():
        if saved.get(what) != value:
            raise SpaceMismatchError(
                f"{path} was made for another {_MEANING[what]}: choose another directory, or "
                "delete the file to train again."
            )


_MEANING = {"space": "search space", "config": "training configuration", "data": "data set"}
