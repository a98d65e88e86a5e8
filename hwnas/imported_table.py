"""A latency table that others published: means of layers, without samples or whole networks."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hwnas import files, resources
from hwnas.catalog import FloatArray, IntArray, LayerCatalog, total
from hwnas.errors import FileFormatError, SpaceMismatchError
from hwnas.latency_table import BoundLatencyTable, IndexedSpace, LatencyTable
from hwnas.layers import EMPTY, LayerSpec

FORMAT = "hwnas imported latency table"
VERSION = 1


@dataclass(frozen=True, slots=True)
class LayerMean:
    """What others say of a layer.

    Attributes:
        layer: The layer.
        mean_ms: Mean of their samples.
        std_ms: Standard deviation of their samples.
        samples: How many; None where they do not say.
    """

    layer: LayerSpec
    mean_ms: float
    std_ms: float
    samples: int | None = None


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file that figures were taken from: its name, and the SHA-256 digest of its content."""

    name: str
    sha256: str


@dataclass(frozen=True)
class ImportedLatencyTable:
    """Means of layers that others measured; a network takes their sum.

    Nothing is known of how far the sums are from whole networks, because none came with them.

    Attributes:
        device: Name of the device.
        precision: Such as ``fp32``.
        source: Who measured, and where it was published.
        published_as: Whose format the figures were in: ``once-for-all`` or ``nsganetv2``.
        runtime: What ran the layers; empty where it is not known.
        threads: Of the runtime; None where it is not known.
        published: The files.
        layers: The figures.
        contained: Layers without a figure of their own, because it is part of that of the layer
            before them.
        statement: What the figures are, in words.
    """

    device: str
    precision: str
    source: str
    published_as: str
    runtime: str
    threads: int | None
    published: tuple[PublishedFile, ...]
    layers: tuple[LayerMean, ...]
    contained: tuple[LayerSpec, ...] = ()
    statement: str = (
        "Milliseconds, one image: means of others' samples of single layers. hwnas measured none "
        "of them. A network is predicted as the sum of its layers; how far that is from the truth "
        "is not known, because no whole networks came with the figures."
    )

    __pydantic_config__ = files.STRICT

    @classmethod
    def read(cls, path: Path) -> "ImportedLatencyTable":
        """The table in a file.

        Raises:
            FileFormatError: The file is truncated, no imported table, of another version, or
                holds what cannot have been measured.
        """
        content = files.read_json(path)
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise FileFormatError(
                f"{path} is not an imported latency table; make one: hwnas tables import."
            )
        version = content.pop("version", None)
        if version != VERSION:
            raise FileFormatError(
                f"{path} is an imported latency table of version {version!r}, and this hwnas reads "
                f"{VERSION}: import it again."
            )
        table = files.parse(content, cls, source=str(path))
        for fault in _faults(table):
            raise FileFormatError(f"{path}: {fault}; import it again.")
        return table

    def write(self, path: Path) -> None:
        """Write the table atomically, one layer a line; StorageError when that fails."""
        names = (item.name for item in dataclasses.fields(ImportedLatencyTable))
        content = {"format": FORMAT, "version": VERSION} | {n: getattr(self, n) for n in names}
        files.write_lines(path, content, listed=("published", "layers", "contained"))

    def bind(self, space: IndexedSpace) -> "BoundImportedTable":
        """The table as a source of latencies for the architectures of a space.

        Raises:
            SpaceMismatchError: It lacks layers of the space.
        """
        names = (item.name for item in dataclasses.fields(ImportedLatencyTable))
        costs = self.layer_ms(space.catalog, space_name=space.name)
        return BoundImportedTable(
            **{name: getattr(self, name) for name in names}, bound_space=space, bound_ms=costs
        )

    def layer_ms(self, catalog: LayerCatalog, *, space_name: str = "NAME") -> FloatArray:
        """What each layer adds to a network, shape (layers,).

        Args:
            catalog: Layers in the order of the result.
            space_name: For the error.

        Raises:
            SpaceMismatchError: Says how many layers are lacking, and what the table does cover.
        """
        lacking = self.lacking(catalog)
        if lacking:
            covered = ", ".join(map(str, self.resolutions)) or "none"
            raise SpaceMismatchError(
                f"The imported latency table of {self.device} lacks {len(lacking)} of the "
                f"{len(catalog) - 1} layers of space {space_name}, such as a {_named(lacking[0])}; "
                "others' tables cannot be extended: search among layers that it has (its images "
                f"have resolutions {covered}), or measure the device with hwnas profile."
            )
        return catalog.vector(lambda layer: 0.0 if layer == EMPTY else self.cost_ms[layer])

    def lacking(self, catalog: LayerCatalog) -> tuple[LayerSpec, ...]:
        """Layers of a catalog that the table has no figure of, in its order."""
        return tuple(
            layer for layer in catalog.layers if layer != EMPTY and layer not in self.cost_ms
        )

    @property
    def overhead_ms(self) -> float:
        """0: others do not tell the runtime's overhead from the layers."""
        return 0.0

    @cached_property
    def cost_ms(self) -> Mapping[LayerSpec, float]:
        """What each layer adds to a network."""
        figures = {figure.layer: figure.mean_ms for figure in self.layers}
        return dict.fromkeys(self.contained, 0.0) | figures

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Of the images that its first convolutions take."""
        stems = (f.layer for f in self.layers if f.layer.kind == "conv" and f.layer.stride > 1)
        return tuple(sorted({layer.resolution for layer in stems}))

    def network_ms(self, layers: Iterable[LayerSpec]) -> float:
        """Latency of one network, given as its layers; KeyError for one that is lacking."""
        return sum(self.cost_ms[layer] for layer in layers if layer != EMPTY)


@dataclass(frozen=True)
class BoundImportedTable(ImportedLatencyTable):
    """An imported table that knows the genes of one space.

    Attributes:
        bound_space: The space.
        bound_ms: What each layer of its catalog adds, shape (layers,).
    """

    bound_space: IndexedSpace = dataclasses.field(kw_only=True)
    bound_ms: FloatArray = dataclasses.field(kw_only=True)

    def latency_ms(self, genes: IntArray) -> FloatArray:
        """Predicted latency of a population in milliseconds, shape (architectures,).

        Args:
            genes: Shape (architectures, genes).
        """
        return self.sums_ms(self.bound_space.layer_indices(genes))

    def sums_ms(self, layer_indices: IntArray) -> FloatArray:
        """The same for architectures given as catalog indices, shape (architectures, slots)."""
        return total(self.bound_ms, layer_indices)

    def latency_std_ms(self, genes: IntArray) -> None:
        """None: nothing is known of how far the sums are from whole networks."""
        del genes


AnyTable = LatencyTable | ImportedLatencyTable
"""Measured by hwnas, or imported."""

AnyBoundTable = BoundLatencyTable | BoundImportedTable
"""The same with a space."""


def read_table(path: Path) -> AnyTable:
    """The latency table in a file, measured or imported.

    Raises:
        FileFormatError: The file is damaged, or neither.
    """
    content = files.read_json(path)
    imported = isinstance(content, dict) and content.get("format") == FORMAT
    return ImportedLatencyTable.read(path) if imported else LatencyTable.read(path)


def imported_file_name(precision: str) -> str:
    """Name of an imported table's file in the folder of its device."""
    return f"imported-{precision}.json"


