import numpy as np
import pytest

from hwnas.search.dispatch import outcomes
from hwnas.search.executors import Outcome


class Shuffling:
    """An executor whose answers come in a random order; a row of a negative gene always fails."""

    def __init__(self, slots, seed=0, flaky=()):
        self.slots = slots
        self.begun = []
        self._rng = np.random.default_rng(seed)
        self._busy = []
        self._flaky = set(flaky)

    def submit(self, job, row, *, fidelity):
        assert fidelity == 1
        assert len(self._busy) < self.slots
        self.begun.append(job)
        self._busy.append((job, int(row[0])))

    def wait(self):
        job, gene = self._busy.pop(self._rng.integers(len(self._busy)))
        if job in self._flaky:
            self._flaky.remove(job)
            return job, Outcome(failure="once")
        return job, Outcome(failure="gone") if gene < 0 else Outcome({"accuracy": float(gene)})

    def close(self):
        pass


GENES = np.array([[1], [-1], [2], [-1], [3], [4], [5], [6]])


def found(executor, wanted, retries=1, known=None):
    rows = range(len(GENES))
    return dict(outcomes(executor, GENES, rows, wanted=wanted, retries=retries, known=known or {}))


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_are_evaluated_however_many_at_a_time_and_in_whatever_order(slots, seed):
    done = found(Shuffling(slots, seed), wanted=4)
    assert sorted(done) == [0, 1, 2, 3, 4, 5]
    assert [bool(done[row].failure) for row in sorted(done)] == [0, 1, 0, 1, 0, 0]


def test_a_failed_row_is_tried_again_and_then_counts_as_failed():
    executor = Shuffling(1)
    found(executor, wanted=1, retries=2)
    assert executor.begun == [0]
    executor = Shuffling(1)
    found(executor, wanted=2, retries=2)
    assert executor.begun == [0, 1, 1, 1, 2]


def test_a_row_that_failed_once_is_as_good_as_any():
    done = found(Shuffling(2, flaky=[0, 2]), wanted=2)
    assert [done[row].values for row in (0, 2)] == [{"accuracy": 1.0}, {"accuracy": 2.0}]


def test_rows_are_evaluated_to_the_last_where_too_few_succeed():
    assert sorted(found(Shuffling(3), wanted=100)) == list(range(8))


def test_nothing_is_begun_where_nothing_is_wanted():
    executor = Shuffling(2)
    assert found(executor, wanted=0) == {}
    assert executor.begun == []


@pytest.mark.parametrize("slots", [1, 3])
def test_what_is_known_is_not_evaluated_again_and_counts(slots):
    executor = Shuffling(slots)
    known = {1: Outcome({"accuracy": 9.0}), 4: Outcome(failure="gone")}
    done = found(executor, wanted=4, known=known)
    assert done[1] == known[1]
    assert done.get(4) in (known[4], None)
    assert set(executor.begun).isdisjoint(known)
    assert sum(not outcome.failure for outcome in done.values()) == 4
