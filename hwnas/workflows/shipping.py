"""Shipping: a picked network becomes files, and each file is checked, judged and timed."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwnas import files, plugins
from hwnas.catalog import IntArray
from hwnas.errors import HwnasError, HwnasWarning, InputError
from hwnas.latency_table import LatencyTable
from hwnas.layers import LayerSpec
from hwnas.problem import split_device
from hwnas.progress import Progress, silent
from hwnas.protocols import architecture_layers
from hwnas.search import pick as pick_member
from hwnas.search.run import FrontMember, Run, versions
from hwnas.spaces.precision_choice import base_space
from hwnas.training.data import DataSet
from hwnas.training.evaluation import recalibration_part
from hwnas.workflows.experiment import BY_SUPERNET, Experiment
from hwnas.workflows.model_card import EXPORT, ModelCard, write_card
from hwnas.workflows.population_costs import costs
from hwnas.workflows.profiling import measure
from hwnas.workflows.quantities import ACCURACY, other_experiments
from hwnas.workflows.runs import experiment_of, load_run, member_precision
from hwnas.workflows.setting import prepare
from hwnas.workflows.trained import TrainedNetwork, trained_network
from hwnas.workflows.variants import Variant, rehearse, table_beside, variants

PARITY_TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}
"""Largest difference from torch, relative to the largest output. What int8 loses is not an error:
its accuracy is counted instead."""

NORMALISATION = "pixels of 0 to 255 become (pixel - 127.5) / 127.5"

_PARITY_IMAGES = 64
_NOTABLE_LOSS = 2.0  # points of accuracy


def export(
    directory: str | Path,
    pick: str = "",
    *,
    formats: Sequence[str] = (),
    precisions: Sequence[str] = (),
    images: int | None = None,
    calibration_images: int | None = None,
    weights: str | Path = "",
    data: str | Path = "",
    on_progress: Progress = silent,
) -> tuple[ModelCard, ...]:
    """Fine-tune a network of a run once, and write it as model files, each with its card.

    The files go to ``RUN/export/ID``: one for each format at each precision. Before anything is
    trained, each is made and run with random weights. Each is checked by its format's own checker
    and against torch, its accuracy is counted on the test part by its runtime, and its latency is
    measured on the device. Trained weights that lie there from an earlier call with the same
    settings are used again.

    Args:
        directory: Of the run.
        pick: ``knee``, ``accuracy``, an id, or budgets; empty for what the experiment says.
        formats: File names in ``hwnas/graphs``; empty for what the experiment says.
        precisions: Of weights and activations; empty for what the experiment says, which is the
            one that the network was searched at when it says nothing.
        images: Of fine-tuning, repetitions counted; 0 for none, None for what the experiment
            says.
        calibration_images: Of the training part, that show an int8 file its ranges; None for what
            the experiment says.
        weights: A published supernet of Once-for-All, for a run of one of its spaces that
            trained none; not fine-tuned then unless ``images`` says so.
        data: Images of ImageNet's 1,000 classes, in folders or ``.npz``, for such weights: they
            recalibrate batch-norm, and a part of them counts the accuracy.
        on_progress: Told how far it is.

    Returns:
        A card for each file; first, where it is among them, the one in the format and precision
        that the network was searched for.

    Raises:
        InputError: The pick means no network, the run has no images to train on, or a runtime
            cannot run the network.
        ExtraMissingError: A package that writes a format is not installed.
        RuntimeMissingError: The device or a runtime lacks a precision.
        HwnasError: A file's outputs are not those of the network.
    """
    run = load_run(directory)
    experiment = experiment_of(run)
    asked = experiment.export
    member = pick_member(run, pick or asked.pick)
    if weights:
        experiment = _with_weights(experiment, weights, data)
        images = images or 0
    if experiment.accuracy != BY_SUPERNET:
        raise InputError(
            f"{run.directory} was searched with predicted accuracies, so nothing was trained and "
            "its networks have no weights to export; front.csv holds their architectures. Give "
            "Once-for-All's with --weights and images with --data, or search with --data to train."
        )
    if not experiment.data.source:
        raise InputError(
            f"{run.directory} was searched without images, so its networks have no weights; "
            "search with --data to export one."
        )
    wanted = variants(
        experiment.device, formats=formats or asked.formats,
        precisions=precisions or asked.precisions, own=member_precision(run, member),
    )  # fmt: skip
    rehearse(wanted, architecture_layers(run.space, np.array(member.row)))
    tables = [table_beside(run, variant.runtime, variant.precision) for variant in wanted]
    shipment = _shipment(
        run, experiment, member, on_progress=on_progress,
        images=experiment.fine_tune.images if images is None else images,
        calibration_images=calibration_images or asked.calibration_images,
    )  # fmt: skip
    cards = []
    for variant, table in zip(wanted, tables, strict=True):
        file = shipment.write(variant)
        card = shipment.judge(variant, file, table, on_progress=on_progress)
        write_card(card)
        _warn_of_loss(card)
        cards.append(card)
    return tuple(cards)


def _with_weights(experiment: Experiment, weights: str | Path, data: str | Path) -> Experiment:
    """The experiment as if it had been searched with a published supernet and images."""
    if experiment.data.source and not experiment.weights:
        raise InputError("The run has a trained supernet of its own; leave --weights out.")
    source = str(data) or experiment.data.source
    if not source:
        raise InputError(
            "Published weights need images of ImageNet, to recalibrate batch-norm of the network "
            "that is cut from them: name a folder with one folder for each class with --data."
        )
    return replace(
        experiment,
        weights=str(Path(weights).absolute()),
        data=replace(experiment.data, source=str(Path(source).absolute())),
        accuracy=BY_SUPERNET,
        supernet_from="",
    )


def _shipment(
    run: Run,
    experiment: Experiment,
    member: FrontMember,
    *,
    images: int,
    calibration_images: int,
    on_progress: Progress,
) -> "_Shipment":
    """The network trained, and what its files are made from and judged by."""
    data = prepare(experiment, run.space).data
    assert data is not None  # the experiment names some
    network = trained_network(
        run, member, experiment, data, folder=run.directory / EXPORT / member.id, images=images,
        on_progress=on_progress,
    )  # fmt: skip
    inputs = network.inputs(data.test)
    return _Shipment(
        run=run,
        experiment=experiment,
        member=member,
        data=data,
        network=network,
        calibration=network.inputs(recalibration_part(data.train, calibration_images)),
        inputs=inputs,
        logits=network.logits(inputs[:_PARITY_IMAGES]),
        accuracy=network.accuracy(data.test),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Shipment:
    """What all files of one network are made from and judged by.

    Attributes:
        run: It comes from.
        experiment: Of the run.
        member: Which network.
        data: Whose test part is looked at now.
        network: Trained.
        calibration: Images of the training part as the network takes them.
        inputs: Those of the test part, all of them.
        logits: Of the torch module for the first of them.
        accuracy: Of the torch module on the test part.
    """

    run: Run
    experiment: Experiment
    member: FrontMember
    data: DataSet
    network: TrainedNetwork
    calibration: NDArray[np.float32]
    inputs: NDArray[np.float32]
    logits: NDArray[np.float32]
    accuracy: float

    def write(self, variant: Variant) -> Path:
        """Write a file; returns where."""
        weights = self.network.folded_weights()
        content = variant.lower(self.network.layers, weights, self.calibration)
        file = self.run.directory / EXPORT / self.member.id / variant.file_name
        files.write_bytes(file, content)
        return file

    def judge(
        self, variant: Variant, file: Path, table: LatencyTable | None, *, on_progress: Progress
    ) -> ModelCard:
        """What a file itself does: parity with torch, accuracy on test images, latency."""
        outputs = variant.outputs(file, self.inputs)
        parity = _relative_difference(outputs[: len(self.logits)], self.logits)
        _check_parity(file, variant.precision, parity)
        target, member = self.experiment.device, self.member

        def progress(task: str, done: float, total: float, note: str = "") -> None:
            on_progress(f"{task} {file.name}", done, total, note)

        latency = measure(
            file, device=target.name, runtime=variant.runtime, threads=target.threads,
            table=table, on_progress=progress,
        )  # fmt: skip
        runtime = plugins.load("hwnas.runtimes", variant.runtime, what="runtime")
        searched = variant.precision == member_precision(self.run, member)
        _, channels, *size = self.inputs.shape
        one = (1, channels, *size) if variant.layout == "NCHW" else (1, *size, channels)
        return ModelCard(
            id=member.id,
            file=file,
            format=variant.format,
            precision=variant.precision,
            space=self.run.space.name,
            architecture=base_space(self.run.space).describe(self._genes),
            input_shape=one,
            layout=variant.layout,
            normalisation=NORMALISATION,
            classes=self.data.classes,
            data=self.data.source,
            images_seen=self.network.images_seen,
            calibration_images=len(self.calibration) if variant.precision == "int8" else 0,
            accuracy_predicted=member.values.get(ACCURACY) if searched else None,
            accuracy_fine_tuned=self.accuracy,
            accuracy_file=100.0 * float((outputs.argmax(axis=1) == self.data.test.labels).mean()),
            parity=parity,
            device=target.name,
            runtime=variant.runtime,
            runtime_version=runtime.version(),
            threads=target.threads,
            latency_predicted_ms=_predicted_ms(table, self.network.layers),
            latency_measured_ms=latency.median_ms,
            latency_drift=latency.drift if table else None,
            latency_repeatability=latency.repeatability,
            file_bytes=file.stat().st_size,
            costs=self._costs(variant.precision) | self._elsewhere(variant),
            versions=versions(),
        )

    @property
    def _genes(self) -> IntArray:
        """Without the precision's: a file has a precision of its own."""
        return np.array(self.member.row)[-len(base_space(self.run.space).cardinalities) :]

    def _elsewhere(self, variant: Variant) -> dict[str, float]:
        """Of the search's predictions for other devices, those that are for such a file."""
        if variant.precision != member_precision(self.run, self.member):
            return {}
        others = other_experiments(self.experiment)
        runtimes = {device: other.device.runtime for device, other in others.items()}
        return {
            name: value
            for name, value in {**self.member.values, **self.member.predicted}.items()
            if runtimes.get(split_device(name)[1]) == variant.runtime
        }

    def _costs(self, precision: str) -> dict[str, float]:
        """What follows from the layers at a file's precision."""
        device = self.experiment.device.name
        computed = costs(
            base_space(self.run.space), self._genes, device=device, precision=precision
        )
        return {name: float(values[0]) for name, values in computed.items()}


def _check_parity(file: Path, precision: str, parity: float) -> None:
    tolerance = PARITY_TOLERANCE.get(precision, np.inf)
    if not parity <= tolerance:  # which NaN is not either
        raise HwnasError(
            f"{file} gives outputs that differ by {parity:.1e} of the largest from the network it "
            f"was made from; expected at most {tolerance:.0e}. Do not ship it; please report this."
        )


def _relative_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _predicted_ms(table: LatencyTable | None, layers: Sequence[LayerSpec]) -> float | None:
    """None also when the table lacks a layer: it may have been measured for fewer."""
    if table is None or not {*layers} <= {*table.cost_ms}:
        return None
    return table.network_ms(layers)


def _warn_of_loss(card: ModelCard) -> None:
    if card.precision != "fp32" and card.points_lost > _NOTABLE_LOSS:
        warnings.warn(
            f"{card.file.name} loses {card.points_lost:.1f} points of accuracy to "
            f"{card.precision} ({card.accuracy_file:.2f} % after {card.accuracy_fine_tuned:.2f} "
            "%); try more calibration images, a space with relu in place of hard_swish, or a "
            f"search with --precision {card.precision}, which judges each network at it.",
            HwnasWarning,
            stacklevel=3,
        )
