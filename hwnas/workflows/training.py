"""Training of a supernet by itself, for the searches that then use it."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from hwnas.errors import InputError, StorageError
from hwnas.progress import Progress, silent
from hwnas.search import locked
from hwnas.training.distributed import compute_device, first_process
from hwnas.training.supernet import train_supernet
from hwnas.workflows.experiment import BY_SUPERNET, Experiment
from hwnas.workflows.setting import load_images, space_for
from hwnas.workflows.trained import SUPERNET, training_log


@dataclass(frozen=True, slots=True)
class Training:
    """A finished training.

    Attributes:
        directory: What a search is given as ``supernet_from``.
        log: An entry an epoch: ``epoch`` from 1, ``loss`` of the largest network, and after some
            of them ``largest_accuracy`` and ``smallest_accuracy``, validation top-1 in percent.
    """

    directory: Path
    log: tuple[Mapping[str, float], ...]


def train(
    experiment: Experiment, directory: str | Path, *, on_progress: Progress = silent
) -> Training:
    """Train an experiment's supernet, or go on training it, without a search.

    Processes that torchrun started train together; the first of them alone writes, and tells how
    far it is.

    Args:
        experiment: Its space, data, seed and ``supernet`` are looked at; its device need not be
            known here.
        directory: Where the supernet is put. That of a run, begun or not, trains the supernet that
            the run would train.
        on_progress: Told after each step.

    Raises:
        InputError: A name, file or value of the experiment is wrong, it trains no supernet, or
            there is no such device to compute on.
        SpaceMismatchError: The directory's supernet is of another space, configuration or data.
        RunInUseError: Another process is training it.
        StorageError: The directory cannot be written; the last checkpoint is kept.
    """
    _check_trains(experiment)
    compute_device(experiment.supernet.device)  # before images are read, which may take minutes
    data = load_images(space_for(experiment.space), experiment.data, experiment.seed)
    if data is None:
        raise InputError(
            "A supernet learns from images: name them with --data or, in the experiment's file, "
            "data.source."
        )
    space = space_for(experiment.space, data)
    folder, first = Path(directory) / SUPERNET, first_process()
    if first:
        _make(folder)
    with locked(folder) if first else nullcontext():
        train_supernet(space, data, experiment.supernet, folder, on_progress if first else silent)
    return Training(Path(directory), tuple(training_log(folder)))


def _check_trains(experiment: Experiment) -> None:
    elsewhere = {
        "weights": experiment.weights,
        "supernet_from": experiment.supernet_from,
        "accuracy": "" if experiment.accuracy == BY_SUPERNET else experiment.accuracy,
    }
    for key, value in elsewhere.items():
        if value:
            raise InputError(
                f"The experiment's {key} is {value!r}, with which there is no supernet to train; "
                "leave it out."
            )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}.") from error
