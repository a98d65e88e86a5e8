"""What is known of an exported model file: predicted beside measured, and how to use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwnas import estimators, files
from hwnas.units import format_quantity

EXPORT = "export"
"""Folder of a run that holds one folder for each exported network."""

_CARDS = "*/model*.*.json"  # beside each file: model.onnx.json, model-int8.tflite.json


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One exported file.

    Attributes:
        id: Of the architecture in its run.
        file: The model file.
        format: Of the file, such as ``onnx``.
        precision: Of weights and activations.
        space: Name of the search space.
        architecture: As the space describes it.
        input_shape: Of the file's input, such as (1, 3, 224, 224).
        layout: Its axes: ``NCHW`` or ``NHWC``.
        normalisation: What is done to pixels of 0 to 255 before they go in.
        classes: Names, in the order of the outputs.
        data: What it was trained on.
        images_seen: Images that trained its weights: the supernet's, and those of fine-tuning.
        calibration_images: Images of the training part that showed it its ranges; 0 for none.
        accuracy_predicted: Percent top-1 on the validation part with the supernet's weights; None
            where the search did not ask for accuracy, or asked at another precision.
        accuracy_fine_tuned: Percent top-1 of the fp32 torch module on the test part.
        accuracy_file: Percent top-1 of the file itself on the test part, by its runtime.
        parity: Largest difference between the outputs of file and torch module, relative to the
            largest output.
        device: Where it was measured.
        runtime: That judged and timed it.
        runtime_version: Of it.
        threads: Of the runtime.
        latency_predicted_ms: By the latency table; None when there is none, or it lacks a layer.
        latency_measured_ms: Median of the file's own runs on the device, drift divided out.
        latency_drift: How slow the device was then, as a ratio to when the latency table was
            measured; None without a table, when no drift was divided out.
        latency_repeatability: Relative difference between two halves of those runs.
        file_bytes: Size of the file.
        costs: By objective name: what follows from the layers. Energy is a model.
        versions: Of what made it.
    """

    id: str
    file: Path
    format: str
    precision: str
    space: str
    architecture: Mapping[str, Any]
    input_shape: tuple[int, ...]
    layout: str
    normalisation: str
    classes: tuple[str, ...]
    data: str
    images_seen: int
    calibration_images: int
    accuracy_predicted: float | None
    accuracy_fine_tuned: float
    accuracy_file: float
    parity: float
    device: str
    runtime: str
    runtime_version: str
    threads: int
    latency_predicted_ms: float | None
    latency_measured_ms: float
    latency_drift: float | None
    latency_repeatability: float
    file_bytes: int
    costs: Mapping[str, float]
    versions: Mapping[str, str] = field(default_factory=dict)

    __pydantic_config__ = files.STRICT

    @property
    def points_lost(self) -> float:
        """Accuracy of the torch module less that of the file, in points of percent."""
        return self.accuracy_fine_tuned - self.accuracy_file

    def rows(self) -> list[tuple[str, str, str]]:
        """Quantity, predicted, measured on the file; empty where there is no such number."""
        rows = [
            (
                "accuracy (validation; test)",
                _shown(self.accuracy_predicted, "%"),
                f"{self.accuracy_file:.2f} %",
            )
        ]
        if self.precision != "fp32":
            rows.append((f"points lost to {self.precision}", "", f"{self.points_lost:.2f}"))
        rows.append(
            (
                "latency",
                _shown(self.latency_predicted_ms, "ms"),
                _shown(self.latency_measured_ms, "ms"),
            )
        )
        if self.latency_drift is not None:
            timed = self.latency_measured_ms * self.latency_drift
            drift = f"latency as timed, drift {self.latency_drift:.2f}"
            rows.append((drift, "", _shown(timed, "ms")))
        rows.append(("file size", "", format_quantity(self.file_bytes, "bytes")))
        for name, value in self.costs.items():
            objective = estimators.objective(name)
            rows.append((objective.title, objective.format(value), ""))
        return rows

    def markdown(self) -> str:
        """The card for people."""
        table = "\n".join(f"| {a} | {b} | {c} |" for a, b, c in self.rows())
        architecture = "\n".join(f"- `{key}`: {value}" for key, value in self.architecture.items())
        return f"""# {self.file.name}: network {self.id} of {self.space}

| | predicted | measured on the file |
|---|---|---|
{table}

{self._accuracy_note()}

{self._latency_note()}

Peak activation memory is liveness over the layers, without weights. Energy is a model: nothing
measured it.

## Use

- Input `input`: fp32, shape {list(self.input_shape)} ({self.layout}); {self.normalisation}.
- Output `output`: fp32, {len(self.classes)} logits, one for each of: {", ".join(self.classes)}.

## Architecture

{architecture}

## Origin

- Data: {self.data}; {self.images_seen:,} images trained its weights (supernet and fine-tuning).
- Format {self.format}, precision {self.precision}{self._precision_note()}
- Made with {_listed(self.versions)}.
"""

    def _precision_note(self) -> str:
        if self.precision == "int8":
            return (
                "; quantized after training, ranges of activations taken from "
                f"{self.calibration_images} images of the training part."
            )
        if self.precision == "fp16":
            return ": weights are stored in half precision and widened when the file is loaded."
        return "."

    def _accuracy_note(self) -> str:
        predicted = (
            "" if self.accuracy_predicted is None
            else "Predicted: with the supernet's weights, on the validation part. "
        )  # fmt: skip
        return (
            f"Accuracy is top-1. {predicted}Measured: of this file, by {self.runtime} "
            f"{self.runtime_version}, on the test part, which nothing else has seen. The fp32 "
            f"torch module it was made from reaches {self.accuracy_fine_tuned:.2f} %; their "
            f"outputs differ by {self.parity:.1e} of the largest output."
        )

    def _latency_note(self) -> str:
        note = (
            f"Latency is the median of single-image runs on {self.device} with {self.runtime}, "
            f"threads: {self.threads}; two halves of the measurement differ by "
            f"{100 * self.latency_repeatability:.1f} %."
        )
        if self.latency_drift is None:
            return (
                f"{note} There is no latency table of {self.device} for {self.runtime} at "
                f"{self.precision} (hwnas profile measures one), so nothing was predicted and no "
                "drift of the machine was divided out."
            )
        beside = (
            f"A network that was timed beside the file took {self.latency_drift:.2f} times what "
            "it took when the latency table was measured; that is divided out."
        )
        if self.latency_predicted_ms is None:
            return f"{note} {beside} The table lacks layers of this network and predicts nothing."
        ratio = self.latency_predicted_ms / self.latency_measured_ms - 1
        return f"{note} Predicted latency was {100 * ratio:+.1f} % off. {beside}"


