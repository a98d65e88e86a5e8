"""An experiment: everything a run needs to know, as one TOML file or as options say it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwnas import files
from hwnas.devices import device_names
from hwnas.errors import FileFormatError, InputError, UnknownNameError
from hwnas.prediction.imagenet import DIRECT_RESOLUTIONS
from hwnas.prediction.imagenet_features import SPACE as IMAGENET_SPACE
from hwnas.problem import DOMINANCES, PLAIN
from hwnas.search import executors
from hwnas.search.executors import RAY_TIMEOUT_S, SERIAL
from hwnas.spaces import preset_names
from hwnas.training import hugging_face
from hwnas.training.config import NetworkConfig, SupernetConfig
from hwnas.training.data import data_names
from hwnas.units import PRECISIONS

CALIBRATION_IMAGES = 256

BY_SUPERNET, BY_IMAGENET, BY_PREDICTOR = "supernet", "imagenet", "predictor"
ACCURACIES = (BY_SUPERNET, BY_IMAGENET, BY_PREDICTOR)
"""Where accuracies come from."""


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
        source: A shipped data set's name, an image folder, an ``.npz`` file, or ``hf:NAME`` of
            Hugging Face's hub. Empty for none: then accuracy cannot be an objective.
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
            40 % of the way from the space's smallest to its largest. ``latency_ms<=2.5@95%`` holds
            with 95 % confidence by the standard deviation that the latency table states.
        strategy: A file name in ``hwnas/strategies``.
        evaluations: Architectures to evaluate. Those that a cheap objective shows to be over
            budget are not evaluated and do not count.
        batch: Architectures that the strategy proposes at once; its population size.
        dominance: ``plain``: whatever has worse numbers than another leaves the front.
            ``noise_aware``: only what is beaten beyond doubt, by the standard deviations that
            estimators state.
        measure_finalists: The most networks of the front, and of those that might belong on it,
            to measure on the device when the search has ended; 0 for none.
        fidelities: Parts of a full evaluation, such as 0.125, at which each architecture of a batch
            is looked at first, in rising order. Of accuracy by a supernet, parts of the images.
        keep: The part of them that goes on from each fidelity, in the end to a full evaluation;
            only full ones count as evaluations.
        stop_below: With fidelities, and instead of ``keep``: stop those whose chance of belonging
            to the front is below this, such as 0.05, as foreseen from the networks that were
            evaluated in full (at least 20 of them for 0.05, 8 for 0.2); 0 for a fixed part.
        executor: Where expensive objectives are asked, a file name in ``hwnas/search/executors``:
            ``serial``, one after another; ``local``, in processes of this machine; ``ray``, on a
            cluster. What is found is the same, so a run may go on with another one.
        workers: Evaluations at a time; 0 for one a processor core. Not for ``serial``.
        ray_address: Of a Ray cluster: ``HOST:PORT``, ``ray://HOST:PORT``, or ``auto``.
        ray_timeout_s: How long that may take to answer at all.
        retries: How often a failed evaluation is tried again before it is recorded as failed.
    """

    objectives: tuple[str, ...] = ("accuracy", "latency_ms")
    budgets: tuple[str, ...] = ()
    strategy: str = "nsga2"
    evaluations: int = 200
    batch: int = 20
    dominance: str = PLAIN
    measure_finalists: int = 0
    fidelities: tuple[float, ...] = ()
    keep: float = 0.5
    stop_below: float = 0.0
    executor: str = SERIAL
    workers: int = 0
    ray_address: str = ""
    ray_timeout_s: float = RAY_TIMEOUT_S
    retries: int = 2

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class ExportSection:
    """What to hand over.

    Attributes:
        pick: ``knee``, ``accuracy`` (the most accurate within the run's budgets), an
            architecture's id, or budgets such as ``latency_ms<=2`` or ``latency_ms<=2@95%`` for
            the most accurate in them.
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
        weights: A published supernet of Once-for-All, for its spaces and ImageNet's 1,000 classes,
            instead of training one; empty for none.
        accuracy: ``supernet``: on the data's validation part. ``imagenet``: predicted by what
            comes with hwnas, for Once-for-All's space of width 1.0; no data, no training.
            ``predictor``: predicted from the evaluations of another run.
        predictor_from: That run's directory.
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
    weights: str = ""
    accuracy: str = BY_SUPERNET
    predictor_from: str = ""
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
    _check_front(experiment.search, f"{source}: search")
    _check_workers(experiment.search, f"{source}: search")
    check_precisions(experiment.device.precisions, f"{source}: device.precisions")
    _check_others(experiment.device.others, f"{source}: device.others")
    _check_training(experiment.supernet, f"{source}: supernet")
    return with_accuracy(experiment, source)


def with_accuracy(experiment: Experiment, source: str) -> Experiment:
    """The experiment, once it is certain that its accuracies can be had as it says.

    Without resolutions of its own, it gets those that ImageNet's predictor knows best.
    """
    wanted, name = experiment.accuracy, experiment.predictor_from
    if wanted not in ACCURACIES:
        raise UnknownNameError("source of accuracies", wanted, ACCURACIES)
    if (wanted == BY_PREDICTOR) != bool(name):
        raise InputError(
            f"{source}: accuracy is {wanted!r} and predictor_from is {name!r}; expected "
            f"{BY_PREDICTOR!r} with another run's directory, or neither."
        )
    if wanted != BY_SUPERNET and experiment.data.source:
        raise InputError(
            f"{source}: accuracy is {wanted!r}, which looks at no images, and there is data "
            f"({experiment.data.source}); leave one of the two out."
        )
    if wanted != BY_SUPERNET and experiment.device.precisions != ("fp32",):
        raise InputError(
            f"{source}: accuracy is {wanted!r}, which is predicted at fp32 alone; the precisions "
            f"are {', '.join(experiment.device.precisions)}."
        )
    space = experiment.space
    if wanted == BY_IMAGENET and space.source == IMAGENET_SPACE and not space.resolutions:
        return replace(experiment, space=replace(space, resolutions=DIRECT_RESOLUTIONS))
    return experiment


def _check_front(section: SearchSection, where: str) -> None:
    if section.dominance not in DOMINANCES:
        hint = f"Change {where}.dominance."
        raise UnknownNameError("dominance", section.dominance, DOMINANCES, hint=hint)
    if section.measure_finalists < 0:
        raise FileFormatError(
            f"{where}.measure_finalists is {section.measure_finalists}; expected 0 or more."
        )


def _check_training(config: SupernetConfig, where: str) -> None:
    if not 0 <= config.largest_first < config.epochs:
        raise FileFormatError(
            f"{where}.largest_first is {config.largest_first}; it must be less than "
            f"supernet.epochs ({config.epochs}), or only the largest network is ever trained."
        )
    if not 0 <= config.average < 1:
        raise FileFormatError(
            f"{where}.average is {config.average}; expected a decay below 1 such as 0.9998, or 0."
        )
    if len(set(config.progressive)) < len(config.progressive):
        raise FileFormatError(
            f"{where}.progressive is {', '.join(config.progressive)}; expected nothing twice."
        )
    least = {"evaluate_every": config.evaluate_every, "recipe.batch_size": config.recipe.batch_size}
    for key, value in (least | {"recipe.threads": config.recipe.threads}).items():
        if value is not None and value < 1:
            raise FileFormatError(f"{where}.{key} is {value}; expected at least 1.")


def _check_workers(section: SearchSection, where: str) -> None:
    if section.executor not in executors.names():
        hint = f"Change {where}.executor."
        raise UnknownNameError("executor", section.executor, executors.names(), hint=hint)
    for key, value in (("workers", section.workers), ("retries", section.retries)):
        if value < 0:
            raise FileFormatError(f"{where}.{key} is {value}; expected 0 or more.")


def check_precisions(precisions: Sequence[str], where: str) -> None:
    """Refuse precisions that are unknown or named twice, named by where they stand."""
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
        if source.startswith(hugging_face.PREFIX):
            return hugging_face.anchored(source)
        is_path = source and source not in names and Path(source).exists()
        return str(Path(source).resolve()) if is_path else source

    device, devices = experiment.device, device_names()
    others = tuple(replace(other, name=absolute(other.name, *devices)) for other in device.others)
    return replace(
        experiment,
        supernet_from=absolute(experiment.supernet_from),
        predictor_from=absolute(experiment.predictor_from),
        weights=absolute(experiment.weights),
        space=replace(experiment.space, source=absolute(experiment.space.source, *preset_names())),
        data=replace(experiment.data, source=absolute(experiment.data.source, *data_names())),
        device=replace(device, name=absolute(device.name, *devices), others=others),
    )
