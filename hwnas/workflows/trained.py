"""Trained weights of a run: its supernet, and networks cut from it and fine-tuned."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import nn

from hwnas import files
from hwnas.errors import HwnasWarning
from hwnas.layer_weights import LayerWeights
from hwnas.layers import LayerSpec
from hwnas.networks.folding import folded_weights
from hwnas.networks.static import build
from hwnas.progress import Progress, silent
from hwnas.protocols import architecture_layers
from hwnas.search import locked
from hwnas.search.run import FrontMember, Run
from hwnas.spaces.precision_choice import base_space
from hwnas.training import checkpoint
from hwnas.training.config import NetworkConfig
from hwnas.training.data import DataSet
from hwnas.training.evaluation import accuracy, batches_at, recalibrate
from hwnas.training.extremes import extreme_rows
from hwnas.training.fine_tune import fine_tune, largest_as_teacher
from hwnas.training.images import LabelledImages
from hwnas.training.supernet import (
    LOG_NAME,
    import_once_for_all,
    load_supernet,
    slot_layers_of,
    train_supernet,
)
from hwnas.workflows.experiment import Experiment

SUPERNET = "supernet"
_WEIGHTS = "weights.safetensors"
_SETTINGS = "weights.json"


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetwork:
    """A torch module with trained weights.

    Attributes:
        layers: What it is made of.
        module: Ready to be evaluated.
        images_seen: Images that trained its weights, repetitions counted.
    """

    layers: tuple[LayerSpec, ...]
    module: nn.Sequential
    images_seen: int

    def folded_weights(self) -> list[LayerWeights]:
        """Weights as graph writers take them, batch-norm folded."""
        return folded_weights(self.module)

    def accuracy(self, part: LabelledImages) -> float:
        """Top-1 in percent on these images."""
        return accuracy(self.module, self.layers, part)

    def inputs(self, part: LabelledImages) -> NDArray[np.float32]:
        """Images as the network takes them, shape (N, C, H, W)."""
        batches = batches_at(part, self.layers[0].resolution)
        return np.concatenate([np.ascontiguousarray(batch.numpy()) for batch in batches])

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs of the torch module, shape (N, classes)."""
        with torch.inference_mode():
            return np.asarray(self.module.eval()(torch.from_numpy(inputs)).numpy())


def trained_supernet(
    run: Run, experiment: Experiment, data: DataSet, *, on_progress: Progress = silent
) -> Path:
    """Where the run's supernet lies: trained now as far as it is not yet, read, or another run's.

    Raises:
        SpaceMismatchError: Another run was named, whose supernet is of another space.
        RunInUseError: Another process is training it.
    """
    folder = supernet_folder(run, experiment)
    if experiment.supernet_from:
        _warn_of_other_images(folder, data)
        return folder
    folder.mkdir(exist_ok=True)
    with locked(folder):
        if experiment.weights:
            import_once_for_all(base_space(run.space), Path(experiment.weights), folder)
            return folder
        train_supernet(base_space(run.space), data, experiment.supernet, folder, on_progress)
    return folder


def supernet_folder(run: Run, experiment: Experiment) -> Path:
    """Where the run's supernet lies once it is trained."""
    return Path(experiment.supernet_from or run.directory) / SUPERNET


def _warn_of_other_images(folder: Path, data: DataSet) -> None:
    """Another seed divides the same images otherwise: what is judged on may have been learned."""
    trained_on = checkpoint.read(folder / checkpoint.FILE_NAME).made_for["data"]
    if trained_on not in (None, data.fingerprint()):
        warnings.warn(
            f"The supernet in {folder.parent} was trained on other images than the training part "
            f"of {data.source} here, so it may know those that accuracy is judged on: take the "
            "data, seed and resolutions that it was trained with.",
            HwnasWarning,
            stacklevel=2,
        )


def training_log(folder: Path) -> list[dict[str, float]]:
    """What the training of the supernet in a folder logged, an entry an epoch; empty without."""
    path = folder / LOG_NAME
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def trained_network(
    run: Run,
    member: FrontMember,
    experiment: Experiment,
    data: DataSet,
    *,
    folder: Path,
    images: int,
    on_progress: Progress = silent,
) -> TrainedNetwork:
    """A network of the run, cut from its supernet and fine-tuned.

    Args:
        run: With its supernet.
        member: Which network.
        experiment: Says how it is fine-tuned.
        data: Its test part is not looked at.
        folder: Where the weights are kept; those of an earlier call with the same settings are
            used again.
        images: Of fine-tuning, repetitions counted; 0 for none.
        on_progress: Told after each step.
    """
    layers = architecture_layers(run.space, np.array(member.row))
    config = files.to_plain(experiment.fine_tune) | {"images": images}
    settings = {"genes": list(member.row), "fine_tune": config, "data": data.fingerprint()}
    if experiment.weights:
        settings["weights"] = experiment.weights
    weights = trained_supernet(run, experiment, data, on_progress=on_progress)
    seen = len(training_log(weights)) * len(data.train) + images
    kept = _kept(folder, settings, layers)
    if kept is not None:
        return TrainedNetwork(layers, kept, seen)
    supernet = load_supernet(base_space(run.space), weights)
    genes = np.array([member.row])
    module = supernet.extract(slot_layers_of(run.space, genes)[0])
    if images:
        wanted = files.parse(config, NetworkConfig, source="fine_tune")
        teacher = None
        if wanted.distillation > 0:
            largest = slot_layers_of(run.space, extreme_rows(run.space)[1][None])[0]
            teacher = largest_as_teacher(supernet, largest, data)
        module = fine_tune(module, layers, data, wanted, on_progress, teacher=teacher)
    else:
        recalibrate(module, batches_at(data.train, layers[0].resolution))
    # the first convolution of RGB images lies channels last
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    files.write_bytes(folder / _WEIGHTS, save(state))
    files.write_json(folder / _SETTINGS, settings)
    return TrainedNetwork(layers, module, seen)


def _kept(folder: Path, settings: object, layers: tuple[LayerSpec, ...]) -> nn.Sequential | None:
    """The network that was fine-tuned with these settings before, if there is one."""
    path = folder / _SETTINGS
    if not path.is_file() or files.read_json(path) != settings:
        return None
    module = build(layers)
    module.load_state_dict(load((folder / _WEIGHTS).read_bytes()))
    return module.eval()
