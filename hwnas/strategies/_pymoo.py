"""What every strategy made from a pymoo algorithm shares: operators on genes, and ask and tell.

pymoo draws everything random from the generator that an algorithm makes of its seed and hands to
its operators; nothing here may touch another one, or replaying a log would not repeat it.
"""

from typing import Any

import numpy as np
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UniformCrossover

from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import BoolArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite
from hwnas.strategies._survival import ranked
from hwnas.strategies._variation import one_changed, stratified

_POPULATION = 20


def population_size(problem: StrategyProblem) -> int:
    """The fewest whole batches that hold at least 20 architectures."""
    return -(-max(_POPULATION, problem.objectives) // problem.batch) * problem.batch


def operators(problem: StrategyProblem, history: History) -> dict[str, Any]:
    """Arguments of a genetic algorithm of pymoo that make it work on rows of choices."""
    return {
        "pop_size": population_size(problem),
        "n_offsprings": problem.batch,
        "sampling": StratifiedSampling(problem),
        "crossover": UniformCrossover(prob=0.5),
        "mutation": ChoiceMutation(prob=0.5),
        "repair": CanonicalRepair(problem),
        "eliminate_duplicates": NeverTwice(history),
        "output": None,
    }


class StratifiedSampling(Sampling):  # type: ignore[misc]
    """Random architectures, each choice as often as the others; repeats are possible."""

    def __init__(self, problem: StrategyProblem) -> None:
        super().__init__()
        self._problem = problem

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        n_samples: int,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> IntArray:
        rows = stratified(self._problem.cardinalities, n_samples, random_state)
        return self._problem.canonical(rows)


class ChoiceMutation(Mutation):  # type: ignore[misc]
    """One gene becomes another of its choices."""

    def _do(
        self,
        problem: Any,
        X: IntArray,  # noqa: N803
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> IntArray:
        choices = (problem.xu - problem.xl + 1).astype(np.int64)
        return one_changed(X.astype(np.int64), choices, random_state)


class CanonicalRepair(Repair):  # type: ignore[misc]
    """Genes without effect become 0."""

    def __init__(self, problem: StrategyProblem) -> None:
        super().__init__()
        self._problem = problem

    def _do(self, problem: Any, X: IntArray, **kwargs: Any) -> IntArray:  # noqa: ARG002, N803
        return self._problem.canonical(X.astype(np.int64))


class NeverTwice(DuplicateElimination):  # type: ignore[misc]
    """Drops whatever was proposed in any generation, and repeats among the new ones."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def _do(self, pop: Any, other: Any, is_duplicate: BoolArray) -> BoolArray:  # noqa: ARG002
        rows = pop.get("X")
        if other is None:
            return ~self._history.fresh(rows)
        # pymoo asks for each group on its own; rows after the others' are repeats of them
        both = np.concatenate([other.get("X"), rows])
        return ~self._history.fresh(both)[len(other) :]


class PymooStrategy:
    """A pymoo algorithm behind ask and tell.

    Args:
        algorithm: Not yet set up, with the operators above.
        problem: What the strategy may know.
        history: The one that its operators use.
    """

    def __init__(self, algorithm: Any, problem: StrategyProblem, history: History) -> None:
        self._problem = problem
        self._history = history
        self._algorithm = algorithm
        self._wanted = population_size(problem)
        self._waiting: IntArray = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
        self._told: list[tuple[IntArray, FloatArray, FloatArray]] = []
        self._algorithm.setup(
            Problem(
                n_var=len(problem.cardinalities),
                n_obj=problem.objectives,
                n_ieq_constr=problem.budgets,
                xl=np.zeros(len(problem.cardinalities), dtype=np.int64),
                xu=problem.cardinalities - 1,
                vtype=int,
            ),
            termination=NoTermination(),
            seed=problem.seed,
        )

    def ask(self) -> IntArray:
        """The next canonical genes, shape (batch, genes); fewer when no more are found."""
        if len(self._waiting) == 0:
            self._waiting = self._generation()
        genes, self._waiting = np.split(self._waiting, [self._problem.batch])
        return genes

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        self._told.append((genes, losses, violations))
        if len(self._waiting) or not len(self._problem.cardinalities):
            return
        rows, values, beyond = map(np.concatenate, zip(*self._told, strict=True))
        self._told = []
        if len(rows) > self._wanted:
            # only an archive is larger than a population: its best are one
            best = ranked(values, beyond)[0][: self._wanted]
            rows, values, beyond = rows[best], values[best], beyond[best]
        evaluated = Population.new(X=rows, F=values)
        if self._problem.budgets:
            evaluated.set("G", beyond)
        self._algorithm.tell(infills=evaluated)

    def _generation(self) -> IntArray:
        """A population to begin with, and a batch at a time after it."""
        wanted, self._wanted = self._wanted, self._problem.batch
        # pymoo cannot mate architectures without genes: a space without choices has only one
        proposed = self._algorithm.ask() if len(self._problem.cardinalities) else None
        genes = np.zeros((0, len(self._problem.cardinalities)), dtype=np.int64)
        if proposed is not None and len(proposed):
            genes = proposed.get("X").astype(np.int64)
        return self._history.propose_rows(genes, wanted, self._algorithm.random_state)
