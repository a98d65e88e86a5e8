"""Where a search's expensive estimators are asked: in this process, or by workers elsewhere."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hwnas import estimators
from hwnas.errors import InputError
from hwnas.estimators.supernet import SupernetSource
from hwnas.protocols import Estimator
from hwnas.search import executors
from hwnas.search.executors import Built, Executor, ExecutorContext, Recipe
from hwnas.search.run import Run
from hwnas.workflows.experiment import SearchSection
from hwnas.workflows.quantities import ACCURACY
from hwnas.workflows.runs import OWN, experiment_of, load_run, run_tables
from hwnas.workflows.setting import prepare


def executor_of(run: Run, section: SearchSection, made: Sequence[Estimator]) -> Executor:
    """The executor that a search asks for.

    Args:
        run: Whose architectures are evaluated.
        section: Says which executor, and how many workers.
        made: The estimators of this process.

    Raises:
        UnknownNameError: There is no such executor.
        InputError: It cannot be had as asked; says why.
    """
    context = ExecutorContext(
        build=lambda: (run.space, [each for each in made if not each.cheap]),
        recipe=Recipe(
            f"{__name__}:expensive_estimators", (str(run.directory.resolve()), str(Path.cwd()))
        ),
        workers=section.workers,
        ray_address=section.ray_address,
        ray_timeout_s=section.ray_timeout_s,
    )
    return executors.create(section.executor, context)


def expensive_estimators(directory: str, folder: str) -> Built:
    """The space of a run and its expensive estimators, built in a worker from the run's directory.

    Networks are evaluated with the threads that the supernet's recipe names, else with one: there
    are several workers.

    Args:
        directory: Of the run, whose supernet is trained.
        folder: Where the search was started, in which device files are looked for.
    """
    # torch takes seconds to import
    from hwnas.workflows.searching import run_context, run_estimators
    from hwnas.workflows.trained import supernet_folder

    if Path(folder).is_dir():
        os.chdir(folder)
    run = load_run(directory)
    experiment = experiment_of(run)
    setting = prepare(experiment, run.space)
    tables = {device: run_tables(run, device) for device in (OWN, *setting.others)}
    context = run_context(experiment, setting, tables)

    def accuracy() -> Estimator:
        if setting.data is None:
            raise InputError(f"{directory} names no images, without which there is no accuracy.")
        threads = experiment.supernet.recipe.threads or 1
        source = SupernetSource(supernet_folder(run, experiment), setting.data, threads)
        return estimators.create(ACCURACY, replace(context, resources={"supernet": source}))

    made = run_estimators(run, experiment, context, accuracy)
    return run.space, [each for each in made if not each.cheap]
