"""``hwnas export``."""

from typing import Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars
from hwnas.cli._run_tables import show_card


def command(
    run: _options.RunDirectory,
    pick: Annotated[
        str,
        typer.Option(
            help='knee, accuracy (the most accurate), an id from hwnas front, or "latency_ms<=2" '
            "for the most accurate within that budget.  [default: as the run's file says]"
        ),
    ] = "",
    format: Annotated[  # noqa: A002
        str, typer.Option(help="Of the model file.  [default: as the run's file says]")
    ] = "",
    images: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Images of fine-tuning, repetitions counted; 0 for none.  [default: as the run's "
            "file says]",
        ),
    ] = None,
) -> None:
    """Fine-tune a network of the front and hand it over as a file.

    The file is checked: by the format's own checker, against torch, for its accuracy on the test
    images, and for its latency on the device. A model card stands beside it.
    """
    from hwnas import workflows

    with progress_bars() as bars:
        card = workflows.export(run, pick, format=format, images=images, on_progress=bars)
    show_card(card)
