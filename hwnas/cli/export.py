"""``hwnas export``."""

from typing import Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars
from hwnas.cli._run_tables import show_card, show_files


def command(
    run: _options.RunDirectory,
    pick: Annotated[
        str,
        typer.Option(
            help='knee, accuracy (the most accurate), an id from hwnas front, or "latency_ms<=2" '
            'for the most accurate within that budget ("latency_ms<=2@95%": with confidence); '
            '"knee,accuracy>=85" for the knee of what meets it.  '
            "[default: as the run's file says]"
        ),
    ] = "",
    format: Annotated[  # noqa: A002
        list[str] | None,
        typer.Option(
            help="onnx or tflite; repeatable.  [default: as the run's file says, else onnx]"
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="fp32, fp16 (weights stored in half precision) or int8 (quantized after "
            "training); repeatable, a file for each in each format.  [default: as the run's file "
            "says, else what the network was searched at]"
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Images of fine-tuning, repetitions counted; 0 for none.  [default: as the run's "
            "file says]",
        ),
    ] = None,
    calibration_images: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Training images that show an int8 file the ranges of its activations.  [default: "
            "as the run's file says, else 256]",
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            help="A published supernet of Once-for-All (ofa_mbv3_d234_e346_k357_w1.0), for a run "
            "of its space that trained none."
        ),
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            help="For --weights: images of ImageNet's 1,000 classes, by which batch-norm is "
            "recalibrated and the accuracy counted."
        ),
    ] = "",
) -> None:
    """Fine-tune a network of the front and hand it over as files.

    Each file is checked: by its format's own checker, against torch, for its accuracy on the test
    images as its own runtime counts it, and for its latency on the device. What quantization
    costs in accuracy is therefore measured, not assumed. A model card stands beside each file.

    Example: hwnas export runs/first --format onnx --format tflite --precision fp32 --precision int8
    """
    from hwnas import workflows

    with progress_bars() as bars:
        cards = workflows.export(
            run, pick, formats=format or (), precisions=precision or (), images=images,
            calibration_images=calibration_images, weights=weights, data=data, on_progress=bars,
        )  # fmt: skip
    if len(cards) == 1:
        show_card(cards[0])
    else:
        show_files(cards)
