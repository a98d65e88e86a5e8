"""``hwnas profile``."""

from typing import Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars, say


def command(
    device: Annotated[str, typer.Argument(help="A device's name or TOML file.")] = "host",
    space: _options.Space = "ofa_mbv3_w1.0",
    resolution: _options.Resolutions = None,
    data: Annotated[
        str, typer.Option(help="Take classes and input channels from these images.")
    ] = "",
    classes: Annotated[int | None, typer.Option(min=1, help="Classes of the network.")] = None,
    in_channels: Annotated[
        int | None, typer.Option(min=1, help="Input channels: 1 grey, 3 colour.")
    ] = None,
    runtime: _options.Runtime = "onnxruntime",
    precision: _options.Precision = "fp32",
    threads: _options.Threads = 1,
    networks: Annotated[
        int, typer.Option(min=0, help="Whole random networks that the table is compared with.")
    ] = 24,
    seed: _options.Seed = 0,
) -> None:
    """Measure a latency table: every layer of a search space, on the device.

    Layers that the table already holds are not measured again, and an interrupted profile
    continues where it was. At the end whole networks are measured, and the table states how far
    its sums are from them, beside how far two halves of the same measurements are from each other.

    Each runtime, precision and number of threads has a table of its own: what is fastest with one
    need not be with another.

    Example: hwnas profile host --space ofa_mbv3_w1.0 --resolution 160 --resolution 224

    Example: hwnas profile host --space mbv3_small_32 --runtime litert --precision int8
    """
    from hwnas import workflows

    with progress_bars() as bars:
        path, table = workflows.profile(
            device, space, resolutions=tuple(resolution or ()), data=data, classes=classes,
            in_channels=in_channels, runtime=runtime, precision=precision, threads=threads,
            networks=networks, seed=seed, on_progress=bars,
        )  # fmt: skip
    say(f"{path}: {len(table.layers)} layers.")
    if table.quality is not None:
        say(workflows.quality_sentence(table.quality))
