"""``hwnas resume``."""

from typing import Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars
from hwnas.cli._run_tables import show_front


def command(
    run: _options.RunDirectory,
    executor: Annotated[
        str | None,
        typer.Option(
            help="Where accuracies are evaluated from now on: serial, local or ray.",
            show_default="that of the search",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Evaluations at a time with local and ray; 0 for one a core.",
            show_default="those of the search",
        ),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Of a Ray cluster.", show_default="that of the search"),
    ] = None,
    ray_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Seconds that the Ray cluster may take to answer at all.",
            show_default="those of the search",
        ),
    ] = None,
) -> None:
    """Go on with an interrupted search.

    The log is replayed, so the front ends the same as if the search had never been stopped,
    wherever the rest is evaluated. Resuming a finished search changes nothing.
    """
    from hwnas import workflows

    with progress_bars() as bars:
        resumed = workflows.resume(
            run, executor=executor, workers=workers, ray_address=ray_address,
            ray_timeout_s=ray_timeout, on_progress=bars,
        )  # fmt: skip
    show_front(resumed)
