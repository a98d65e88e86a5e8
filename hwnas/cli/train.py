"""``hwnas train``."""

import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars, say
from hwnas.errors import HwnasWarning
from hwnas.progress import silent

if TYPE_CHECKING:
    from hwnas.workflows import Experiment, Training


def command(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Directory that --supernet of a search names.")
    ],
    experiment: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EXPERIMENT.toml]",
            help="Take space, data, seed and supernet from this file; options change them.",
            show_default=False,
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            "-s",
            help="A search space: a preset's name or a TOML file.",
            show_default="mbv3_small_32",
        ),
    ] = None,
    data: _options.Data = "",
    resolution: _options.Resolutions = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the images.", show_default="8")
    ] = None,
    largest_first: Annotated[
        int | None,
        typer.Option(
            min=0, help="Epochs that train the largest network alone.", show_default="4, or half"
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images a step, of all processes.", show_default="64"),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="The highest.", show_default="0.008")
    ] = None,
    progressive: Annotated[
        list[str] | None,
        typer.Option(
            help="resolution, kernel_size, depth or width; repeatable: vary from a later stage on, "
            "one after another (progressive shrinking).",
        ),
    ] = None,
    kernel_transforms: Annotated[
        bool | None,
        typer.Option(
            "--kernel-transforms",
            help="Learn how a small kernel follows from a large one, as in Once-for-All.",
        ),
    ] = None,
    average: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="DECAY", help="Keep a moving average of the weights, as 0.9998."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Computes: cpu, cuda or cuda:1.", show_default="cpu")
    ] = None,
    mixed_precision: Annotated[
        bool | None,
        typer.Option("--mixed-precision", help="Compute in bfloat16 where it is safe; for GPUs."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of torch.", show_default="all cores")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of everything random.", show_default="0")
    ] = None,
) -> None:
    """Train a supernet by itself, on a machine with a GPU for instance, for later searches.

    After each epoch a checkpoint is written. Interrupted, the same command goes on from it.
    hwnas plot OUT draws the accuracy of the smallest and the largest network by epoch.

    Example: hwnas train --data fashion_mnist_10k --epochs 40 --out runs/weights

    A search uses it with the same space, data and seed, which decides the validation images:

    Example: hwnas search --data fashion_mnist_10k --supernet runs/weights --out runs/first

    Long, on a GPU:

    Example: hwnas train --data my_images --epochs 200 --batch-size 256 --kernel-transforms
    --progressive kernel_size --progressive depth --progressive width --average 0.9998
    --device cuda --mixed-precision --out runs/weights

    Several GPUs, or several processes of a CPU, share each batch:

    Example: torchrun --nproc-per-node 2 -m hwnas train --data my_images --device cuda
    --out runs/weights
    """
    from hwnas import workflows
    from hwnas.training.distributed import first_process

    first = first_process()
    if not first:
        # each process would say the same; an error may be that of one process, such as its GPU's
        warnings.simplefilter("ignore", HwnasWarning)
    wanted = workflows.training_from_options(
        None if experiment is None else workflows.load_experiment(experiment),
        name=out.name, space=space, resolutions=resolution or (), data=data, seed=seed,
        epochs=epochs, largest_first=largest_first, batch_size=batch_size,
        learning_rate=learning_rate, progressive=progressive or (),
        kernel_transforms=kernel_transforms, average=average, device=device,
        mixed_precision=mixed_precision, threads=threads,
    )  # fmt: skip
    with progress_bars() if first else nullcontext(silent) as bars:
        trained = workflows.train(wanted, out, on_progress=bars)
    if first:
        _show(wanted, trained)


def _show(experiment: "Experiment", trained: "Training") -> None:
    last = trained.log[-1]
    say(
        f"{trained.directory}: {last['epoch']} epochs. Validation accuracy with the supernet's "
        f"weights: smallest network {last['smallest_accuracy']:.1f} %, largest "
        f"{last['largest_accuracy']:.1f} %."
    )
    space = experiment.space
    words = ["hwnas search --space", space.source]
    words += [word for r in space.resolutions for word in ("--resolution", str(r))]
    words += ["--data", experiment.data.source]
    words += ["--seed", str(experiment.seed)] if experiment.seed else []
    words += ["--supernet", str(trained.directory), "--out RUN"]
    say(f"Next: hwnas plot {trained.directory}, and {' '.join(words)}")
