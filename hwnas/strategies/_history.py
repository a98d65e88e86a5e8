"""What a strategy has proposed so far, so that no architecture is ever proposed twice."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError
from hwnas.pareto import BoolArray
from hwnas.protocols import StrategyProblem

_ENUMERABLE = 2**16
_ROUNDS = 50
_TRIES = 10

Make = Callable[[int], IntArray]
"""Gives so many rows, shape (count, genes), not yet canonical."""


class History:
    """The architectures proposed so far, in a hash table of the bytes of their canonical rows.

    Those of the problem's archive count as proposed.
    """

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._proposed: set[bytes] = set()
        # one type, so that equal rows have equal bytes whatever they were computed in
        small = max(problem.cardinalities, default=0) <= 2**8
        self._type = np.uint8 if small else np.int32
        if problem.archive is not None:
            self.add(problem.archive)

    def __len__(self) -> int:
        """How many were proposed, or are in the archive."""
        return len(self._proposed)

    def fresh(self, genes: IntArray) -> BoolArray:
        """Which canonical rows are new: never proposed, nor a repeat of a row above.

        Args:
            genes: Shape (architectures, genes).
        """
        seen: set[bytes] = set()
        mask = np.zeros(len(genes), dtype=bool)
        for i, key in enumerate(self._keys(genes)):
            mask[i] = key not in self._proposed and key not in seen
            seen.add(key)
        return mask

    def add(self, genes: IntArray) -> None:
        """Note canonical rows as proposed."""
        self._proposed.update(self._keys(genes))

    def sample(self, count: int, rng: np.random.Generator) -> IntArray:
        """Random canonical rows never proposed, distinct, each gene uniform before repair.

        Returns:
            Shape (up to ``count``, genes). Fewer only when the space has no more, or, in a
            space of more than 65,536 rows, when 50 rounds of drawing found no more.
        """
        cardinalities = self._problem.cardinalities
        found = np.zeros((0, len(cardinalities)), dtype=np.int64)
        for _ in range(_ROUNDS):
            if len(found) >= count:
                break
            drawn = rng.integers(cardinalities, size=(2 * count, len(cardinalities)))
            found = np.concatenate([found, self._problem.canonical(drawn)])
            found = found[self.fresh(found)]
        if len(found) < count and np.prod(cardinalities.astype(float)) <= _ENUMERABLE:
            left = self._enumerated()
            found = np.concatenate([found, left[rng.permutation(len(left))]])
            found = found[self.fresh(found)]
        return found[:count]

    def propose(self, count: int, makes: Sequence[Make], rng: np.random.Generator) -> IntArray:
        """Rows that a strategy makes, those that are new, noted as proposed.

        Args:
            count: How many are wanted.
            makes: Ways to make them: where one finds nothing new any more, as around a small or
                exhausted neighbourhood, the next is tried, and in the end random rows.
            rng: Of the strategy.

        Returns:
            Canonical, shape (up to ``count``, genes); fewer when `sample` finds no more either.
        """
        found: IntArray = np.zeros((0, len(self._problem.cardinalities)), dtype=np.int64)
        for make in itertools.chain.from_iterable([make] * _TRIES for make in makes):
            missing = count - len(found)
            if missing == 0:
                return found
            made = self._problem.canonical(make(missing + missing // 2 + 4))
            found = np.concatenate([found, self._taken(made, missing)])
        return self._filled(found, count, rng)

    def propose_rows(self, genes: IntArray, count: int, rng: np.random.Generator) -> IntArray:
        """As `propose`, but from given rows, not yet canonical, of shape (up to count, genes)."""
        return self._filled(self._taken(self._problem.canonical(genes), count), count, rng)

    def _filled(self, found: IntArray, count: int, rng: np.random.Generator) -> IntArray:
        if len(found) == count:
            return found
        elsewhere = self.sample(count - len(found), rng)
        self.add(elsewhere)
        return np.concatenate([found, elsewhere])

    def _taken(self, genes: IntArray, most: int) -> IntArray:
        """The first new ones of canonical rows, at most so many, noted as proposed."""
        proposed = self._proposed
        kept: list[int] = []
        for i, key in enumerate(self._keys(genes)):
            if len(kept) == most:
                break
            if key not in proposed:
                proposed.add(key)
                kept.append(i)
        return genes[kept]

    def _keys(self, genes: IntArray) -> list[bytes]:
        """The bytes of each row: a table of these compares whole rows where hashes are equal."""
        rows = np.ascontiguousarray(genes, dtype=self._type)
        if rows.shape[1] == 0:
            return [b""] * len(rows)
        whole: Any = rows.view(np.dtype((np.void, rows.strides[0])))
        keys: list[bytes] = whole.ravel().tolist()
        return keys

    def _enumerated(self) -> IntArray:
        rows = np.array(list(itertools.product(*map(range, self._problem.cardinalities))))
        return self._problem.canonical(rows)


def check_finite(losses: FloatArray, violations: FloatArray) -> None:
    """Refuse answers that cannot be compared.

    Raises:
        InputError: A loss or violation is NaN or infinite; says which.
    """
    for what, values in (("loss", losses), ("violation", violations)):
        rows, columns = np.nonzero(~np.isfinite(values))
        if len(rows):
            raise InputError(
                f"A search strategy was told {values[rows[0], columns[0]]} as {what} "
                f"{columns[0]} of architecture {rows[0]}; expected a finite number."
            )
