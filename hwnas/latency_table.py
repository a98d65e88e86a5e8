"""A latency table: raw timings of layers on a device, and how far their sums can be trusted."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hwnas import files, resources
from hwnas.calibration.isolated import PARTS, Calibrated, Calibration, Evidence, calibrated
from hwnas.calibration.layer_layout import layer_layout
from hwnas.calibration.residual import Residual, Traits
from hwnas.calibration.residual import correction as learned_correction
from hwnas.catalog import FloatArray, IntArray, LayerCatalog
from hwnas.errors import FileFormatError, SpaceMismatchError
from hwnas.layers import EMPTY, LayerSpec
from hwnas.measurement import Measurement, Provenance, Samples
from hwnas.table_entries import EnergyFit as EnergyFit
from hwnas.table_entries import LayerTiming as LayerTiming
from hwnas.table_entries import NetworkTiming as NetworkTiming
from hwnas.table_entries import Quality as Quality
from hwnas.table_entries import positive, sample_faults
from hwnas.table_predictor import Predictor, padded
from hwnas.table_transfer import Transferred, transfer_faults, transferred_predictor

FORMAT = "hwnas latency table"
VERSION = 2


class IndexedSpace(Protocol):
    """The part of a `hwnas.protocols.SearchSpace` that a table needs."""

    @property
    def name(self) -> str:
        """Name of the space."""

    @property
    def catalog(self) -> LayerCatalog:
        """Its distinct layers."""

    def layer_indices(self, genes: IntArray) -> IntArray:
        """Catalog indices, shape (architectures, slots)."""


@dataclass(frozen=True)
class LatencyTable:
    """Layers timed on one device with one runtime, precision and number of threads.

    A network takes the runtime's overhead once, and for each layer the time of a model that is
    that layer alone, less the same overhead and a boundary, times a scale: layers alone convert
    their input and output but find their weights in the cache. Both numbers are fitted on whole
    networks; then each layer's cost is corrected by what these networks say of it, which also
    tells how far a latency is uncertain. The file keeps what was learned of the errors of layers
    measured alone, seven variances, from which costs and their covariance follow in closed form
    when they are first asked for: they themselves would be larger than the raw samples.
    Keyed by `LayerSpec`, a table serves every space whose layers it holds.

    Attributes:
        device: Name of the device.
        runtime: File name of the runtime, such as ``onnxruntime``.
        precision: Such as ``fp32``.
        threads: Of every operator.
        space: Definition of the space it was last profiled for.
        sessions: Where the numbers came from; one entry for each time the table grew.
        canary: Layers of the network that was timed again and again to see drift.
        canary_ms: Milliseconds it took when drift was 1.
        boundary_ms: What a layer alone takes more than in a network, scale aside; negative
            where it takes less; 0 before whole networks were measured.
        scale: Ratio of whole networks to the sums of their layers; 1 before that.
        quality: How good the table is; None before whole networks were measured.
        overhead: Timings of a model that only hands its input through.
        layers: What was measured.
        networks: Whole networks, to compare with.
        energy: What a meter said of them; None where there was no meter.
        calibration: What was learned of the errors of layers measured alone, from the networks
            that are not held out; None before enough were measured.
        residual: What was learned of the errors of sums of layers; None where sums are as good as
            what was tried beside them.
        transferred: Whose layers it has costs of, where none was measured on this device: then
            neither layers nor overhead have samples; None for all other tables.
    """

    device: str
    runtime: str
    precision: str
    threads: int
    space: dict[str, Any]
    sessions: tuple[Provenance, ...]
    canary: tuple[LayerSpec, ...]
    canary_ms: float
    boundary_ms: float
    scale: float
    quality: Quality | None
    overhead: tuple[Samples, ...]
    layers: tuple[LayerTiming, ...]
    networks: tuple[NetworkTiming, ...]
    energy: EnergyFit | None = None
    calibration: Calibration | None = None
    residual: Residual | None = None
    transferred: Transferred | None = None

    __pydantic_config__ = files.STRICT

    @classmethod
    def read(cls, path: Path) -> "LatencyTable":
        """The table in a file.

        Raises:
            FileFormatError: The file is truncated, no latency table, of another version, or
                holds something that cannot have been measured.
        """
        content = files.read_json(path)
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise FileFormatError(
                f"{path} is not a latency table of hwnas; make one: hwnas profile."
            )
        version = content.pop("version", None)
        if version == 1 and type(version) is int:
            _give_roles(content)
        elif version != VERSION:
            raise FileFormatError(
                f"{path} is a latency table of version {version!r}, and this hwnas reads "
                f"{VERSION}: profile the device again, or use the hwnas that wrote it."
            )
        table = files.parse(content, cls, source=str(path))
        for fault in _faults(table):
            raise FileFormatError(f"{path}: {fault}; tables are measured, never edited by hand.")
        return table

    def write(self, path: Path) -> None:
        """Write the table atomically, one layer a line; StorageError when that fails."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(LatencyTable)}
        content = {"format": FORMAT, "version": VERSION} | fields
        files.write_lines(path, content, listed=("sessions", "overhead", "layers", "networks"))

    def bind(self, space: IndexedSpace) -> "BoundLatencyTable":
        """The table as a source of latencies for the architectures of a space.

        Raises:
            SpaceMismatchError: Layers of the space were not measured.
        """
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(LatencyTable)}
        costs = self.layer_ms(space.catalog, space_name=space.name)
        bound = BoundLatencyTable(**fields, bound_space=space, bound_ms=costs)
        vars(bound)["predictor"] = self.predictor  # cached there, not to be solved for again
        return bound

    def layer_ms(self, catalog: LayerCatalog, *, space_name: str = "NAME") -> FloatArray:
        """What each layer adds to a network, without the runtime's overhead, shape (layers,).

        Args:
            catalog: Layers in the order of the result.
            space_name: For the command that the error names.

        Raises:
            SpaceMismatchError: Says how many layers were not measured, and the command that does.
        """
        lacking = self.lacking(catalog)
        if lacking:
            raise SpaceMismatchError(
                f"The latency table of {self.device} lacks {len(lacking)} of the "
                f"{len(catalog) - 1} layers of space {space_name}; they are added by: "
                + profile_command(
                    self.device,
                    space=space_name,
                    runtime=self.runtime,
                    precision=self.precision,
                    threads=self.threads,
                )
            )
        return catalog.vector(lambda layer: 0.0 if layer == EMPTY else self.cost_ms[layer])

    def lacking(self, catalog: LayerCatalog) -> tuple[LayerSpec, ...]:
        """Layers of a catalog that were not measured, in its order."""
        measured = {EMPTY, *(timing.layer for timing in self.layers)}
        return tuple(layer for layer in catalog.layers if layer not in measured)

    @property
    def overhead_ms(self) -> float:
        """What the runtime takes for a network without layers, as far as networks tell."""
        return self.predictor.overhead_ms

    @cached_property
    def empty_ms(self) -> float:
        """What a model without layers takes.

        Never more than what anything with layers took: on models of microseconds noise says so.
        """
        fastest = [timing.median_ms for timing in self.layers]
        fastest += [network.measured_ms for network in self.networks]
        return min([Measurement(self.overhead).median_ms, *fastest])

    @cached_property
    def scaled_ms(self) -> FloatArray:
        """What layers measured alone add, boundary and scale applied; shape (table's layers,)."""
        alone = np.array([timing.median_ms for timing in self.layers])
        return self.scale * np.maximum(alone - self.empty_ms - self.boundary_ms, 0.0)

    @cached_property
    def calibrated(self) -> Calibrated | None:
        """Costs of the table's layers and their uncertainty; None where nothing was learned."""
        if self.calibration is None:
            return None
        return calibrated(evidence_of(self), self.calibration)

    @cached_property
    def predictor(self) -> Predictor:
        """What predicts latencies from positions in `layers`, plus 1; 0 is no layer."""
        if self.transferred is not None:
            return transferred_predictor(self.transferred, list(self._places), self.networks)
        if self.calibrated is None:
            return Predictor(np.concatenate([[0.0], self.scaled_ms]), self.empty_ms)
        correction = None
        if self.residual is not None:
            rows, missed = missed_by_sums(self)
            correction = learned_correction(
                rows, missed, traits=traits_of(self), learned=self.residual
            )
        return Predictor.of(self.calibrated.posterior, self.calibrated.noise, correction)

    @cached_property
    def cost_ms(self) -> Mapping[LayerSpec, float]:
        """What each measured layer adds to a network; sums over networks alone mean anything."""
        costs = self.predictor.costs_ms[1:].tolist()
        return dict(zip((timing.layer for timing in self.layers), costs, strict=True))

    def network_ms(self, layers: Iterable[LayerSpec]) -> float:
        """Latency of one network, given as its layers; KeyError for one not measured."""
        indices = [self._places[layer] for layer in layers if layer != EMPTY]
        return float(self.predictor.means(padded([indices]))[0])

    @cached_property
    def _places(self) -> Mapping[LayerSpec, int]:
        return {timing.layer: i for i, timing in enumerate(self.layers)}


