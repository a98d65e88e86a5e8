"""Other packages' search loops on the Once-for-All space, each as it comes, for comparison."""

import contextlib
import io
import random
import sys
import time
import types
from collections.abc import Callable

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from hwnas.catalog import FloatArray, IntArray

# beside a torch without CUDA, torchvision imports only when this registration is left out
sys.modules["torchvision._meta_registrations"] = types.ModuleType("_meta_registrations")
try:
    from ofa.nas.accuracy_predictor.arch_encoder import MobileNetArchEncoder
    from ofa.nas.search_algorithm import EvolutionFinder
except ImportError:
    EvolutionFinder = None


def pymoo_nsga2(
    losses: Callable[[IntArray], FloatArray],
    cardinalities: IntArray,
    *,
    population: int,
    generations: int,
) -> tuple[int, float, FloatArray]:
    """NSGA-II of pymoo with its operators for integers; losses in one call a generation.

    Returns:
        Architectures evaluated, CPU seconds, and all their losses.
    """
    seen: list[FloatArray] = []

    class Whole(Problem):  # type: ignore[misc]
        def _evaluate(self, x: IntArray, out: dict[str, FloatArray], *args: object) -> None:  # noqa: ARG002
            out["F"] = losses(x.astype(np.int64))
            seen.append(out["F"])

    algorithm = NSGA2(
        pop_size=population,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        mutation=PM(eta=20, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    problem = Whole(n_var=len(cardinalities), n_obj=2, xl=0, xu=cardinalities - 1, vtype=int)
    start = time.process_time()
    minimize(problem, algorithm, ("n_gen", generations), seed=0)
    spent = time.process_time() - start
    return sum(map(len, seen)), spent, np.concatenate(seen)


def once_for_all_evolution(*, population: int, generations: int) -> tuple[int, float] | None:
    """Once-for-All's evolution with stand-ins that cost next to nothing instead of predictors.

    Returns:
        Architectures evaluated and CPU seconds; None when the package is not installed.
    """
    if EvolutionFinder is None:
        return None

    class Accuracy:
        arch_encoder = MobileNetArchEncoder()

        def predict_acc(self, samples: list[dict[str, list[int]]]) -> FloatArray:
            return np.array([float(sum(sample["e"])) for sample in samples])

    class Latency:
        def get_efficiency(self, sample: dict[str, list[int]]) -> int:
            return sum(sample["ks"])

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - what the package draws from
    finder = EvolutionFinder(Latency(), Accuracy(), population_size=population)
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        finder.run_evolution_search(1000, max_time_budget=generations)
    return population * (generations + 1), time.process_time() - start
