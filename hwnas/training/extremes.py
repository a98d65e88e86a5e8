"""The smallest and the largest network of a space, between which the sandwich rule trains."""

import numpy as np

from hwnas.catalog import IntArray, total
from hwnas.protocols import SearchSpace

_ROUNDS = 10  # a change of one gene may free another; two or three rounds are enough in practice


def extreme_rows(space: SearchSpace) -> tuple[IntArray, IntArray]:
    """Rows of the networks with the fewest and the most MACs, each of shape (genes,).

    Gene by gene the best choice is taken until nothing changes: exact where MACs add up and
    no choice makes another one worse, as in spaces of stages and blocks.
    """
    return _extreme(space, -1.0), _extreme(space, 1.0)


def _extreme(space: SearchSpace, sign: float) -> IntArray:
    row: IntArray = space.canonical(np.zeros((1, len(space.cardinalities)), dtype=np.int64))[0]
    for _ in range(_ROUNDS):
        before = row
        for gene, choices in enumerate(space.cardinalities):
            candidates = np.repeat(row[None], choices, axis=0)
            candidates[:, gene] = np.arange(choices)
            candidates = space.canonical(candidates)
            macs = total(space.catalog.macs, space.layer_indices(candidates))
            row = candidates[np.argmax(sign * macs)]
        if np.array_equal(row, before):
            break
    return row
