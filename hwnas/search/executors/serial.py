"""One evaluation after another in this process."""

from hwnas.catalog import IntArray
from hwnas.search.executors import ExecutorContext, Outcome
from hwnas.search.executors._evaluation import evaluate


class SerialExecutor:
    """Evaluates a row when it is waited for."""

    def __init__(self, context: ExecutorContext) -> None:
        self._build = context.build
        self._submitted: list[tuple[int, IntArray, float]] = []

    @property
    def slots(self) -> int:
        """One."""
        return 1

    def submit(self, job: int, row: IntArray, *, fidelity: float) -> None:
        """Keep a row for `wait`."""
        self._submitted.append((job, row, fidelity))

    def wait(self) -> tuple[int, Outcome]:
        """Evaluate the row that was submitted."""
        job, row, fidelity = self._submitted.pop(0)
        return job, evaluate(*self._build(), row, fidelity=fidelity)

    def close(self) -> None:
        """There is nothing to end."""


def create(context: ExecutorContext) -> SerialExecutor:
    """An executor that uses the search's own estimators."""
    return SerialExecutor(context)
