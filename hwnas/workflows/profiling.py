"""Devices: which there are, their latency tables, and the latency of a model file."""

from dataclasses import dataclass
from pathlib import Path

from hwnas import plugins, profiling, resources, runtimes
from hwnas.devices import Device, device_names, load_device, reachable
from hwnas.errors import InputError
from hwnas.latency_table import BoundLatencyTable, LatencyTable, Quality, table_path
from hwnas.measurement import Measurement
from hwnas.progress import Progress, silent
from hwnas.spaces import from_definition
from hwnas.workflows.experiment import SpaceSection
from hwnas.workflows.setting import data_of, space_for


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A known device.

    Attributes:
        device: What its file says.
        unreachable: Why it cannot be reached now; None when it can.
        tables: Its latency tables, by their file names.
    """

    device: Device
    unreachable: str | None
    tables: tuple[str, ...]


def devices() -> tuple[DeviceStatus, ...]:
    """All known devices, from the working folder's ``devices`` and from hwnas."""
    found = []
    for name in device_names():
        device = load_device(name)
        tables = resources.available("latency_tables", f"{name}/*.json")
        names = tuple(Path(table).stem for table in tables)
        found.append(DeviceStatus(device, reachable(device), names))
    return tuple(found)


def profile(
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
    networks: int = 24,
    seed: int = 0,
    folder: str | Path = "latency_tables",
    on_progress: Progress = silent,
) -> tuple[Path, LatencyTable]:
    """Measure what a device's latency table lacks of a space; continue what was interrupted.

    Args:
        device: Name or TOML file of the device.
        space: Preset or TOML file of the space.
        resolutions: Input resolutions to measure; empty for all of the space's.
        data: Images that decide classes and input channels; empty for the space's own.
        classes: Classes of the network; None for the data's or the space's.
        in_channels: Likewise.
        runtime: A file name in ``hwnas/runtimes``.
        precision: Of the models.
        threads: Of the runtime.
        networks: Whole random networks to compare the table with.
        seed: Of the order of measurements and of the whole networks.
        folder: Where tables are kept.
        on_progress: Told after each visit to a model.

    Returns:
        The table's file, and the table.
    """
    known = load_device(device)
    section = SpaceSection(str(space), resolutions)
    images = data_of(data, space_for(section))
    wanted = space_for(section, images, classes=classes, in_channels=in_channels)
    table = profiling.profile(
        known, wanted, folder=Path(folder), runtime=runtime, precision=precision, threads=threads,
        whole_networks=networks, seed=seed, on_progress=on_progress,
    )  # fmt: skip
    path = table_path(
        Path(folder), known.name, space=wanted.name, runtime=runtime, precision=precision,
        threads=threads,
    )  # fmt: skip
    return path, table


def measure(
    model: str | Path,
    *,
    device: str | Path = "host",
    runtime: str = "",
    threads: int = 1,
    table: LatencyTable | None = None,
    on_progress: Progress = silent,
) -> Measurement:
    """Latency of a model file on a device.

    Args:
        model: The file; it may come from anywhere.
        device: Name or TOML file of the device.
        runtime: A file name in ``hwnas/runtimes``; empty for the one that the file's ending says.
        threads: Of the runtime.
        table: A table of this device, whose predictions the measurement shall stand beside: how
            much slower or faster the machine is than when the table was measured is divided out.
        on_progress: Told after each visit.

    Raises:
        InputError: There is no such file, or its ending is of no format that a runtime runs.
        DeviceError: The device or its runtime cannot be used, or the file cannot be loaded there.
    """
    path = Path(model)
    if runtime:
        plugins.load("hwnas.runtimes", runtime, what="runtime")
    if not path.is_file():
        raise InputError(f"There is no model file {path}; give the path of an exported model.")
    return profiling.measure_model(
        load_device(device), path, runtime=runtime or _runtime_of(path), threads=threads,
        table=table, on_progress=on_progress,
    )  # fmt: skip


def _runtime_of(path: Path) -> str:
    known = runtimes.formats()
    model_format = path.suffix.removeprefix(".")
    if model_format not in known:
        endings = " or ".join(f".{name} ({', '.join(names)})" for name, names in known.items())
        raise InputError(f"No runtime is known for {path}: expected a file that ends in {endings}.")
    return runtimes.for_format(model_format)


def load_table(path: str | Path) -> BoundLatencyTable:
    """A latency table with the space it was profiled for: ``table.latency_ms(genes)``.

    Raises:
        FileFormatError: The file is truncated or no latency table.
    """
    table = LatencyTable.read(Path(path))
    return table.bind(from_definition(table.space, source=str(path)))


def quality_sentence(quality: Quality) -> str:
    """What a table says of its own error."""
    return (
        f"Sums of layers against {quality.networks} whole networks: {quality.mape:.1f} % mean "
        f"absolute error, bias {quality.bias:+.1f} %, Spearman {quality.spearman:.3f}; two halves "
        f"of the same measurements: {quality.repeatability_mape:.1f} %, "
        f"{quality.repeatability_spearman:.3f}."
    )
