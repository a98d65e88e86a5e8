"""A run's directory: what it was asked, the tables it predicts with, and its networks."""

from pathlib import Path

from hwnas.imported_table import AnyBoundTable, read_table
from hwnas.search.run import FrontMember, Run
from hwnas.spaces.precision_choice import PrecisionSpace, base_space
from hwnas.workflows.experiment import Experiment, parse_experiment

TABLES = "latency_tables"
"""Folder of the run's own copies of latency tables: a table that grows later changes no run."""

OWN = ""
"""Stands for the experiment's own device where the others stand under their names."""


def load_run(directory: str | Path) -> Run:
    """A run as it is now, to look at; another process may be writing to it.

    Raises:
        RunError: The directory holds no run.
    """
    return Run.open(Path(directory))


def front(directory: str | Path) -> tuple[FrontMember, ...]:
    """The networks that no other of a run beats in every objective, the most accurate first.

    Raises:
        RunError: The directory holds no run.
    """
    return load_run(directory).front


def experiment_of(run: Run) -> Experiment:
    """What a run was asked to do."""
    return parse_experiment(run.config.experiment, source=str(run.directory / "config.json"))


def run_tables(run: Run, device: str = OWN) -> dict[str, AnyBoundTable]:
    """The latency tables that a run predicts with, by precision; empty when it needs none.

    They are bound to the run's base space, whose genes are without the precision gene.

    Args:
        run: With its own copies of the tables.
        device: One that its objectives or budgets name after ``@``; empty for its own.
    """
    space = base_space(run.space)
    paths = {p: own_table(run.directory, p, device) for p in experiment_of(run).device.precisions}
    return {p: read_table(path).bind(space) for p, path in paths.items() if path.is_file()}


def member_precision(run: Run, member: FrontMember) -> str:
    """The precision of one of a run's networks: its gene's, else the run's only one."""
    if isinstance(run.space, PrecisionSpace):
        return run.space.precisions[member.row[0]]
    return experiment_of(run).device.precisions[0]


def own_table(directory: Path, precision: str, device: str) -> Path:
    """Where a run keeps its copy of a table; ``device`` as in `run_tables`."""
    return directory / TABLES / device / f"{precision}.json"
