"""``hwnas measure``."""

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars, say


def command(
    model: Annotated[
        Path, typer.Argument(help="A model file, such as model.onnx or model.tflite.")
    ],
    device: _options.DeviceName = "host",
    runtime: Annotated[
        str,
        typer.Option(
            help="Inference runtime on the device.  [default: onnxruntime for .onnx files, litert "
            "for .tflite files]"
        ),
    ] = "",
    threads: _options.Threads = 1,
) -> None:
    """Measure the latency of a model file on a device, and its energy where there is a meter.

    The file may come from anywhere, at any precision that the runtime runs; sizes that it leaves
    open, such as the batch, are taken as 1.
    """
    from hwnas import workflows

    with progress_bars() as bars:
        measured = workflows.measure(
            model, device=device, runtime=runtime, threads=threads, on_progress=bars
        )
    say(
        f"{model} on {device}: {measured.median_ms:.4g} ms (median of {measured.count} samples; "
        f"two halves differ by {100 * measured.repeatability:.1f} %)"
    )
    if measured.energy_mj is not None and measured.provenance is not None:
        say(
            f"{measured.energy_mj:.4g} mJ an inference beyond the idle device, by its meter "
            f"{measured.provenance.meter}."
        )
