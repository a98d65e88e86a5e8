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


def needs_known(name: str) -> bool:
    """Whether a strategy works out its answer from losses that are all known beforehand.

    Its file says so with ``NEEDS_KNOWN = True``. Its ``create`` refuses a problem in which
    anything is expensive, and it proposes its answer and nothing else, whatever it is told.

    Args:
        name: Such as ``exact``.

    Raises:
        UnknownNameError: There is no such strategy.
    """
    return getattr(plugins.load(__name__, name, what="strategy"), "NEEDS_KNOWN", False)