@dataclass(frozen=True, kw_only=True)
class BoundLatencyTable(LatencyTable):
    """A latency table that knows the genes of one space.

    Attributes:
        bound_space: The space.
        bound_ms: What each layer of its catalog adds, shape (layers,).
    """

    bound_space: IndexedSpace
    bound_ms: FloatArray

    def latency_ms(self, genes: IntArray) -> FloatArray:
        """Predicted latency of a population in milliseconds, shape (architectures,).

        Args:
            genes: Shape (architectures, genes).
        """
        return self.sums_ms(self.bound_space.layer_indices(genes))

    def sums_ms(self, layer_indices: IntArray) -> FloatArray:
        """The same for architectures given as catalog indices, shape (architectures, slots)."""
        return self._bound_predictor.means(layer_indices)

    def latency_std_ms(self, genes: IntArray) -> FloatArray | None:
        """Standard deviation of what would be measured instead, shape (architectures,).

        What is uncertain of the layers' costs, what no sum of costs explains, and the noise of a
        measurement. None where whole networks too few to tell were measured.

        Args:
            genes: Shape (architectures, genes).
        """
        return self._bound_predictor.deviations(self.bound_space.layer_indices(genes))

    @cached_property
    def _bound_predictor(self) -> Predictor:
        chosen = (self._places[layer] + 1 for layer in self.bound_space.catalog.layers[1:])
        return self.predictor.only([0, *chosen])