def find_imported(device: str, precision: str) -> Path | None:
    """A device's imported table of a precision: the user's, else a shipped one, else None."""
    return resources.find("latency_tables", f"{device}/{imported_file_name(precision)}")


def imported_note(table: ImportedLatencyTable) -> str:
    """Where an imported table's latencies come from, for whoever is about to use them."""
    runtime = table.runtime or "an unknown runtime"
    threads = (
        "an unknown number of threads" if table.threads is None else f"threads: {table.threads}"
    )
    return (
        f"Latencies of {table.device} are imported, not measured by hwnas: {table.source} "
        f"({table.precision}, {runtime}, {threads}). How far sums of its layers are from whole "
        "networks is not known."
    )


def _named(layer: LayerSpec) -> str:
    """A layer in a few words."""
    size = f"{layer.resolution} px, {layer.in_channels} to {layer.out_channels} channels"
    return f"{layer.kind} layer ({size})"


def _faults(table: ImportedLatencyTable) -> Iterator[str]:
    """What no measurement can have given, in words."""
    for i, figure in enumerate(table.layers):
        if not 0 < figure.mean_ms < math.inf:
            yield f"layers.{i} has a mean of {figure.mean_ms} ms; expected a number above 0"
        if not 0 <= figure.std_ms < math.inf:
            yield f"layers.{i} has a deviation of {figure.std_ms} ms; expected 0 or more"
    if not table.layers:
        yield "layers is empty; expected what others measured"
    every = [*(figure.layer for figure in table.layers), *table.contained]
    if len(set(every)) < len(every):
        yield "layers and contained name a layer twice"