def overview(
    cards: Sequence[ModelCard],
) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """Title, columns and rows of a table of several files of one network, a row a file."""
    runtimes = {card.format: card.runtime for card in cards}
    by = ", ".join(f".{ending} by {runtime}" for ending, runtime in runtimes.items())
    first = cards[0]
    title = f"Files in {first.file.parent}, measured on {first.device} ({by})"
    columns = (
        "file", "size", "accuracy\n(test)", "points\nlost", "latency\npredicted",
        "latency\nmeasured",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            card.file.name,
            format_quantity(card.file_bytes, "bytes"),
            f"{card.accuracy_file:.2f} %",
            f"{card.points_lost:.2f}",
            _shown(card.latency_predicted_ms, "ms"),
            _shown(card.latency_measured_ms, "ms"),
        )
        for card in cards
    ]
    return title, columns, rows


def write_card(card: ModelCard) -> None:
    """Write the card as JSON and Markdown beside its file."""
    content = files.to_plain(card) | {"file": card.file.name}
    files.write_text(Path(f"{card.file}.md"), card.markdown())
    files.write_json(Path(f"{card.file}.json"), content)


def read_card(path: Path) -> ModelCard:
    """The card in a JSON file.

    Raises:
        FileFormatError: There is none, or it is damaged.
    """
    content = files.read_json(path)
    content["file"] = str(path.parent / content["file"])
    return files.parse(content, ModelCard, source=str(path))


def read_cards(directory: Path) -> tuple[ModelCard, ...]:
    """Cards of all files that a run has exported, the latest last."""
    found = (directory / EXPORT).glob(_CARDS)
    return tuple(map(read_card, sorted(found, key=lambda path: path.stat().st_mtime_ns)))


def _shown(value: float | None, unit: str) -> str:
    return "" if value is None else format_quantity(value, unit)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
