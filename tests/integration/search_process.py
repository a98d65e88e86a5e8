"""Run or resume a search in a process of its own, for tests that kill it.

Usage: python search_process.py DIRECTORY MILLISECONDS [LIMIT_BYTES] [OPTION...]: each evaluation
takes so long, and no file may grow beyond the limit. Options say who evaluates.
"""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwnas.catalog import IntArray, total
from hwnas.errors import HwnasError
from hwnas.estimators import EstimatorContext, create
from hwnas.problem import Budget, Objective
from hwnas.protocols import Estimate, Estimator, SearchSpace
from hwnas.search import Run, RunConfig, executors, search
from hwnas.search.executors import ExecutorContext, Recipe
from hwnas.spaces import load_space

SPACE = Path(__file__).parents[1] / "data" / "search_space.toml"
ACCURACY = Objective("accuracy", "%", "accuracy", maximise=True)


@dataclass
class SlowAccuracy:
    """An accuracy that grows with the layers' sizes, and takes its time."""

    space: SearchSpace
    duration_s: float
    objective: Objective = ACCURACY
    cheap: bool = False

    def estimate(self, genes: IntArray) -> Estimate:
        time.sleep(self.duration_s)
        sizes = np.log1p(self.space.catalog.params)
        return Estimate(total(sizes, self.space.layer_indices(genes)))


def expensive_estimators(milliseconds: str) -> tuple[SearchSpace, Sequence[Estimator]]:
    """What workers are built from."""
    space = load_space(SPACE)
    return space, [SlowAccuracy(space, float(milliseconds) / 1000)]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("milliseconds")
    parser.add_argument("limit", type=int, nargs="?")
    parser.add_argument("--executor", default="serial")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--ray-address", default="")
    given = parser.parse_args()
    directory = given.directory
    if given.limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.limit,) * 2)
    space, expensive = expensive_estimators(given.milliseconds)
    context = EstimatorContext(space)
    macs, params = create("macs", context), create("params", context)
    if not (directory / "config.json").exists():
        config = RunConfig(
            space=space.definition(),
            objectives=(ACCURACY, macs.objective),
            recorded=(params.objective,),
            budgets=(Budget("params", 12_000),),
            population=10,
            evaluations=80,
        )
        Run.create(directory, config)
    workers = ExecutorContext(
        build=lambda: (space, expensive),
        recipe=Recipe("search_process:expensive_estimators", (given.milliseconds,)),
        workers=given.workers,
        ray_address=given.ray_address,
    )
    try:
        with closing(executors.create(given.executor, workers)) as executor:
            search(Run.open(directory), [*expensive, macs, params], executor=executor)
    except HwnasError as error:
        sys.stderr.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
