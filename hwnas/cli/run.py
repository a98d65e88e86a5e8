"""``hwnas run``."""

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli._console import progress_bars
from hwnas.cli._run_tables import show_outcome


def command(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's directory.  [default: runs/NAME]")
    ] = None,
) -> None:
    """Do all of it from one file: profile, search, fine-tune, export, compare, plot.

    Run it again after an interruption, and it goes on where it was.
    """
    from hwnas import workflows

    loaded = workflows.load_experiment(experiment)
    directory = out or Path("runs") / loaded.name
    with progress_bars() as bars:
        outcome = workflows.run(loaded, directory, on_progress=bars)
    show_outcome(outcome)
