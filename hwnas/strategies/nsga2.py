"""NSGA-II (Deb et al. 2002): the less crowded of the lower ranks survive, within budgets first.

It is not pymoo's, whose object for each individual takes nine tenths of its time; who survives
is the same.
"""

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._genetic import Genetic
from hwnas.strategies._survival import ranked


def create(problem: StrategyProblem) -> Genetic:
    """A fresh NSGA-II."""
    return Genetic(problem, survivors)


def survivors(losses: FloatArray, violations: FloatArray, count: int) -> tuple[IntArray, int]:
    """The best by rank, then by crowding distance, and how many are of rank 0.

    Args:
        losses: Shape (architectures, objectives), minimised.
        violations: Shape (architectures, budgets).
        count: How many survive.

    Returns:
        Indices, the best first, shape (up to count,).
    """
    order, ranks = ranked(losses, violations)
    return order[:count], int((ranks[:count] == 0).sum())
