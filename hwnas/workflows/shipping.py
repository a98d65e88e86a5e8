"""Shipping: a picked network becomes a file, and the file is checked, judged and timed."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwnas import files, plugins
from hwnas.errors import HwnasError, InputError
from hwnas.progress import Progress, silent
from hwnas.search import pick as pick_member
from hwnas.search.run import FrontMember, Run, versions
from hwnas.training.data import DataSet
from hwnas.workflows.experiment import Experiment
from hwnas.workflows.model_card import EXPORT, ModelCard, write_card
from hwnas.workflows.profiling import measure
from hwnas.workflows.searching import costs, experiment_of, load_run, run_table
from hwnas.workflows.setting import prepare
from hwnas.workflows.trained import TrainedNetwork, trained_network

PARITY_TOLERANCE = 1e-4
NORMALISATION = "pixels of 0 to 255 become (pixel - 127.5) / 127.5"
_PARITY_IMAGES = 64


def export(
    directory: str | Path,
    pick: str = "",
    *,
    format: str = "",  # noqa: A002
    images: int | None = None,
    on_progress: Progress = silent,
) -> ModelCard:
    """Fine-tune a network of a run and write it as a model file with its card.

    The file goes to ``RUN/export/ID``. It is checked by its format's own checker and against
    torch, its accuracy is counted on the test part, and its latency is measured on the device.
    Trained weights that lie there from an earlier call with the same settings are used again.

    Args:
        directory: Of the run.
        pick: ``knee``, ``accuracy``, an id, or budgets; empty for what the experiment says.
        format: A file name in ``hwnas/graphs``; empty for what the experiment says.
        images: Of fine-tuning, repetitions counted; 0 for none, None for what the experiment
            says.
        on_progress: Told how far it is.

    Raises:
        InputError: The pick means no network, or the run has no images to train on.
        HwnasError: The file's outputs are not those of the network.
    """
    run = load_run(directory)
    experiment = experiment_of(run)
    member = pick_member(run, pick or experiment.export.pick)
    format = format or experiment.export.format  # noqa: A001
    writer = plugins.load("hwnas.graphs", format, what="model format")
    setting = prepare(experiment, run.space)
    if setting.data is None:
        raise InputError(
            f"{run.directory} was searched without images, so its networks have no weights; "
            "search with --data to export one."
        )
    folder = run.directory / EXPORT / member.id
    network = trained_network(
        run, member, experiment, setting.data, folder=folder, on_progress=on_progress,
        images=experiment.fine_tune.images if images is None else images,
    )  # fmt: skip
    content = writer.lower(network.layers, network.folded_weights())
    writer.check(content)
    file = folder / f"model.{format}"
    files.write_bytes(file, content)
    card = _judge(run, experiment, member, network, setting.data, file, on_progress=on_progress)
    write_card(card)
    return card


def _judge(
    run: Run,
    experiment: Experiment,
    member: FrontMember,
    network: TrainedNetwork,
    data: DataSet,
    file: Path,
    *,
    on_progress: Progress,
) -> ModelCard:
    """What the file itself does: parity with torch, accuracy on test images, latency."""
    target = experiment.device
    runtime = plugins.load("hwnas.runtimes", target.runtime, what="runtime")
    inputs = network.inputs(data.test)
    outputs = runtime.outputs(str(file), inputs)
    parity = _relative_difference(outputs[:_PARITY_IMAGES], network.logits(inputs[:_PARITY_IMAGES]))
    if parity > PARITY_TOLERANCE:
        raise HwnasError(
            f"{file} gives outputs that differ by {parity:.1e} of the largest from the network it "
            f"was made from; expected at most {PARITY_TOLERANCE:.0e}. Do not ship it; please "
            "report this."
        )
    latency = measure(
        file, device=target.name, runtime=target.runtime, threads=target.threads,
        table=run_table(run), on_progress=on_progress,
    )  # fmt: skip
    computed = costs(run.space, np.array(member.row), device=target.name)
    return ModelCard(
        id=member.id,
        file=file,
        format=file.suffix[1:],
        precision=target.precision,
        space=run.space.name,
        architecture=member.architecture,
        input_shape=(1, *inputs.shape[1:]),
        normalisation=NORMALISATION,
        classes=data.classes,
        data=data.source,
        images_seen=network.images_seen,
        accuracy_predicted=member.values["accuracy"],
        accuracy_fine_tuned=network.accuracy(data.test),
        accuracy_file=100.0 * float((outputs.argmax(axis=1) == data.test.labels).mean()),
        parity=parity,
        device=target.name,
        runtime=f"{target.runtime} {runtime.version()}",
        threads=target.threads,
        latency_predicted_ms=member.values.get("latency_ms"),
        latency_measured_ms=latency.median_ms,
        latency_drift=latency.drift,
        latency_repeatability=latency.repeatability,
        file_bytes=file.stat().st_size,
        costs={name: float(values[0]) for name, values in computed.items()},
        versions=versions(),
    )


def _relative_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())
