"""Rows handed to an executor: several at a time, failed ones again, none more than are needed."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence

from hwnas.catalog import IntArray
from hwnas.search.executors import Executor, Outcome


def outcomes(
    executor: Executor,
    genes: IntArray,
    rows: Sequence[int],
    *,
    wanted: int,
    retries: int,
    known: Mapping[int, Outcome],
    fidelity: float = 1.0,
) -> Iterator[tuple[int, Outcome]]:
    """What comes of rows, as it comes; rows are begun in order, and only as long as needed.

    Rows are begun only while those that succeeded and those that still may are fewer than wanted.
    So the same rows are evaluated however many are under way at a time.

    Args:
        executor: Where rows are evaluated.
        genes: Shape (architectures, genes).
        rows: Indices of those to evaluate.
        wanted: How many are to succeed.
        retries: How often a row that failed is tried again before its failure counts.
        known: By index, what came of rows earlier.
        fidelity: Of the evaluations; 1 for full ones.

    Yields:
        Index and outcome of each row that was begun.
    """
    waiting, failed = deque(rows), Counter[int]()
    busy = succeeded = 0
    while True:
        while waiting and busy < executor.slots and busy + succeeded < wanted:
            row = waiting.popleft()
            if row in known:
                succeeded += not known[row].failure
                yield row, known[row]
            else:
                executor.submit(row, genes[row], fidelity=fidelity)
                busy += 1
        if not busy:
            return
        row, outcome = executor.wait()
        if outcome.failure and failed[row] < retries:
            failed[row] += 1
            executor.submit(row, genes[row], fidelity=fidelity)
            continue
        busy -= 1
        succeeded += not outcome.failure
        yield row, outcome
