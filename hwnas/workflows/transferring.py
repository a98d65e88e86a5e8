"""The latency table of a new device from few measurements and the tables at hand."""

from pathlib import Path

from hwnas import resources
from hwnas.devices import load_device
from hwnas.errors import FileFormatError, InputError
from hwnas.imported_table import AnyTable, ImportedLatencyTable, read_table
from hwnas.latency_table import LatencyTable, profile_command, table_path
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.networks import NETWORK_DISCIPLINE
from hwnas.profiling.table import HELD_OUT
from hwnas.profiling.transfer import MEASUREMENTS, transfer_table
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace
from hwnas.workflows.profiling import space_to_profile


def transfer(
    device: str | Path,
    space: str | Path,
    *,
    resolutions: tuple[int, ...] = (),
    data: str = "",
    classes: int | None = None,
    in_channels: int | None = None,
    runtime: str = "onnxruntime",
    precision: str = "fp32",
    threads: int = 1,
    measurements: int = MEASUREMENTS,
    held_out: int = HELD_OUT,
    seed: int = 0,
    folder: str | Path = "latency_tables",
    discipline: Discipline = NETWORK_DISCIPLINE,
    on_progress: Progress = silent,
) -> tuple[Path, LatencyTable]:
    """Write a device's latency table from few whole networks and from all other tables at hand.

    The others may be of other devices, runtimes, precisions or threads; those count that hold all
    layers of the space and whose layers were measured, by hwnas or by whom they were imported from.

    Args:
        device: Name or TOML file of the new device.
        space: Preset or TOML file of the space.
        resolutions: Input resolutions; empty for all of the space's.
        data: Images that decide classes and input channels; empty for the space's own.
        classes: Classes of the network; None for the data's or the space's.
        in_channels: Likewise.
        runtime: A file name in ``hwnas/runtimes``.
        precision: Of the models.
        threads: Of the runtime.
        measurements: Whole networks to learn from, chosen to tell most.
        held_out: Further random ones, by which the table states its own error.
        seed: Of the order of measurements and of the networks.
        folder: Where tables are kept.
        discipline: How thoroughly.
        on_progress: Told after each visit to a model.

    Returns:
        The table's file, and the table.

    Raises:
        InputError: No other table holds the layers, or the device's own were measured already.
        DeviceError: The device was lost or cannot run a network.
    """
    found = load_device(device)
    wanted = space_to_profile(
        space, resolutions=resolutions, data=data, classes=classes, in_channels=in_channels
    )
    path = table_path(
        Path(folder), found.name, space=wanted.name, runtime=runtime, precision=precision,
        threads=threads,
    )  # fmt: skip
    donors = known_tables(wanted, Path(folder), target=path)
    if not donors:
        command = profile_command(
            found.name, space=str(space), runtime=runtime, precision=precision, threads=threads
        )
        raise InputError(
            f"No other latency table holds all layers of space {wanted.name}, so there is nothing "
            f"to transfer from: measure the layers of this device ({command}) or of another, or "
            "take over what others published (hwnas tables import)."
        )
    table = transfer_table(
        found, wanted, donors, folder=Path(folder), runtime=runtime, precision=precision,
        threads=threads, measurements=measurements, held_out=held_out, seed=seed,
        discipline=discipline, on_progress=on_progress,
    )  # fmt: skip
    return path, table


def known_tables(
    space: SearchSpace, folder: Path, *, target: Path
) -> tuple[tuple[Path, AnyTable], ...]:
    """Tables whose layers were measured and that hold all those of a space, with their files.

    Args:
        space: The space.
        folder: Where tables are kept; those of the working folder and of hwnas count too.
        target: The table that is to be written, which is none of them.
    """
    paths = resources.available("latency_tables", "*/*.json")
    paths |= {str(path.relative_to(folder)): path for path in sorted(folder.glob("*/*.json"))}
    paths.pop(str(target.relative_to(folder)), None)
    found = []
    for _, path in sorted(paths.items()):
        try:
            table = read_table(path)
        except FileFormatError:
            continue  # hwnas tables says what is wrong with it
        measured = isinstance(table, ImportedLatencyTable) or table.transferred is None
        if measured and not table.lacking(space.catalog):
            found.append((path, table))
    return tuple(found)


def transfer_sentence(table: LatencyTable) -> str:
    """Where a transferred table comes from, and what it says of its own error."""
    if table.transferred is None:
        raise InputError("Layers of this table were measured; it was not transferred.")
    donors = "; ".join(
        f"{one.device} ({one.runtime or 'unknown runtime'}, {one.precision}, threads: "
        f"{'unknown' if one.threads is None else one.threads})"
        for one in table.transferred.donors
    )
    told = sum(not network.held_out for network in table.networks)
    text = f"Transferred from {donors} by {told} whole networks; no layer was measured here."
    quality = table.quality
    if quality is None:
        return f"{text} Its error is not known: no networks were held out."
    covered = (
        ""
        if quality.coverage_90 is None
        else (f", {quality.coverage_90:.0f} % within the 90 % interval stated for them")
    )
    return (
        f"{text} Against {quality.networks} others: {quality.mape:.1f} % mean absolute error, bias "
        f"{quality.bias:+.1f} %, Spearman {quality.spearman:.3f}{covered}; the nearest of the "
        f"others' tables, scaled, errs by {quality.scaled_mape:.1f} %; two halves of the same "
        f"measurements differ by {quality.repeatability_mape:.1f} %, Spearman "
        f"{quality.repeatability_spearman:.3f}."
    )
