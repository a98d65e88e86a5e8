"""What an experiment's names stand for: space, data, device and table, loaded and fitting."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwnas.devices import Device, load_device
from hwnas.devices.agent import conditions
from hwnas.errors import HwnasWarning, InputError, SpaceMismatchError
from hwnas.estimators.cost_model import is_metered
from hwnas.imported_table import (
    AnyBoundTable,
    ImportedLatencyTable,
    find_imported,
    imported_note,
    read_table,
)
from hwnas.latency_table import LatencyTable, find_table
from hwnas.prediction import Predictor
from hwnas.profiling.target import Target
from hwnas.protocols import SearchSpace
from hwnas.spaces import load_space
from hwnas.spaces.precision_choice import PrecisionSpace, base_space
from hwnas.training.data import DataSet, load_data
from hwnas.workflows.experiment import (
    BY_PREDICTOR,
    DataSection,
    DeviceSection,
    Experiment,
    SpaceSection,
)
from hwnas.workflows.predicted_accuracy import fitted_on, space_of
from hwnas.workflows.quantities import other_experiments
from hwnas.workflows.runs import load_run


@dataclass(frozen=True, slots=True)
class Setting:
    """The parts of an experiment, loaded.

    Attributes:
        space: With the classes and input channels of the data, when there is data; with a
            precision gene when the experiment has several precisions.
        data: Images at the space's largest resolution; None when the experiment has none.
        device: The target.
        others: Further devices, by the names that objectives or budgets give after ``@``.
        predictor: Of accuracy, where the experiment has it learn from another run.
    """

    space: SearchSpace
    data: DataSet | None
    device: Device
    others: Mapping[str, Device] = field(default_factory=dict)
    predictor: Predictor | None = None


def prepare(experiment: Experiment, space: SearchSpace | None = None) -> Setting:
    """Load what an experiment names.

    Args:
        experiment: Names space, data and device.
        space: The space that a run recorded; None to load the one that the experiment names.

    Raises:
        InputError: A name is unknown, a file is wrong, or the images cannot be used.
        RuntimeMissingError: A device or its runtime lacks a precision.
    """
    section, elsewhere = experiment.device, other_experiments(experiment)
    device = _checked_device(section)
    others = {name: _checked_device(other.device) for name, other in elsewhere.items()}
    predictor = None
    if experiment.accuracy == BY_PREDICTOR:
        learned_from = load_run(experiment.predictor_from)
        space = space or space_of(learned_from, experiment.space)
        predictor = fitted_on(learned_from)
    named = space or space_for(experiment.space)
    data = load_images(named, experiment.data, experiment.seed)
    if space is None:
        space = space_for(experiment.space, data)
        if len(section.precisions) > 1:
            space = PrecisionSpace(space, section.precisions)
    return Setting(space, data, device, others, predictor)


def _checked_device(section: DeviceSection) -> Device:
    """The device of a section, once it is certain that it has the section's precisions."""
    device = load_device(section.name)
    for precision in section.precisions:
        Target(device, section.runtime, precision, section.threads).check()
    return device


