"""``hwnas front``."""

from hwnas.cli import _options
from hwnas.cli._run_tables import show_front


def command(run: _options.RunDirectory) -> None:
    """Show the networks that no other network of a run beats in every objective.

    Works while the search is still going on.
    """
    from hwnas import workflows

    show_front(workflows.load_run(run))