def evidence_of(table: LatencyTable) -> Evidence:
    """What a table knows of its layers alone, and its networks that are not held out."""
    known = [network for network in table.networks if not network.held_out]
    counts = np.zeros((len(known), len(table.layers)))
    for row, network in zip(counts, known, strict=True):
        np.add.at(row, list(network.layers), 1.0)
    return Evidence(
        layer_layout([timing.layer for timing in table.layers]),
        table.scaled_ms,
        table.empty_ms,
        counts,
        np.array([network.measured_ms for network in known]),
    )


def missed_by_sums(table: LatencyTable) -> tuple[IntArray, FloatArray]:
    """Networks that are not held out, as for `Predictor`, and what sums miss of each, relative.

    Each is compared with the sum that is expected of it from the others.
    """
    known = [network for network in table.networks if not network.held_out]
    measured = np.array([network.measured_ms for network in known])
    expected = measured if table.calibrated is None else table.calibrated.left_out_ms
    return padded([network.layers for network in known]), measured / expected - 1


def traits_of(table: LatencyTable) -> Traits:
    """What a second model looks at in a table's layers: kinds, costs, and sizes."""
    catalog = LayerCatalog([timing.layer for timing in table.layers])
    layout = layer_layout(catalog.layers)
    costs = np.concatenate([[0.0], table.scaled_ms])
    present = (layout.kinds >= 0).astype(np.float64)
    totals = np.stack([costs, catalog.weights, catalog.moved, present], axis=1)
    return Traits(layout.kinds, costs, totals)