def space_for(section: SpaceSection, data: DataSet | None = None, **changes: Any) -> SearchSpace:
    """The search space, restricted to the section's resolutions and made for the data.

    Args:
        section: Names the space.
        data: Decides classes and input channels; None for the space's own.
        changes: Further top-level keys of the space to replace; None values are left out.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    named = load_space(section.source)
    if isinstance(named, PrecisionSpace):
        raise InputError(
            f"{section.source} chooses precisions itself; name the space that is its base, and the "
            "precisions with --precision or, in an experiment's file, device.precisions."
        )
    if data is not None:
        changes = {"classes": len(data.classes), "in_channels": data.in_channels} | changes
    if section.resolutions:
        offered = named.definition()["resolutions"]
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
    return load_images(space, DataSection(source), 0)


def tables_for(experiment: Experiment, setting: Setting) -> dict[str, tuple[Path, AnyBoundTable]]:
    """The latency tables that an experiment needs of its own device, by precision.

    Of a device that was not measured, imported ones are taken.

    Returns:
        Each table's file, and the table bound to the space without its precision gene.

    Raises:
        InputError: One is missing; says how to measure all that are.
        SpaceMismatchError: One lacks layers of the space; says how to add them.
        FileFormatError: A file is damaged.
    """
    found, space = _found_tables(experiment, setting), base_space(setting.space)
    missing = [precision for precision, path in found.items() if path is None]
    if missing:
        commands = "; ".join(_profile_command(experiment, precision) for precision in missing)
        kind = "" if missing == ["fp32"] else f" at {' and '.join(missing)}"
        raise InputError(
            f"There is no latency table of {experiment.device.name} for space {space.name}{kind}; "
            f"measure it with: {commands}."
        )
    return {
        precision: (path, _fitting_table(experiment, setting, path))
        for precision, path in found.items()
        if path is not None
    }


def metered_tables(
    experiment: Experiment, setting: Setting
) -> dict[str, tuple[Path, AnyBoundTable]]:
    """As `tables_for`, where all tables are there and hold energies; else none.

    Energy needs no table: it is a model where no meter was read.
    """
    paths = _found_tables(experiment, setting)
    tables = {precision: read_table(path) for precision, path in paths.items() if path is not None}
    if len(tables) < len(paths) or not is_metered(tables):
        return {}
    return tables_for(experiment, setting)


def _found_tables(experiment: Experiment, setting: Setting) -> dict[str, Path | None]:
    """Files of the tables that an experiment needs, by precision; None for a missing one."""
    device, space = experiment.device, base_space(setting.space)
    return {
        precision: find_table(
            setting.device.name, space=space.name, runtime=device.runtime, precision=precision,
            threads=device.threads,
        )
        or find_imported(setting.device.name, precision)
        for precision in device.precisions
    }  # fmt: skip


def _fitting_table(experiment: Experiment, setting: Setting, path: Path) -> AnyBoundTable:
    """A table that holds all layers of the space, bound to it."""
    space, table = base_space(setting.space), read_table(path)
    if isinstance(table, ImportedLatencyTable):
        bound = table.bind(space)
        warnings.warn(imported_note(table), HwnasWarning, stacklevel=2)
        return bound
    wanted = (experiment.device.runtime, experiment.device.threads)
    if (table.runtime, table.threads) != wanted:
        raise InputError(
            f"{path} was measured with {table.runtime} and {table.threads} threads, and the search "
            f"is for {wanted[0]} and {wanted[1]}: latencies of one say nothing of the other; "
            f"measure with: {_profile_command(experiment, table.precision)}."
        )
    lacking = table.lacking(space.catalog)
    if lacking:
        raise SpaceMismatchError(
            f"{path} lacks {len(lacking)} of the {len(space.catalog) - 1} layers of space "
            f"{space.name} with these images; add them with: "
            f"{_profile_command(experiment, table.precision)}."
        )
    _warn_of_another_processor(setting.device, table, path)
    return table.bind(space)


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


def _profile_command(experiment: Experiment, precision: str) -> str:
    device, space = experiment.device, experiment.space
    words = ["hwnas profile", device.name, "--space", space.source]
    words += [word for r in space.resolutions for word in ("--resolution", str(r))]
    words += ["--data", experiment.data.source] if experiment.data.source else []
    usual = DeviceSection()
    words += ["--runtime", device.runtime] if device.runtime != usual.runtime else []
    words += ["--precision", precision] if (precision,) != usual.precisions else []
    words += ["--threads", str(device.threads)] if device.threads != usual.threads else []
    return " ".join(words)


def load_images(space: SearchSpace, data: DataSection, seed: int) -> DataSet | None:
    """The images that a section names, at a space's largest resolution; None when it names none.

    Args:
        space: Whose resolution.
        data: What to load.
        seed: Of the split into parts.
    """
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
