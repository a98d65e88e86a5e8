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

from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import BoolArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._history import History, check_finite


class FreshSampling(Sampling):  # type: ignore[misc]
    """Random architectures that were not proposed before."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        n_samples: int,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> IntArray:
        return self._history.sample(n_samples, random_state)


class ChoiceMutation(Mutation):  # type: ignore[misc]
    """Each gene becomes another of its choices with a probability of 1 / genes.

    Choices have no order that an operator may rely on, so every other one is as likely.
    """

    def _do(
        self,
        problem: Any,
        X: IntArray,  # noqa: N803
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> IntArray:
        choices = (problem.xu - problem.xl + 1).astype(np.int64)
        changes = random_state.random(X.shape) < 1 / X.shape[1]
        steps = random_state.integers(1, np.maximum(choices, 2), size=X.shape)
        return np.asarray(np.where(changes, (X.astype(np.int64) + steps) % choices, X))


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
        algorithm: Not yet set up; its operators are those above.
        problem: What the strategy may know.
        history: The one that its operators use.
    """

    def __init__(self, algorithm: Any, problem: StrategyProblem, history: History) -> None:
        self._history = history
        self._problem = problem
        self._algorithm = algorithm
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
        """The next canonical genes, shape (up to batch, genes); empty when no more are found."""
        # pymoo cannot mate architectures without genes: a space without choices has only one
        proposed = self._algorithm.ask() if len(self._problem.cardinalities) else None
        genes = np.zeros((0, len(self._problem.cardinalities)), dtype=np.int64)
        if proposed is not None and len(proposed):
            genes = proposed.get("X").astype(np.int64)
        self._history.add(genes)
        missing = self._problem.batch - len(genes)
        if missing > 0:
            # mating around a small or exhausted neighbourhood finds nothing new: look elsewhere
            elsewhere = self._history.sample(missing, self._algorithm.random_state)
            self._history.add(elsewhere)
            genes = np.concatenate([genes, elsewhere])
        return genes

    def tell(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """What ``ask`` proposed turned out to be; NaN is refused with InputError."""
        check_finite(losses, violations)
        evaluated = Population.new(X=genes, F=losses)
        if self._problem.budgets:
            evaluated.set("G", violations)
        if len(self._problem.cardinalities):
            self._algorithm.tell(infills=evaluated)
