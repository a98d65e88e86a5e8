"""What a strategy has proposed so far, so that no architecture is ever proposed twice."""

import itertools

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError
from hwnas.pareto import BoolArray
from hwnas.protocols import StrategyProblem

_ENUMERABLE = 2**16
_ROUNDS = 50


class History:
    """The architectures proposed so far, by the bytes of their canonical rows."""

    def __init__(self, problem: StrategyProblem) -> None:
        self._problem = problem
        self._proposed: set[bytes] = set()

    def fresh(self, genes: IntArray) -> BoolArray:
        """Which canonical rows are new: never proposed, nor a repeat of a row above.

        Args:
            genes: Shape (architectures, genes).
        """
        seen: set[bytes] = set()
        mask = np.zeros(len(genes), dtype=bool)
        for i, key in enumerate(_keys(genes)):
            mask[i] = key not in self._proposed and key not in seen
            seen.add(key)
        return mask

    def add(self, genes: IntArray) -> None:
        """Note canonical rows as proposed."""
        self._proposed.update(_keys(genes))

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


def _keys(genes: IntArray) -> list[bytes]:
    # one type, so that equal rows have equal bytes whatever they were computed in
    return [row.tobytes() for row in np.ascontiguousarray(genes, dtype=np.int32)]
