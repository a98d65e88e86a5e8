"""Re-search: a finished run answers another budget, another objective or another device."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwnas.progress import Progress, silent
from hwnas.search.run import Run
from hwnas.workflows.runs import experiment_of, load_run
from hwnas.workflows.searching import search


def research(
    source: str | Path,
    directory: str | Path,
    *,
    device: str = "",
    runtime: str = "",
    threads: int = 0,
    objectives: Sequence[str] = (),
    budgets: Sequence[str] | None = None,
    evaluations: int = 0,
    changes: Mapping[str, Any] | None = None,
    on_progress: Progress = silent,
) -> Run:
    """Search again with what a run has evaluated, without evaluating any of it again.

    Space, data, seed, precision and supernet stay those of the run, so its accuracies hold. What
    is cheap to know is asked anew: latencies are those of the device's own table. The new run
    stands alone: it is plotted, exported, resumed and searched again like any other.

    Args:
        source: The earlier run's directory.
        directory: Of the new run.
        device: As `DeviceSection.name`; empty for the run's.
        runtime: As `DeviceSection.runtime`; empty for the run's.
        threads: As `DeviceSection.threads`; 0 for the run's.
        objectives: As `SearchSection.objectives`; empty for the run's.
        budgets: As `SearchSection.budgets`; None for the run's.
        evaluations: How many further architectures to evaluate, beyond what the run knows.
        changes: Further fields of `SearchSection` that are not the run's, such as ``strategy``
            for the further ones.
        on_progress: Told how far it is.

    Returns:
        The new run, with its front.

    Raises:
        InputError: The run lacks something expensive that is asked for now, or the device has
            no table.
        BudgetError: No evaluated architecture meets the budgets, and none may be evaluated.
        RunError: The source holds no run, or the directory holds one already.
    """
    before = experiment_of(load_run(source))
    used, wanted = before.device, before.search
    experiment = replace(
        before,
        name=Path(directory).name,
        device=replace(
            used,
            name=device or used.name,
            runtime=runtime or used.runtime,
            threads=threads or used.threads,
        ),
        search=replace(
            wanted,
            objectives=tuple(objectives) or wanted.objectives,
            budgets=wanted.budgets if budgets is None else tuple(budgets),
            evaluations=evaluations,
            **({"measure_finalists": 0} | dict(changes or {})),
        ),
    )
    return search(experiment, directory, warm_start=[source], on_progress=on_progress)
