"""``hwnas plot``."""

from hwnas.cli import _options
from hwnas.cli._console import say


def command(run: _options.RunDirectory) -> None:
    """Draw a run's pictures, as PNG and SVG in RUN/plots.

    The front in accuracy against each cost, with the budget, hand-made networks and the exported
    one; the progress of search and training; predicted against measured latency. Of a directory
    of hwnas train, the training.
    """
    from hwnas import workflows

    for path in workflows.plot(run):
        say(str(path))
