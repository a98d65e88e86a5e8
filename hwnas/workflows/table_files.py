"""Latency tables as files: which there are, and others' tables made into ones of ours."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwnas import resources
from hwnas.devices import device_names, is_name
from hwnas.errors import FileFormatError, HwnasWarning, InputError, UnknownNameError
from hwnas.imported_table import (
    AnyBoundTable,
    AnyTable,
    ImportedLatencyTable,
    PublishedFile,
    imported_file_name,
    read_table,
)
from hwnas.protocols import SearchSpace
from hwnas.published_tables import read_published
from hwnas.spaces import from_definition, load_space
from hwnas.units import PRECISIONS


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A latency table that can be searched with.

    Attributes:
        path: Its file.
        device: Folder that it lies in.
        table: What the file holds; None when it is damaged.
        fault: What is wrong with it; empty when nothing is.
    """

    path: Path
    device: str
    table: AnyTable | None
    fault: str = ""


def tables() -> tuple[TableStatus, ...]:
    """All latency tables, from the working folder's ``latency_tables`` and from hwnas."""
    found = resources.available("latency_tables", "*/*.json")
    return tuple(_status(path) for _, path in sorted(found.items()))


def load_table(path: str | Path, space: SearchSpace | str | Path | None = None) -> AnyBoundTable:
    """A latency table with a space: ``table.latency_ms(genes)``.

    Args:
        path: Of a measured or an imported table.
        space: Whose genes it shall take, or its name or file; None for the space that a measured
            table was profiled for.

    Raises:
        FileFormatError: The file is truncated or no latency table.
        InputError: An imported table is given no space.
        SpaceMismatchError: The table lacks layers of the space.
    """
    table = read_table(Path(path))
    if isinstance(space, str | Path):
        space = load_space(space)
    if space is not None:
        return table.bind(space)
    if isinstance(table, ImportedLatencyTable):
        raise InputError(
            f"{path} holds layers of no particular space; name one, such as load_table(path, "
            '"ofa_mbv3_w1.2").'
        )
    return table.bind(from_definition(table.space, source=str(path)))


def import_table(
    published: Sequence[str | Path],
    *,
    device: str,
    source: str,
    runtime: str = "",
    precision: str = "fp32",
    threads: int | None = None,
    folder: str | Path = "latency_tables",
) -> tuple[Path, ImportedLatencyTable]:
    """Make others' latency tables one of ours, in place of what was imported for it before.

    Args:
        published: Once-for-All's or NSGANetV2's YAML files of one device.
        device: Name of the device; it need not be described yet.
        source: Who measured, and where it was published; kept in the table.
        runtime: What ran the layers there; empty when that is not known.
        precision: Of the layers.
        threads: Of the runtime; None when that is not known.
        folder: Where tables are kept.

    Returns:
        The table's file, and the table.

    Raises:
        FileFormatError: A file is no such table, or they do not belong together.
        InputError: The device's name cannot be one, or no source is given.
        UnknownNameError: The precision is unknown.
    """
    if not is_name(device):
        raise InputError(
            f"{device!r} cannot be a device's name: use letters, digits, '.', '_' and '-'."
        )
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if not source.strip():
        raise InputError("Say who measured the table and where it was published: --source.")
    if threads is not None and threads < 1:
        raise InputError(
            f"{threads} threads cannot have run anything; leave out what is not known."
        )
    if not published:
        raise InputError("No file is named to import; give the published YAML files of one device.")
    paths = [Path(path) for path in published]
    found = read_published(paths)
    table = ImportedLatencyTable(
        device=device, precision=precision, source=source.strip(), published_as=found.format,
        runtime=runtime, threads=threads, published=tuple(map(_fingerprint, paths)),
        layers=found.layers, contained=found.contained,
    )  # fmt: skip
    path = Path(folder) / device / imported_file_name(precision)
    table.write(path)
    if device not in device_names():
        warnings.warn(
            f"No device is called {device} yet; to search with its table, describe it in "
            f"devices/{device}.toml (hwnas devices add).",
            HwnasWarning,
            stacklevel=2,
        )
    return path, table


def _status(path: Path) -> TableStatus:
    device = path.parent.name
    try:
        return TableStatus(path, device, read_table(path))
    except FileFormatError as error:
        return TableStatus(path, device, None, str(error))


def _fingerprint(path: Path) -> PublishedFile:
    return PublishedFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
