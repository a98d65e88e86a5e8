"""Which architectures a surrogate is asked about: all of a small space, the likely ones of a large.

A large space is searched by evolution on the surrogate, whose answers cost microseconds: the
best so far are crossed and mutated, generation after generation. Half of those that live on
are chosen for what they are expected to gain, half for their place in the order of dominance,
so that no part of the front dies out.
"""

import itertools
import math
from collections.abc import Callable

import moocore
import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.protocols import StrategyProblem

_ENUMERABLE = 2**16
_GENERATIONS = 10
_CHILDREN = 2_000
_PARENTS = 500

Judge = Callable[[IntArray], tuple[FloatArray, FloatArray]]
"""Canonical rows to expected losses (architectures, objectives) and worth (architectures,)."""


def whole_space(problem: StrategyProblem) -> IntArray | None:
    """All canonical rows, shape (architectures, genes); None when there are over 65,536 rows."""
    sizes = [int(size) for size in problem.cardinalities]
    if np.prod(sizes, dtype=float) > _ENUMERABLE:
        return None
    rows: IntArray = np.array(list(itertools.product(*map(range, sizes))), dtype=np.int64)
    # a space without genes has one row without columns
    rows = problem.canonical(rows.reshape(math.prod(sizes), len(sizes)))
    return np.unique(rows, axis=0) if sizes else rows


def evolved(
    problem: StrategyProblem, start: IntArray, judge: Judge, rng: np.random.Generator
) -> IntArray:
    """Canonical rows of a large space that are probably good, distinct, best first.

    Args:
        problem: Says what a row is.
        start: Rows to begin with, at least one, shape (architectures, genes).
        judge: Asked about every row once a generation.
        rng: Of everything random.
    """
    living = np.unique(start, axis=0)
    for _ in range(_GENERATIONS):
        children = problem.canonical(_children(living, problem.cardinalities, rng))
        living = np.unique(np.concatenate([living, children]), axis=0)
        losses, worth = judge(living)
        living = living[_surviving(losses, worth)]
    return living


def _surviving(losses: FloatArray, worth: FloatArray) -> IntArray:
    by_worth = np.argsort(-worth, kind="stable")
    by_rank = np.argsort(moocore.pareto_rank(losses), kind="stable")
    both = np.stack([by_worth, by_rank], axis=1).ravel()
    _, first = np.unique(both, return_index=True)
    return both[np.sort(first)][: 2 * _PARENTS]


def _children(parents: IntArray, cardinalities: IntArray, rng: np.random.Generator) -> IntArray:
    """Uniform crossover of random pairs; then a gene or a few become other choices."""
    pairs = parents[rng.integers(len(parents), size=(2, _CHILDREN))]
    crossed = rng.random(_CHILDREN) < 0.5
    mixed = (rng.random(pairs[0].shape) < 0.5) & crossed[:, None]
    children = np.where(mixed, pairs[1], pairs[0])
    genes = len(cardinalities)
    rate = rng.integers(0, 4, size=_CHILDREN) / genes
    changes = rng.random(children.shape) < rate[:, None]
    steps = rng.integers(1, np.maximum(cardinalities, 2), size=children.shape)
    return np.asarray(np.where(changes, (children + steps) % cardinalities, children))
