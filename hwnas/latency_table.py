"""A latency table: raw timings of layers on a device, and how far their sums can be trusted."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from hwnas import files, resources
from hwnas.catalog import FloatArray, IntArray, LayerCatalog, total
from hwnas.errors import FileFormatError, SpaceMismatchError
from hwnas.layers import EMPTY, LayerSpec
from hwnas.measurement import EnergyBlock, Measurement, Provenance, Samples
from hwnas.units import MS_PER_S

FORMAT = "hwnas latency table"
VERSION = 1


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


@dataclass(frozen=True, slots=True)
class LayerTiming:
    """A layer that was measured alone, the runtime's overhead included."""

    layer: LayerSpec
    samples: tuple[Samples, ...]

    @property
    def median_ms(self) -> float:
        """Milliseconds of a model that is this layer alone."""
        return Measurement(self.samples).median_ms


@dataclass(frozen=True, slots=True)
class NetworkTiming:
    """A whole network that was measured, to see how far sums of layers are from it.

    Attributes:
        layers: Positions of its layers in the table, in order.
        measured_ms: Median of what was measured.
        predicted_ms: What the table predicts with numbers that this network had no part in.
        samples: One entry for each visit.
    """

    layers: tuple[int, ...]
    measured_ms: float
    predicted_ms: float
    samples: tuple[Samples, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """How far predictions are from whole networks, beside the machine's own repeatability.

    Attributes:
        networks: Whole networks measured.
        mape: Mean absolute error of predictions, percent of what was measured.
        bias: Mean error, percent; positive where predictions are too slow.
        spearman: Rank correlation of predicted and measured.
        unscaled_mape: The same error of sums without the table's boundary and scale.
        unscaled_bias: Their mean error, percent.
        repeatability_mape: The same error between two interleaved halves of the measurements of
            the whole networks: no prediction can be better than that.
        repeatability_spearman: Their rank correlation.
    """

    networks: int
    mape: float
    bias: float
    spearman: float
    unscaled_mape: float
    unscaled_bias: float
    repeatability_mape: float
    repeatability_spearman: float


@dataclass(frozen=True, slots=True)
class EnergyFit:
    """How much energy networks take for their latency, by a meter, and how far that is right.

    An inference takes the power that networks draw beyond the idle device, times its latency:
    on fixed cores and clocks the power differs little from network to network.

    Attributes:
        meter: Which: ``rapl``, ``ina3221`` or ``battery``.
        active_mw: Median over the networks of their energy by their measured latency.
        networks: Whole networks whose energy was measured.
        mape: Mean absolute error, percent of what was measured, of energies predicted from
            predicted latencies; both with numbers that the network had no part in.
        bias: Mean error, percent; positive where predictions are too high.
        spearman: Rank correlation of predicted and measured.
        repeatability_mape: The same error between two halves of the measurements; None where
            networks were metered only once.
    """

    meter: str
    active_mw: float
    networks: int
    mape: float
    bias: float
    spearman: float
    repeatability_mape: float | None = None

    def energy_mj(self, latency_ms: FloatArray) -> FloatArray:
        """Energy of inferences that take so long, shape as given."""
        return latency_ms * (self.active_mw / MS_PER_S)


@dataclass(frozen=True)
class LatencyTable:
    """Layers timed on one device with one runtime, precision and number of threads.

    A network takes the runtime's overhead once, and for each layer the time of a model that is
    that layer alone, less the same overhead and a boundary, times a scale: layers alone convert
    their input and output but find their weights in the cache. Both numbers are fitted on whole
    networks. Keyed by `LayerSpec`, a table serves every space whose layers it holds.

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
        if version != VERSION:
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
        return BoundLatencyTable(**fields, bound_space=space, bound_ms=costs)

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

    @cached_property
    def overhead_ms(self) -> float:
        """What the runtime takes for a network without layers.

        Never more than what anything with layers took: on models of microseconds noise says so.
        """
        fastest = [timing.median_ms for timing in self.layers]
        fastest += [network.measured_ms for network in self.networks]
        return min([Measurement(self.overhead).median_ms, *fastest])

    @cached_property
    def cost_ms(self) -> Mapping[LayerSpec, float]:
        """What each measured layer adds to a network; never below 0."""
        alone = self.overhead_ms + self.boundary_ms
        return {
            timing.layer: self.scale * max(timing.median_ms - alone, 0.0) for timing in self.layers
        }

    def network_ms(self, layers: Iterable[LayerSpec]) -> float:
        """Latency of one network, given as its layers; KeyError for one not measured."""
        return self.overhead_ms + sum(self.cost_ms[layer] for layer in layers if layer != EMPTY)


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
        return self.overhead_ms + total(self.bound_ms, self.bound_space.layer_indices(genes))


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


def _faults(table: LatencyTable) -> Iterator[str]:
    """What no measurement can have given, in words."""
    yield from _sample_faults("overhead", table.overhead)
    for i, timing in enumerate(table.layers):
        yield from _sample_faults(f"layers.{i}", timing.samples)
    for i, network in enumerate(table.networks):
        yield from _sample_faults(f"networks.{i}", network.samples)
        if not all(0 <= position < len(table.layers) for position in network.layers):
            yield f"networks.{i} names a layer that the table does not hold"
        if not (_positive(network.measured_ms) and _positive(network.predicted_ms)):
            yield f"networks.{i} has a latency that is not above 0"
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
        if not _positive(value):
            yield f"{name} is {value}; expected a number above 0"
    if not math.isfinite(table.boundary_ms):
        yield f"boundary_ms is {table.boundary_ms}; expected a number"


def _sample_faults(where: str, samples: tuple[Samples, ...]) -> Iterator[str]:
    if not samples or not all(visit.ns for visit in samples):
        yield f"{where} has no samples"
    for visit in samples:
        if visit.ns and min(visit.ns) <= 0:
            yield f"{where} has a sample of {min(visit.ns)} ns; expected more than 0"
        if visit.runs < 1:
            yield f"{where} has {visit.runs} runs in a sample; expected at least 1"
        if not _positive(visit.drift):
            yield f"{where} has a drift of {visit.drift}; expected a number above 0"
        if visit.energy is not None:
            yield from _block_faults(where, visit.energy)


def _block_faults(where: str, block: EnergyBlock) -> Iterator[str]:
    if block.runs < 1 or not _positive(block.seconds):
        yield f"{where} has an energy block of {block.runs} runs in {block.seconds} s"
    if not (0 <= block.mj < math.inf and 0 <= block.idle_mw < math.inf):
        yield f"{where} has an energy of {block.mj} mJ at {block.idle_mw} mW idle"


def _positive(value: float) -> bool:
    return 0 < value < math.inf
