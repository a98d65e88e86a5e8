"""Run or resume a search in a process of its own, for tests that kill it.

Usage: python search_process.py DIRECTORY MILLISECONDS [LIMIT_BYTES]: each evaluation takes so
long, and no file may grow beyond the limit.
"""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwnas.catalog import IntArray, total
from hwnas.errors import HwnasError
from hwnas.estimators import EstimatorContext, create
from hwnas.problem import Budget, Objective
from hwnas.protocols import Estimate, SearchSpace
from hwnas.search import Run, RunConfig, search
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


def main() -> int:
    directory, milliseconds = Path(sys.argv[1]), float(sys.argv[2])
    if len(sys.argv) > 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    space = load_space(SPACE)
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
    try:
        search(Run.open(directory), [SlowAccuracy(space, milliseconds / 1000), macs, params])
    except HwnasError as error:
        sys.stderr.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
