"""An experiment: everything a run needs to know, as one TOML file or as options say it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwnas import files
from hwnas.devices import device_names
from hwnas.errors import FileFormatError, UnknownNameError
from hwnas.spaces import preset_names
from hwnas.training.config import NetworkConfig, SupernetConfig
from hwnas.training.data import data_names
from hwnas.units import PRECISIONS

CALIBRATION_IMAGES = 256


@dataclass(frozen=True, slots=True)
class SpaceSection:
    """Where to search.

    Attributes:
        source: A preset's name, or the path of a space's TOML file.
        resolutions: Input resolutions to keep; empty for all of the space's.
    """

    source: str
    resolutions: tuple[int, ...] = ()

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class DataSection:
    """What the networks learn; it decides their classes and input channels.

    Attributes:
        source: A shipped data set's name, an image folder, or an ``.npz`` file. Empty for none:
            then accuracy cannot be an objective.
        validation_fraction: Part of the training images that search judges accuracy on.
    """

    source: str = ""
    validation_fraction: float = 0.2

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class OtherDevice:
    """How a device is used that objectives or budgets name, as in ``latency_ms@pixel_8``.

    Attributes:
        name: A device file's name or path; after ``@`` stands the name, without folder and ending.
        runtime: A file name in ``hwnas/runtimes``; empty for that of the experiment's own device.
        threads: Of the runtime; 0 for as many as on the experiment's own device.
    """

    name: str
    runtime: str = ""
    threads: int = 0

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class DeviceSection:
    """Where the networks will run.

    Attributes:
        name: A device file's name or path.
        runtime: A file name in ``hwnas/runtimes``.
        precisions: Of weights and activations: the only one of all networks, or several for the
            search to choose from, network by network.
        threads: Of the runtime.
        accept_unsteady: Whether ``hwnas run`` goes on, with a warning, with a latency table of a
            device whose speed changed too much for the table to be believed.
        others: Of the devices that objectives or budgets name after ``@``, those that have a
            runtime or threads of their own. Precisions are the same everywhere.
    """

    name: str = "host"
    runtime: str = "onnxruntime"
    precisions: tuple[str, ...] = ("fp32",)
    threads: int = 1
    accept_unsteady: bool = False
    others: tuple[OtherDevice, ...] = ()

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class SearchSection:
    """What to search for, and how long.

    Attributes:
        objectives: Two to five names, such as ``accuracy`` and ``latency_ms``;
            ``latency_ms@pixel_8`` and ``energy_mj@pixel_8`` are those of another device.
        budgets: Hard bounds such as ``latency_ms<=2.5``; ``latency_ms<=40%`` stands for the value
            40 % of the way from the space's smallest to its largest.
        strategy: A file name in ``hwnas/strategies``.
        evaluations: Architectures to evaluate. Those that a cheap objective shows to be over
            budget are not evaluated and do not count.
        batch: Architectures that the strategy proposes at once; its population size.
    """

    objectives: tuple[str, ...] = ("accuracy", "latency_ms")
    budgets: tuple[str, ...] = ()
    strategy: str = "nsga2"
    evaluations: int = 200
    batch: int = 20

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class ExportSection:
    """What to hand over.

    Attributes:
        pick: ``knee``, ``accuracy`` (the most accurate within the run's budgets), an
            architecture's id, or budgets such as ``latency_ms<=2`` for the most accurate in them.
        formats: File names in ``hwnas/graphs``.
        precisions: Of weights and activations, a file in each format for each; empty for the one
            that the network was searched at.
        calibration_images: Of the training part, that show an int8 file its ranges.
    """

    pick: str = "accuracy"
    formats: tuple[str, ...] = ("onnx",)
    precisions: tuple[str, ...] = ()
    calibration_images: int = CALIBRATION_IMAGES

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class ReferenceSection:
    """Hand-made networks to stand beside.

    Attributes:
        train: How many of those not slower than the exported network to train for comparison,
            the largest first; 0 for none, -1 for all.
    """

    train: int = 0

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Experiment:
    """All of it; the sections of an experiment's TOML file.

    Attributes:
        space: Where to search.
        name: Of the run.
        seed: Of everything random but training, whose sections have their own.
        supernet_from: Another run's directory whose trained supernet is used; empty to train one.
        data: What the networks learn.
        device: Where they will run.
        supernet: How the supernet is trained.
        search: What to search for.
        fine_tune: How the chosen network, and hand-made ones, are trained.
        export: What to hand over.
        references: Hand-made networks to stand beside.
    """

    space: SpaceSection
    name: str = "experiment"
    seed: int = 0
    supernet_from: str = ""
    data: DataSection = field(default_factory=DataSection)
    device: DeviceSection = field(default_factory=DeviceSection)
    supernet: SupernetConfig = field(default_factory=SupernetConfig)
    search: SearchSection = field(default_factory=SearchSection)
    fine_tune: NetworkConfig = field(default_factory=NetworkConfig)
    export: ExportSection = field(default_factory=ExportSection)
    references: ReferenceSection = field(default_factory=ReferenceSection)

    __pydantic_config__ = files.STRICT


def load_experiment(path: str | Path) -> Experiment:
    """An experiment from its TOML file.

    Raises:
        FileFormatError: The file is missing, or a key or value in it is wrong.
    """
    path = Path(path)
    content = files.read_toml(path)
    return parse_experiment({"name": path.stem, **content}, source=str(path))


def parse_experiment(content: dict[str, Any], *, source: str) -> Experiment:
    """An experiment from plain data, such as a run's recorded configuration."""
    experiment = files.parse(content, Experiment, source=source)
    wrong = {
        "search.evaluations": experiment.search.evaluations < 1,
        "search.batch": experiment.search.batch < 1,
        "device.threads": experiment.device.threads < 1,
        "export.calibration_images": experiment.export.calibration_images < 1,
    }
    for key, is_wrong in wrong.items():
        if is_wrong:
            raise FileFormatError(f"{source}: {key} must be at least 1.")
    _check_precisions(experiment.device.precisions, f"{source}: device.precisions")
    _check_others(experiment.device.others, f"{source}: device.others")
    if not 0 <= experiment.supernet.largest_first < experiment.supernet.epochs:
        raise FileFormatError(
            f"{source}: supernet.largest_first is {experiment.supernet.largest_first}; it must be "
            f"less than supernet.epochs ({experiment.supernet.epochs}), or only the largest "
            "network is ever trained."
        )
    return experiment


def _check_precisions(precisions: Sequence[str], where: str) -> None:
    unknown = [precision for precision in precisions if precision not in PRECISIONS]
    if unknown:
        raise UnknownNameError("precision", unknown[0], PRECISIONS, hint=f"Change {where}.")
    if not precisions or len(set(precisions)) < len(precisions):
        raise FileFormatError(
            f"{where} is {list(precisions)}; expected at least one, and none twice."
        )


def _check_others(others: Sequence[OtherDevice], where: str) -> None:
    names = [other_name(other) for other in others]
    if len(set(names)) < len(names):
        raise FileFormatError(f"{where} names {', '.join(names)}; expected no device twice.")
    for i, other in enumerate(others):
        if other.threads < 0:
            raise FileFormatError(f"{where}.{i}.threads is {other.threads}; expected 0 or more.")


def other_name(other: OtherDevice) -> str:
    """What stands after ``@`` for a device."""
    return Path(other.name).stem if other.name.endswith(".toml") else other.name


def anchored(experiment: Experiment) -> Experiment:
    """The experiment with its paths absolute, so that a run can be resumed from anywhere."""

    def absolute(source: str, *names: str) -> str:
        is_path = source and source not in names and Path(source).exists()
        return str(Path(source).resolve()) if is_path else source

    device, devices = experiment.device, device_names()
    others = tuple(replace(other, name=absolute(other.name, *devices)) for other in device.others)
    return replace(
        experiment,
        supernet_from=absolute(experiment.supernet_from),
        space=replace(experiment.space, source=absolute(experiment.space.source, *preset_names())),
        data=replace(experiment.data, source=absolute(experiment.data.source, *data_names())),
        device=replace(device, name=absolute(device.name, *devices), others=others),
    )


def experiment_from_options(
    *,
    name: str,
    space: str,
    objectives: Sequence[str] = ("accuracy", "latency_ms"),
    budgets: Sequence[str] = (),
    data: str = "",
    device: str = "host",
    resolutions: Sequence[int] = (),
    runtime: str = "onnxruntime",
    precision: Sequence[str] = ("fp32",),
    threads: int = 1,
    strategy: str = "nsga2",
    evaluations: int = 200,
    batch: int = 20,
    epochs: int | None = None,
    supernet_from: str = "",
    seed: int = 0,
) -> Experiment:
    """An experiment as the options of ``hwnas search`` say it; the rest at its defaults.

    Args:
        name: Of the run.
        space: Preset or TOML file.
        objectives: As `SearchSection.objectives`.
        budgets: As `SearchSection.budgets`.
        data: As `DataSection.source`.
        device: As `DeviceSection.name`.
        resolutions: As `SpaceSection.resolutions`.
        runtime: As `DeviceSection.runtime`.
        precision: As `DeviceSection.precisions`; empty for fp32.
        threads: As `DeviceSection.threads`.
        strategy: As `SearchSection.strategy`.
        evaluations: As `SearchSection.evaluations`.
        batch: As `SearchSection.batch`.
        epochs: Of the supernet's training; None for the default.
        supernet_from: As `Experiment.supernet_from`.
        seed: Of everything random.

    Raises:
        InputError: A precision is unknown or named twice.
    """
    precisions = tuple(precision) or DeviceSection().precisions
    _check_precisions(precisions, "--precision")
    supernet = SupernetConfig(seed=seed)
    if epochs is not None:
        first = min(supernet.largest_first, epochs // 2)
        supernet = replace(supernet, epochs=epochs, largest_first=first)
    return Experiment(
        space=SpaceSection(space, tuple(resolutions)),
        name=name,
        seed=seed,
        supernet_from=supernet_from,
        data=DataSection(data),
        device=DeviceSection(device, runtime, precisions, threads),
        supernet=supernet,
        search=SearchSection(tuple(objectives), tuple(budgets), strategy, evaluations, batch),
    )
