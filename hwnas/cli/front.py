"""``hwnas front``."""

from typing import Annotated

import typer

from hwnas.cli import _options
from hwnas.cli._console import progress_bars
from hwnas.cli._run_tables import show_front


def command(
    run: _options.RunDirectory,
    reference: Annotated[
        str,
        typer.Option(
            help='Show only what is at least this good, such as "accuracy>=85,latency_ms<=3".'
        ),
    ] = "",
    even: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Show N networks, spread evenly.", show_default="all"
        ),
    ] = 0,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Measure the networks on the device and correct the front by it."
        ),
    ] = False,
    finalists: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="The most networks to measure, with --measure."),
    ] = 64,
) -> None:
    """Show the networks that no other network of a run beats in every objective.

    Works while the search is still going on. What stands after ± is one standard deviation, where
    an estimator states it.

    With --measure, the networks of the front, and those that might belong on it by what the
    latency table says of its own error, are timed on the device, in turns with a network that
    shows the device's drift. Measured latencies then replace predicted ones: what breaks a budget
    leaves the front, and so does what another one beats. Each result is kept in the run as it
    comes, and a second call measures only what is missing.
    """
    from hwnas import workflows

    if not measure:
        show_front(workflows.load_run(run), reference=reference, even=even)
        return
    with progress_bars() as bars:
        measured = workflows.measure_finalists(run, limit=finalists, on_progress=bars)
    show_front(measured, reference=reference, even=even)
