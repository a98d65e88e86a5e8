"""Latency tables, and the latency of a model file."""

from pathlib import Path

from hwnas import plugins, profiling, runtimes
from hwnas.devices import Device, load_device
from hwnas.errors import InputError
from hwnas.latency_table import EnergyFit, LatencyTable, Quality, table_path
from hwnas.measurement import Measurement
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace
from hwnas.workflows.experiment import SpaceSection
from hwnas.workflows.setting import data_of, space_for

_DISCIPLINE = Discipline()
_ANYHOW = Discipline(steadiness=Steadiness(max_unsettled=1.0))


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
    networks: int = profiling.NETWORKS,
    held_out: int = profiling.HELD_OUT,
    seed: int = 0,
    accept_unsteady: bool = False,
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
        networks: Whole networks to fit the table on, chosen to tell most about its layers.
        held_out: Further random ones, by which it states its own error.
        seed: Of the order of measurements and of the whole networks.
        accept_unsteady: Whether a device that stays unsteady gets a table with a warning, rather
            than `UnstableError`.
        folder: Where tables are kept.
        on_progress: Told after each visit to a model.

    Returns:
        The table's file, and the table.
    """
    return profile_space(
        load_device(device),
        space_to_profile(
            space, resolutions=resolutions, data=data, classes=classes, in_channels=in_channels
        ),
        runtime=runtime, precision=precision, threads=threads, networks=networks,
        held_out=held_out, seed=seed, accept_unsteady=accept_unsteady, folder=folder,
        on_progress=on_progress,
    )  # fmt: skip


def space_to_profile(
    space: str | Path,
    *,
    resolutions: tuple[int, ...] = (),
    data: str = "",
    classes: int | None = None,
    in_channels: int | None = None,
) -> SearchSpace:
    """The space whose layers are measured; arguments as `profile`."""
    section = SpaceSection(str(space), resolutions)
    images = data_of(data, space_for(section))
    return space_for(section, images, classes=classes, in_channels=in_channels)


def profile_space(
    device: Device,
    space: SearchSpace,
    *,
    runtime: str,
    precision: str,
    threads: int,
    networks: int,
    held_out: int = profiling.HELD_OUT,
    seed: int,
    folder: str | Path,
    on_progress: Progress,
    accept_unsteady: bool = False,
    discipline: Discipline | None = None,
) -> tuple[Path, LatencyTable]:
    """`profile` of a device and a space that are loaded already."""
    discipline = discipline or (_ANYHOW if accept_unsteady else _DISCIPLINE)
    table = profiling.profile(
        device, space, folder=Path(folder), runtime=runtime, precision=precision, threads=threads,
        networks=networks, held_out=held_out, seed=seed, discipline=discipline,
        on_progress=on_progress,
    )  # fmt: skip
    path = table_path(
        Path(folder), device.name, space=space.name, runtime=runtime, precision=precision,
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


def quality_sentence(quality: Quality) -> str:
    """What a table says of its own error."""
    covered = ""
    if quality.coverage_90 is not None:
        covered = f" and {quality.coverage_90:.0f} % within the 90 % interval stated for them"
    return (
        f"Fitted on {quality.calibrated_on} whole networks; against {quality.networks} others: "
        f"{quality.mape:.1f} % mean absolute error, bias {quality.bias:+.1f} %, Spearman "
        f"{quality.spearman:.3f}, {quality.within_5:.0f} % within 5 %, {quality.within_10:.0f} % "
        f"within 10 %{covered}; two halves of the same measurements differ by "
        f"{quality.repeatability_mape:.1f} %, Spearman {quality.repeatability_spearman:.3f}; "
        f"scaled sums of layers err by {quality.scaled_mape:.1f} %, plain ones by "
        f"{quality.unscaled_mape:.1f} %."
    )


def energy_sentence(energy: EnergyFit) -> str:
    """What a table says of the energies that a meter measured, and of its own error there."""
    halves = ""
    if energy.repeatability_mape is not None:
        halves = f"; two halves of the same measurements: {energy.repeatability_mape:.1f} %"
    return (
        f"Energy by meter {energy.meter}: {energy.active_mw / 1000:.3g} W beyond idle, fitted on "
        f"{energy.networks} whole networks; times predicted latencies: {energy.mape:.1f} % mean "
        f"absolute error, bias {energy.bias:+.1f} %, Spearman {energy.spearman:.3f}{halves}."
    )
