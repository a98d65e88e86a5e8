"""Hand-made networks beside what a search found: measured on the same device, trained alike."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwnas import files, profiling
from hwnas.catalog import LayerCatalog
from hwnas.devices import Device, load_device
from hwnas.errors import InputError
from hwnas.estimators.cost_model import ENERGY, OBJECTIVES, layer_costs, population_cost
from hwnas.estimators.latency_table import LATENCY
from hwnas.latency_table import LatencyTable
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.measurement import Measurement
from hwnas.progress import Progress, silent
from hwnas.reference_networks import reference_set
from hwnas.search.run import Run
from hwnas.training.side_by_side import train_side_by_side
from hwnas.workflows.model_card import ModelCard
from hwnas.workflows.runs import experiment_of, load_run
from hwnas.workflows.setting import prepare
from hwnas.workflows.variants import Variant, table_beside

REFERENCES = "references.json"


@dataclass(frozen=True, slots=True)
class ReferenceResult:
    """A hand-made network on the run's device and data.

    Attributes:
        label: Such as ``MobileNetV2 0.5``.
        values: By objective name; ``latency_ms`` is measured.
        accuracy: Percent top-1 on the test part after training from scratch; None if not trained.
        images_seen: Images it was trained on, repetitions counted; 0 if not trained.
    """

    label: str
    values: Mapping[str, float]
    accuracy: float | None = None
    images_seen: int = 0

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class References:
    """Hand-made networks, and the exported network as it was measured among them.

    Attributes:
        model: Id of the exported network and the name of its file, such as
            ``1f3a5c7e/model.onnx``.
        model_latency_ms: Median of its file's runs in the same session.
        networks: The hand-made ones, the fastest first.
    """

    model: str
    model_latency_ms: float
    networks: tuple[ReferenceResult, ...]

    __pydantic_config__ = files.STRICT

    @property
    def not_slower(self) -> tuple[ReferenceResult, ...]:
        """Those that take no longer than the exported network."""
        return tuple(n for n in self.networks if n.values["latency_ms"] <= self.model_latency_ms)

    @property
    def best(self) -> ReferenceResult | None:
        """The most accurate one that is trained and not slower; None when there is none."""
        trained = [network for network in self.not_slower if network.accuracy is not None]
        return max(trained, key=lambda network: network.accuracy or 0.0, default=None)


def read_references(directory: str | Path) -> References | None:
    """What a run knows of hand-made networks; None before they were measured."""
    path = Path(directory) / REFERENCES
    if not path.is_file():
        return None
    return files.parse(files.read_json(path), References, source=str(path))


def measure_references(
    directory: str | Path, card: ModelCard, *, on_progress: Progress = silent
) -> References:
    """Measure hand-made networks and an exported file in one session, interleaved.

    The networks have the run's resolution, classes and input channels, the file's format and
    precision, and random weights, which do not change how long they take. What was measured for
    the same file before is kept, and so is what was trained for as many images.

    Args:
        directory: Of the run.
        card: Of the exported file.
        on_progress: Told after each visit.
    """
    run = load_run(directory)
    known = read_references(directory)
    if known is not None and known.model == _name(card):
        return known
    experiment = experiment_of(run)
    device = load_device(experiment.device.name)
    networks = _networks(run)
    variant = Variant(card.format, card.precision, card.runtime)
    table = table_beside(run, card.runtime, card.precision)
    with tempfile.TemporaryDirectory() as folder:
        paths = [card.file]
        for number, layers in enumerate(networks.values()):
            paths.append(Path(folder) / f"reference{number}.{card.format}")
            weights = random_weights(layers, np.random.default_rng(number))
            paths[-1].write_bytes(variant.lower(layers, weights))
        measured = profiling.measure_models(
            device, paths, runtime=card.runtime, threads=card.threads,
            table=table, on_progress=on_progress,
        )  # fmt: skip
    trained = {network.label: network for network in (known.networks if known else ())}
    results = []
    for (label, layers), one in zip(networks.items(), measured[1:], strict=True):
        values = _costs(layers, device, card.precision) | _measured(run, one, table)
        before = trained.get(label)
        if before is not None and before.images_seen == card.images_seen:
            results.append(replace(before, values=values))
        else:
            results.append(ReferenceResult(label, values))
    results.sort(key=lambda result: result.values["latency_ms"])
    return _write(run, References(_name(card), measured[0].median_ms, tuple(results)))


def train_references(
    directory: str | Path, card: ModelCard, *, count: int = -1, on_progress: Progress = silent
) -> References:
    """Train hand-made networks from scratch with the exported network's recipe and images.

    Those not slower than the exported file are trained, those with most multiply-accumulates
    first, each for as many images as trained the exported one: the supernet's and those of
    fine-tuning. Each result is kept as it comes.

    Args:
        directory: Of the run.
        card: Of the exported file.
        count: How many; -1 for all.
        on_progress: Told after each step.

    Raises:
        InputError: The run has no images.
    """
    run = load_run(directory)
    experiment = experiment_of(run)
    data = prepare(experiment, run.space).data
    if data is None:
        raise InputError(f"{run.directory} was searched without images; nothing can be trained.")
    references = measure_references(directory, card)
    networks = _networks(run)
    candidates = sorted(references.not_slower, key=lambda r: r.values["macs"], reverse=True)
    lacking = [
        candidate.label
        for candidate in candidates[: len(candidates) if count < 0 else count]
        if candidate.images_seen != card.images_seen
    ]
    wanted = {label: networks[label] for label in lacking}
    config = replace(experiment.fine_tune, images=card.images_seen)
    for label, reached in train_side_by_side(wanted, data, config, on_progress):
        updated = tuple(
            replace(network, accuracy=reached, images_seen=card.images_seen)
            if network.label == label
            else network
            for network in references.networks
        )
        references = _write(run, replace(references, networks=updated))
    return references


def _networks(run: Run) -> dict[str, tuple[LayerSpec, ...]]:
    stem, classifier = run.space.slot_layers[0], run.space.slot_layers[-1]
    return reference_set(stem.resolution, classifier.out_channels, stem.in_channels)


def _name(card: ModelCard) -> str:
    return f"{card.id}/{card.file.name}"


def _measured(run: Run, one: Measurement, table: LatencyTable | None) -> dict[str, float]:
    """Latency, and energy where that of the run's networks comes from a meter, too."""
    found = {LATENCY.name: one.median_ms}
    metered = any(q.name == ENERGY.name and not q.model for q in run.config.quantities)
    if metered and one.energy_mj is not None:
        found[ENERGY.name] = one.energy_mj
    elif metered and table is not None and table.energy is not None:
        found[ENERGY.name] = float(table.energy.energy_mj(np.array(one.median_ms)))
    return found


def _costs(layers: Sequence[LayerSpec], device: Device, precision: str) -> dict[str, float]:
    catalog = LayerCatalog(layers)
    indices = np.array([[catalog.index(layer) for layer in layers]])
    found = {}
    for objective in OBJECTIVES:
        values = layer_costs(objective.name, catalog, device, precision=precision)
        found[objective.name] = float(population_cost(objective.name, values, indices)[0])
    return found


def _write(run: Run, references: References) -> References:
    files.write_json(run.directory / REFERENCES, files.to_plain(references))
    return references
