"""Search strategies: one file for each way to decide where to look next."""

from hwnas import plugins
from hwnas.protocols import SearchStrategy, StrategyProblem


def names() -> tuple[str, ...]:
    """Names of the known strategies."""
    return plugins.names(__name__)


def create(name: str, problem: StrategyProblem) -> SearchStrategy:
    """A fresh strategy.

    Args:
        name: Such as ``nsga2``.
        problem: What it may know of the space.

    Raises:
        UnknownNameError: There is no such strategy.
    """
    made: SearchStrategy = plugins.load(__name__, name, what="strategy").create(problem)
    return made
