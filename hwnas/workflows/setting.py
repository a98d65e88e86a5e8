"""What an experiment's names stand for: space, data, device and table, loaded and fitting."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwnas.devices import Device, load_device
from hwnas.devices.agent import conditions
from hwnas.errors import HwnasWarning, InputError, SpaceMismatchError
from hwnas.latency_table import BoundLatencyTable, LatencyTable, find_table
from hwnas.protocols import SearchSpace
from hwnas.spaces import load_space
from hwnas.training.data import DataSet, load_data
from hwnas.workflows.experiment import DataSection, DeviceSection, Experiment, SpaceSection


@dataclass(frozen=True, slots=True)
class Setting:
    """The parts of an experiment, loaded.

    Attributes:
        space: With the classes and input channels of the data, when there is data.
        data: Images at the space's largest resolution; None when the experiment has none.
        device: The target.
    """

    space: SearchSpace
    data: DataSet | None
    device: Device


def prepare(experiment: Experiment, space: SearchSpace | None = None) -> Setting:
    """Load what an experiment names.

    Args:
        experiment: Names space, data and device.
        space: The space that a run recorded; None to load the one that the experiment names.

    Raises:
        InputError: A name is unknown, a file is wrong, or the images cannot be used.
    """
    device = load_device(experiment.device.name)
    named = space or space_for(experiment.space)
    data = _load_data(named, experiment.data, experiment.seed)
    return Setting(space or space_for(experiment.space, data), data, device)


def space_for(section: SpaceSection, data: DataSet | None = None, **changes: Any) -> SearchSpace:
    """The search space, restricted to the section's resolutions and made for the data.

    Args:
        section: Names the space.
        data: Decides classes and input channels; None for the space's own.
        changes: Further top-level keys of the space to replace; None values are left out.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    if data is not None:
        changes = {"classes": len(data.classes), "in_channels": data.in_channels} | changes
    if section.resolutions:
        offered = load_space(section.source).definition()["resolutions"]
        unknown = [r for r in section.resolutions if r not in offered]
        if unknown:
            raise InputError(
                f"Resolution {unknown[0]} is not offered by space {section.source}; it has "
                f"{', '.join(map(str, offered))}."
            )
        changes["resolutions"] = sorted(set(section.resolutions))
    return load_space(section.source, **changes)


def data_of(source: str, space: SearchSpace) -> DataSet | None:
    """The images of a source at a space's largest resolution; None for an empty source."""
    return _load_data(space, DataSection(source), 0)


def table_for(experiment: Experiment, setting: Setting) -> tuple[Path, BoundLatencyTable]:
    """The latency table that an experiment needs: its file, and the table bound to the space.

    Raises:
        InputError: There is none; says how to measure it.
        SpaceMismatchError: It lacks layers of the space; says how to add them.
        FileFormatError: The file is damaged.
    """
    device, space = experiment.device, setting.space
    path = find_table(
        setting.device.name, space=space.name, runtime=device.runtime, precision=device.precision,
        threads=device.threads,
    )  # fmt: skip
    if path is None:
        raise InputError(
            f"There is no latency table of {device.name} for space {space.name}; measure it with: "
            f"{_profile_command(experiment)}."
        )
    table = LatencyTable.read(path)
    lacking = table.lacking(space.catalog)
    if lacking:
        raise SpaceMismatchError(
            f"{path} lacks {len(lacking)} of the {len(space.catalog) - 1} layers of space "
            f"{space.name} with these images; add them with: {_profile_command(experiment)}."
        )
    _warn_of_another_processor(setting.device, table, path)
    return path, table.bind(space)


def _warn_of_another_processor(device: Device, table: LatencyTable, path: Path) -> None:
    """A table of this machine may have come with files that were copied from another one."""
    here = conditions(Path("/"))["cpu"]
    if device.transport == "local" and table.sessions and table.sessions[-1].cpu != here:
        warnings.warn(
            f"{path} was measured on {table.sessions[-1].cpu}, and this machine is {here}: its "
            f"latencies are not this machine's. Move it away and run hwnas profile {device.name}.",
            HwnasWarning,
            stacklevel=2,
        )


def _profile_command(experiment: Experiment) -> str:
    device, space = experiment.device, experiment.space
    words = ["hwnas profile", device.name, "--space", space.source]
    words += [word for r in space.resolutions for word in ("--resolution", str(r))]
    words += ["--data", experiment.data.source] if experiment.data.source else []
    usual = DeviceSection()
    for option in ("runtime", "precision", "threads"):
        if getattr(device, option) != getattr(usual, option):
            words += [f"--{option}", str(getattr(device, option))]
    return " ".join(words)


def _load_data(space: SearchSpace, data: DataSection, seed: int) -> DataSet | None:
    if not data.source:
        return None
    loaded = load_data(
        data.source, resolution=space.slot_layers[0].resolution,
        validation_fraction=data.validation_fraction, seed=seed,
    )  # fmt: skip
    if loaded.skipped:
        warnings.warn(
            f"{len(loaded.skipped)} of the files in {data.source} are no readable images and were "
            f"skipped: {', '.join(loaded.skipped)}.",
            HwnasWarning,
            stacklevel=2,
        )
    return loaded
