"""``hwnas resume``."""

from hwnas.cli import _options
from hwnas.cli._console import progress_bars
from hwnas.cli._run_tables import show_front


def command(run: _options.RunDirectory) -> None:
    """Go on with an interrupted search.

    The log is replayed, so the front ends the same as if the search had never been stopped.
    Resuming a finished search changes nothing.
    """
    from hwnas import workflows

    with progress_bars() as bars:
        resumed = workflows.resume(run, on_progress=bars)
    show_front(resumed)
