"""``hwnas search``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwnas import plugins
from hwnas.cli import _options
from hwnas.cli._console import progress_bars, say
from hwnas.cli._run_tables import show_front, show_predictor
from hwnas.errors import InputError

if TYPE_CHECKING:
    from hwnas.search import Run


_KEPT = (
    "space", "data", "resolution", "epochs", "supernet", "accuracy", "predictor_from", "precision",
    "seed", "warm_start",
)  # fmt: skip
_CHANGES = {
    "strategy": "strategy", "population": "batch", "executor": "executor", "workers": "workers",
    "ray_address": "ray_address", "ray_timeout": "ray_timeout_s",
    "measure_finalists": "measure_finalists",
}  # fmt: skip


def command(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory of the new run.")],
    space: _options.Space = "mbv3_small_32",
    data: _options.Data = "",
    device: _options.DeviceName = "host",
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="accuracy, latency_ms, params, macs, model_size_bytes, peak_memory_bytes or "
            "energy_mj; two to five. latency_ms@pixel_8 and energy_mj@pixel_8 are those of another "
            "device.",
            show_default="accuracy, latency_ms",
        ),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            "-b",
            help='Hard bound such as "latency_ms<=2.5", "params<=1M" or "latency_ms@pixel_8<=12". '
            '"latency_ms<=2.5@95%" holds with 95 % confidence, by the deviation that the latency '
            "table states.",
        ),
    ] = None,
    evaluations: Annotated[
        int | None,
        typer.Option(
            min=0, help="Architectures to evaluate.", show_default="200; with --from, 0 more"
        ),
    ] = None,
    strategy: Annotated[
        str, typer.Option(help=f"One of {', '.join(plugins.names('hwnas.strategies'))}.")
    ] = "nsga2",
    population: Annotated[int, typer.Option(min=1, help="Architectures a generation.")] = 20,
    resolution: _options.Resolutions = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs that the supernet trains.")
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            help="With ImageNet's images as --data: a published supernet of Once-for-All "
            "(ofa_mbv3_d234_e346_k357_w1.0) for its space, instead of training one."
        ),
    ] = "",
    supernet: Annotated[
        Path | None,
        typer.Option(help="Use the supernet of hwnas train's or another run's directory."),
    ] = None,
    accuracy: Annotated[
        str,
        typer.Option(
            help="supernet (trained on --data), imagenet (predicted, for space ofa_mbv3_w1.0, "
            "without data or training) or predictor (predicted from another run's evaluations)."
        ),
    ] = "supernet",
    predictor_from: Annotated[
        Path | None,
        typer.Option(help="The run whose evaluated accuracies --accuracy predictor learns from."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Search again with what RUN has evaluated: other budgets, objectives or another "
            "device, and the same space, data and supernet. What is not given is as in RUN.",
        ),
    ] = None,
    warm_start: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="Begin with what an earlier run of the same space has evaluated with the same "
            "supernet, which is used here too; repeatable.",
        ),
    ] = None,
    runtime: _options.Runtime = "onnxruntime",
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="Precision of weights and activations; repeatable: then the search chooses one "
            "for each network.",
            show_default="fp32",
        ),
    ] = None,
    threads: _options.Threads = 1,
    noise_aware: Annotated[
        bool,
        typer.Option(
            "--noise-aware",
            help="Keep on the front what is not beaten beyond doubt (with a probability of 90 %), "
            "by the deviations of the estimates.",
        ),
    ] = False,
    measure_finalists: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="In the end, measure at most N networks of the front, and of those that might "
            "belong on it, on the device, and correct the front (as hwnas front --measure does).",
        ),
    ] = 0,
    fidelity: Annotated[
        list[float] | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Look at every network with this part of the images first, such as 0.125, and "
            "evaluate the better half in full; repeatable, rising.",
            show_default="all in full",
        ),
    ] = None,
    stop_below: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="With --fidelity: instead of the worse half, stop what has a chance below this, "
            "such as 0.05, of belonging to the front, as foreseen from networks evaluated in full.",
            show_default="the worse half",
        ),
    ] = 0.0,
    executor: _options.Executor = "serial",
    workers: _options.Workers = 0,
    ray_address: _options.RayAddress = "",
    ray_timeout: _options.RayTimeout = 10.0,
    seed: _options.Seed = 0,
) -> None:
    """Search for the best networks within budgets.

    Budgets are hard: before anything is trained or evaluated, they are checked against the
    space's smallest and largest values. Every evaluation is logged as it is made; an interrupted
    search goes on with hwnas resume.

    Example: hwnas search --data fashion_mnist_10k --budget "latency_ms<=0.3" --out runs/first

    A run that has ended answers other questions in seconds, because no accuracy is evaluated
    again:

    Example: hwnas search --from runs/first --device pixel_8 --budget "latency_ms<=8"
    --out runs/pixel

    Without any data, for networks that others trained on ImageNet:

    Example: hwnas search --space ofa_mbv3_w1.0 --accuracy imagenet --budget "latency_ms<=15"
    --out runs/imagenet

    For several devices, name the others after @. Each needs its own table (hwnas profile NAME);
    it is used with the same runtime and threads, unless device.others in an experiment's file,
    which hwnas run takes, says otherwise.

    Example: hwnas search --data fashion_mnist_10k --objective accuracy --objective latency_ms
    --objective latency_ms@raspberry_pi_4 --budget "latency_ms@pixel_8<=12" --out runs/three
    """
    from hwnas import workflows

    if source is not None:
        _show(_search_again(source, out, _given(context)))
        return
    experiment = workflows.experiment_from_options(
        name=out.name, seed=seed, space=space, resolutions=resolution or [], data=data,
        device=device, runtime=runtime, precision=precision or [], threads=threads,
        objectives=objective or ["accuracy", "latency_ms"], budgets=budget or [],
        strategy=strategy, evaluations=200 if evaluations is None else evaluations,
        batch=population, epochs=epochs, supernet_from=str(supernet or ""), weights=weights,
        accuracy=accuracy,
        predictor_from=str(predictor_from or ""), noise_aware=noise_aware,
        measure_finalists=measure_finalists, executor=executor, workers=workers,
        fidelities=fidelity or [], stop_below=stop_below, ray_address=ray_address,
        ray_timeout_s=ray_timeout,
    )  # fmt: skip
    with progress_bars() as bars:
        run = workflows.search(experiment, out, warm_start=warm_start or (), on_progress=bars)
    _show(run)


def _given(context: typer.Context) -> dict[str, Any]:
    """The options that the user gave, without defaults."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {
        name: context.params[name]
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE"
    }


def _search_again(source: Path, out: Path, given: Mapping[str, Any]) -> "Run":
    from hwnas import workflows

    for name in _KEPT:
        if name in given:
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"--from keeps what its run's networks were judged by, and {option} is part of "
                f"that; leave {option} out, or search without --from."
            )
    changes = {field: given[option] for option, field in _CHANGES.items() if option in given}
    if given.get("noise_aware"):
        changes["dominance"] = "noise_aware"
    with progress_bars() as bars:
        return workflows.research(
            source, out, device=given.get("device", ""), runtime=given.get("runtime", ""),
            threads=given.get("threads", 0), objectives=given.get("objective", ()),
            budgets=given.get("budget"), evaluations=given.get("evaluations", 0),
            changes=changes, on_progress=bars,
        )  # fmt: skip


def _show(run: "Run") -> None:
    from hwnas.search.archive import read_archive

    show_predictor(run)
    show_front(run)
    archive = read_archive(run.directory)
    if len(archive):
        say(f"{len(archive)} evaluated networks were taken over from {', '.join(archive.runs)}.")
    say(f"Next: hwnas plot {run.directory}, and hwnas export {run.directory} --pick knee")
