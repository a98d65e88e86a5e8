"""An experiment as the options of a command say it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hwnas import files
from hwnas.problem import NOISE_AWARE, PLAIN
from hwnas.search.executors import RAY_TIMEOUT_S, SERIAL
from hwnas.training.config import SupernetConfig
from hwnas.workflows.experiment import (
    BY_SUPERNET,
    DataSection,
    DeviceSection,
    Experiment,
    SearchSection,
    SpaceSection,
    check_precisions,
    parse_experiment,
    with_accuracy,
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
    weights: str = "",
    accuracy: str = BY_SUPERNET,
    predictor_from: str = "",
    noise_aware: bool = False,
    measure_finalists: int = 0,
    fidelities: Sequence[float] = (),
    stop_below: float = 0.0,
    executor: str = SERIAL,
    workers: int = 0,
    ray_address: str = "",
    ray_timeout_s: float = RAY_TIMEOUT_S,
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
        weights: As `Experiment.weights`.
        accuracy: As `Experiment.accuracy`.
        predictor_from: As `Experiment.predictor_from`.
        noise_aware: Whether `SearchSection.dominance` is ``noise_aware``.
        measure_finalists: As `SearchSection.measure_finalists`.
        fidelities: As `SearchSection.fidelities`.
        stop_below: As `SearchSection.stop_below`.
        executor: As `SearchSection.executor`.
        workers: As `SearchSection.workers`.
        ray_address: As `SearchSection.ray_address`.
        ray_timeout_s: As `SearchSection.ray_timeout_s`.
        seed: Of everything random.

    Raises:
        InputError: A precision is unknown or named twice, or accuracies cannot be had so.
    """
    precisions = tuple(precision) or DeviceSection().precisions
    check_precisions(precisions, "--precision")
    supernet = SupernetConfig(seed=seed)
    if epochs is not None:
        first = min(supernet.largest_first, epochs // 2)
        supernet = replace(supernet, epochs=epochs, largest_first=first)
    experiment = Experiment(
        space=SpaceSection(space, tuple(resolutions)),
        name=name,
        seed=seed,
        supernet_from=supernet_from,
        weights=weights,
        accuracy=accuracy,
        predictor_from=predictor_from,
        data=DataSection(data),
        device=DeviceSection(device, runtime, precisions, threads),
        supernet=supernet,
        search=SearchSection(
            tuple(objectives),
            tuple(budgets),
            strategy,
            evaluations,
            batch,
            dominance=NOISE_AWARE if noise_aware else PLAIN,
            measure_finalists=measure_finalists,
            fidelities=tuple(fidelities),
            stop_below=stop_below,
            executor=executor,
            workers=workers,
            ray_address=ray_address,
            ray_timeout_s=ray_timeout_s,
        ),
    )
    return with_accuracy(experiment, "the search")


def training_from_options(
    experiment: Experiment | None,
    *,
    name: str = "training",
    space: str | None = None,
    resolutions: Sequence[int] = (),
    data: str = "",
    seed: int | None = None,
    epochs: int | None = None,
    largest_first: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    progressive: Sequence[str] = (),
    kernel_transforms: bool | None = None,
    average: float | None = None,
    device: str | None = None,
    mixed_precision: bool | None = None,
    threads: int | None = None,
) -> Experiment:
    """An experiment as the options of ``hwnas train`` say it; what is None or empty stays.

    Args:
        experiment: That the options change; None for one of defaults.
        name: Of an experiment of defaults.
        space: As `SpaceSection.source`.
        resolutions: As `SpaceSection.resolutions`.
        data: As `DataSection.source`.
        seed: Of everything random, training too.
        epochs: As `SupernetConfig.epochs`; at most half of them train the largest network alone,
            unless ``largest_first`` says otherwise.
        largest_first: As `SupernetConfig.largest_first`.
        batch_size: As `Recipe.batch_size`.
        learning_rate: As `Recipe.learning_rate`.
        progressive: As `SupernetConfig.progressive`.
        kernel_transforms: As `SupernetConfig.kernel_transforms`.
        average: As `SupernetConfig.average`.
        device: As `SupernetConfig.device`.
        mixed_precision: As `SupernetConfig.mixed_precision`.
        threads: As `Recipe.threads`.

    Raises:
        InputError: A value is wrong.
    """
    base = experiment or Experiment(SpaceSection("mbv3_small_32"), name=name)
    if epochs is not None and largest_first is None:
        largest_first = min(base.supernet.largest_first, epochs // 2)
    recipe = _given(batch_size=batch_size, learning_rate=learning_rate, threads=threads)
    supernet = _given(
        epochs=epochs, largest_first=largest_first, progressive=tuple(progressive),
        kernel_transforms=kernel_transforms, average=average, device=device,
        mixed_precision=mixed_precision, seed=seed,
    )  # fmt: skip
    changed = replace(
        base,
        space=replace(base.space, **_given(source=space, resolutions=tuple(resolutions))),
        data=replace(base.data, **_given(source=data)),
        supernet=replace(base.supernet, recipe=replace(base.supernet.recipe, **recipe), **supernet),
        **_given(seed=seed),
    )
    return parse_experiment(files.to_plain(changed), source="the options")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value not in (None, "", ())}
