"""What is known of an exported model file: predicted beside measured, and how to use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwnas import estimators, files
from hwnas.units import format_quantity

EXPORT = "export"
"""Folder of a run that holds one folder for each exported network."""

CARD = "model_card.json"


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
        normalisation: What is done to pixels of 0 to 255 before they go in.
        classes: Names, in the order of the outputs.
        data: What it was trained on.
        images_seen: Images that trained its weights: the supernet's, and those of fine-tuning.
        accuracy_predicted: Percent top-1 on the validation part with the supernet's weights.
        accuracy_fine_tuned: Percent top-1 of the torch module on the test part.
        accuracy_file: Percent top-1 of the file itself on the test part, by its runtime.
        parity: Largest difference between the outputs of file and torch module, relative to the
            largest output.
        device: Where it was measured.
        runtime: That timed it, with its version.
        threads: Of the runtime.
        latency_predicted_ms: By the latency table; None when the run has none.
        latency_measured_ms: Median of the file's own runs on the device, drift divided out.
        latency_drift: How slow the device was then, as a ratio to when the latency table was
            measured; 1 without a table.
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
    normalisation: str
    classes: tuple[str, ...]
    data: str
    images_seen: int
    accuracy_predicted: float
    accuracy_fine_tuned: float
    accuracy_file: float
    parity: float
    device: str
    runtime: str
    threads: int
    latency_predicted_ms: float | None
    latency_measured_ms: float
    latency_drift: float
    latency_repeatability: float
    file_bytes: int
    costs: Mapping[str, float]
    versions: Mapping[str, str] = field(default_factory=dict)

    __pydantic_config__ = files.STRICT

    def rows(self) -> list[tuple[str, str, str]]:
        """Quantity, predicted, measured on the file; empty where there is no such number."""
        predicted = self.latency_predicted_ms
        rows = [
            (
                "accuracy (validation; test)",
                f"{self.accuracy_predicted:.2f} %",
                f"{self.accuracy_file:.2f} %",
            ),
            (
                "latency",
                "" if predicted is None else f"{predicted:.4g} ms",
                f"{self.latency_measured_ms:.4g} ms",
            ),
            (
                f"latency as timed, drift {self.latency_drift:.2f}",
                "",
                f"{self.latency_measured_ms * self.latency_drift:.4g} ms",
            ),
            ("file size", "", format_quantity(self.file_bytes, "bytes")),
        ]
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

- Input `input`: fp32, shape {list(self.input_shape)}; {self.normalisation}.
- Output `output`: {len(self.classes)} logits, one for each of: {", ".join(self.classes)}.

## Architecture

{architecture}

## Origin

- Data: {self.data}; {self.images_seen:,} images trained its weights (supernet and fine-tuning).
- Format {self.format}, precision {self.precision}; made with {_listed(self.versions)}.
"""

    def _accuracy_note(self) -> str:
        return (
            "Accuracy is top-1. Predicted: with the supernet's weights, on the validation part. "
            f"Measured: of this file, by {self.runtime}, on the test part, which nothing else has "
            f"seen. The torch module it was made from reaches {self.accuracy_fine_tuned:.2f} %; "
            f"their outputs differ by {self.parity:.1e} of the largest output."
        )

    def _latency_note(self) -> str:
        note = (
            f"Latency is the median of single-image runs on {self.device}, threads: "
            f"{self.threads}; two halves of the measurement differ by "
            f"{100 * self.latency_repeatability:.1f} %."
        )
        if self.latency_predicted_ms is None:
            return note
        ratio = self.latency_predicted_ms / self.latency_measured_ms - 1
        return (
            f"{note} Predicted latency was {100 * ratio:+.1f} % off. A network that was timed "
            f"beside the file took {self.latency_drift:.2f} times what it took when the latency "
            "table was measured; that is divided out."
        )


def write_card(card: ModelCard) -> None:
    """Write the card as JSON and Markdown beside its file."""
    content = files.to_plain(card) | {"file": card.file.name}
    files.write_text(card.file.parent / "model_card.md", card.markdown())
    files.write_json(card.file.parent / CARD, content)


def read_card(folder: Path) -> ModelCard:
    """The card in a folder.

    Raises:
        FileFormatError: There is none, or it is damaged.
    """
    content = files.read_json(folder / CARD)
    content["file"] = str(folder / content["file"])
    return files.parse(content, ModelCard, source=str(folder / CARD))


def read_cards(directory: Path) -> tuple[ModelCard, ...]:
    """Cards of all networks that a run has exported, the latest last."""
    found = sorted((directory / EXPORT).glob(f"*/{CARD}"), key=lambda path: path.stat().st_mtime)
    return tuple(read_card(path.parent) for path in found)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