def profile_command(device: str, *, space: str, runtime: str, precision: str, threads: int) -> str:
    """The command line that measures a table, or what it lacks."""
    options = (("runtime", runtime, "onnxruntime"), ("precision", precision, "fp32"))
    given = [f" --{name} {value}" for name, value, default in options if value != default]
    given += [f" --threads {threads}"] if threads != 1 else []
    return f"hwnas profile {device} --space {space}{''.join(given)}"


def file_name(space: str, runtime: str, precision: str, threads: int) -> str:
    """Name of a table's file in the folder of its device."""
    return f"{space}-{runtime}-{precision}-{threads}t.json"


def table_path(
    folder: Path, device: str, *, space: str, runtime: str, precision: str, threads: int
) -> Path:
    """Where a table belongs below a ``latency_tables`` folder."""
    return folder / device / file_name(space, runtime, precision, threads)


def find_table(
    device: str, *, space: str, runtime: str, precision: str, threads: int
) -> Path | None:
    """An existing table: the user's, else one that ships with hwnas, else None."""
    name = f"{device}/{file_name(space, runtime, precision, threads)}"
    return resources.find("latency_tables", name)


def _give_roles(content: dict[str, Any]) -> None:
    """Make of version 1, where all networks had both roles, a table that the next profile fits."""
    content["quality"] = None
    for i, network in enumerate(content.get("networks") or ()):
        if isinstance(network, dict):
            network["held_out"] = i % 3 == 2


def _faults(table: LatencyTable) -> Iterator[str]:
    """What no measurement can have given, in words."""
    if table.transferred is not None:
        yield from transfer_faults(table.transferred, [timing.layer for timing in table.layers])
    else:
        yield from sample_faults("overhead", table.overhead)
        for i, timing in enumerate(table.layers):
            yield from sample_faults(f"layers.{i}", timing.samples)
    for i, network in enumerate(table.networks):
        yield from sample_faults(f"networks.{i}", network.samples)
        if not all(0 <= position < len(table.layers) for position in network.layers):
            yield f"networks.{i} names a layer that the table does not hold"
        if not (positive(network.measured_ms) and positive(network.predicted_ms)):
            yield f"networks.{i} has a latency that is not above 0"
        if network.predicted_std_ms is not None and not positive(network.predicted_std_ms):
            yield f"networks.{i} has a deviation of {network.predicted_std_ms} ms"
    yield from _fit_faults(table)
    if not table.sessions:
        yield "sessions is empty; expected where the numbers came from"
    if len({timing.layer for timing in table.layers}) < len(table.layers):
        yield "layers names a layer twice"


def _fit_faults(table: LatencyTable) -> Iterator[str]:
    fitted = {"canary_ms": table.canary_ms, "scale": table.scale}
    if table.energy is not None:
        fitted["energy.active_mw"] = table.energy.active_mw
    for name, value in fitted.items():
        if not positive(value):
            yield f"{name} is {value}; expected a number above 0"
    if not math.isfinite(table.boundary_ms):
        yield f"boundary_ms is {table.boundary_ms}; expected a number"
    known = sum(not network.held_out for network in table.networks)
    learned = (("calibration", table.calibration, PARTS), ("residual", table.residual, None))
    for name, model, parts in learned:
        if model is None:
            continue
        if parts not in (None, len(model.variances)) or len(model.precisions) != known:
            yield f"{name} is of another number of parts or networks than the table"
        positives = (model.noise, *model.precisions)
        if not (all(map(positive, positives)) and all(0 <= v < math.inf for v in model.variances)):
            yield f"{name} holds variances, noise or precisions that are negative or not finite"
    if table.residual is not None and table.calibration is None:
        yield "residual is there without calibration, whose errors it corrects"
