"""``hwnas search``."""

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars, say
from hwnas.cli._run_tables import show_front


def command(
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
            help='Hard bound such as "latency_ms<=2.5", "params<=1M" or "latency_ms@pixel_8<=12".',
        ),
    ] = None,
    evaluations: Annotated[int, typer.Option(min=1, help="Architectures to evaluate.")] = 200,
    strategy: Annotated[str, typer.Option(help="nsga2 or random.")] = "nsga2",
    population: Annotated[int, typer.Option(min=1, help="Architectures a generation.")] = 20,
    resolution: _options.Resolutions = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs that the supernet trains.")
    ] = None,
    supernet: Annotated[
        Path | None, typer.Option(help="Use the trained supernet of another run's directory.")
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
    seed: _options.Seed = 0,
) -> None:
    """Search for the best networks within budgets.

    Budgets are hard: before anything is trained or evaluated, they are checked against the
    space's smallest and largest values. Every evaluation is logged as it is made; an interrupted
    search goes on with hwnas resume.

    Example: hwnas search --data fashion_mnist_10k --budget "latency_ms<=0.3" --out runs/first

    For several devices, name the others after @. Each needs its own table (hwnas profile NAME);
    it is used with the same runtime and threads, unless device.others in an experiment's file,
    which hwnas run takes, says otherwise.

    Example: hwnas search --data fashion_mnist_10k --objective accuracy --objective latency_ms
    --objective latency_ms@raspberry_pi_4 --budget "latency_ms@pixel_8<=12" --out runs/three
    """
    from hwnas import workflows

    experiment = workflows.experiment_from_options(
        name=out.name, seed=seed, space=space, resolutions=resolution or [], data=data,
        device=device, runtime=runtime, precision=precision or [], threads=threads,
        objectives=objective or ["accuracy", "latency_ms"], budgets=budget or [],
        strategy=strategy, evaluations=evaluations, batch=population, epochs=epochs,
        supernet_from=str(supernet or ""),
    )  # fmt: skip
    with progress_bars() as bars:
        run = workflows.search(experiment, out, on_progress=bars)
    show_front(run)
    say(f"Next: hwnas plot {out}, and hwnas export {out} --pick knee")
