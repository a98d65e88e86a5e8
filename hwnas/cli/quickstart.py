"""``hwnas quickstart``."""

from pathlib import Path
from typing import Annotated

import typer

from hwnas.cli._console import progress_bars, say
from hwnas.cli._run_tables import show_outcome


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's directory.")] = Path(
        "runs/quickstart"
    ),
) -> None:
    """The main job in under ten minutes on two cores, with nothing to prepare.

    Profiles this machine, trains a supernet on 10,000 Fashion-MNIST images, searches under a
    latency budget, exports the most accurate network within it to ONNX and TFLite in fp32 and
    int8, measures those files, and compares the network with hand-made ones. The experiment file
    it runs is copied into the run, to be changed and run again with hwnas run.
    """
    from hwnas import workflows

    say(f"Everything is written to {out}. Interrupted? The same command goes on where it was.")
    with progress_bars() as bars:
        outcome = workflows.quickstart(out, on_progress=bars)
    show_outcome(outcome)
    say(f"Change {outcome.directory / 'experiment.toml'} and run it again with hwnas run.")
