"""The Pareto front of a sum of parts, by eliminating one gene after another.

For each combination of choices of the genes that a partial network shares with the rest, the
partial sums that no other dominates are kept: a dominated one cannot become part of a better
whole. Where all of them are kept, the front is exact.
"""

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np

from hwnas.additive import Additive
from hwnas.catalog import FloatArray, IntArray

_FINEST = -40
"""Sums are compared as multiples of the power of two below 2**-40 of the largest: whole numbers
stay exact, and what floats round differently in another order does not pass for a difference."""
_AT_ONCE = 2_000_000
_SMALL, _CELLS = 4_000, 4_096
_FINEST_CELL = -24


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Partial networks that are left to choose from.

    Attributes:
        sums: Shape (labels, columns), whole numbers.
        genes: Those decided so far, 0 elsewhere, shape (labels, genes).
        gap: By how much, in each column, a better one may have been left out, shape (columns,).
    """

    sums: FloatArray
    genes: IntArray
    gap: FloatArray

    def __len__(self) -> int:
        return len(self.sums)


@dataclass(frozen=True, slots=True, eq=False)
class _Message:
    """The best partial networks for each combination of choices of the genes in a scope."""

    scope: tuple[int, ...]
    labels: dict[tuple[int, ...], Labels]


def pareto_sums(additive: Additive, cardinalities: IntArray, *, most: int) -> Labels:
    """The networks that no other dominates; one where several are equal.

    Args:
        additive: What is minimised, column by column.
        cardinalities: Number of choices of each gene, shape (genes,).
        most: Pairs of partial networks to look at when two sets are joined. Where there are
            more, those that differ by less than a grid are taken for equal before, which is what
            the gap counts.

    Returns:
        Sums and gap in the unit of each column; in ascending order of the first.
    """
    grid = _grid(additive)
    messages: list[_Message] = []
    for part in additive.parts:
        gene, scope = part.genes[0], part.genes[1:]
        incoming = [message for message in messages if gene in message.scope]
        messages = [message for message in messages if gene not in message.scope]
        sums = np.rint(part.values / grid)
        labels = {}
        for assigned in itertools.product(*(range(cardinalities[other]) for other in scope)):
            chosen = dict(zip(scope, assigned, strict=True))
            ways = []
            for choice in range(cardinalities[gene]):
                chosen[gene] = choice
                own = _single(sums[(choice, *assigned)], gene, choice, len(cardinalities))
                rest = [m.labels[tuple(chosen[other] for other in m.scope)] for m in incoming]
                ways.append(_total([own, *rest], most))
            labels[assigned] = _union(ways)
        messages.append(_Message(scope, labels))
    nothing = Labels(
        np.rint(additive.constant / grid)[None, :], np.zeros((1, len(cardinalities)), np.uint8),
        np.zeros(len(grid)),
    )  # fmt: skip
    whole = _total([nothing, *(message.labels[()] for message in messages)], most)
    order = np.lexsort(whole.sums.T[::-1])
    return Labels(whole.sums[order] * grid, whole.genes[order].astype(np.int64), whole.gap * grid)


def _grid(additive: Additive) -> FloatArray:
    largest = np.abs(additive.constant)
    for part in additive.parts:
        largest = largest + np.abs(part.values).reshape(-1, len(largest)).max(axis=0)
    exponent = np.floor(np.log2(np.where(largest > 0, largest, 1.0)))
    return np.asarray(np.exp2(exponent + _FINEST))


def _single(sums: FloatArray, gene: int, choice: int, genes: int) -> Labels:
    row = np.zeros((1, genes), dtype=np.uint8)
    row[0, gene] = choice
    return Labels(sums[None, :], row, np.zeros(len(sums)))


def _total(parts: Sequence[Labels], most: int) -> Labels:
    """Every way to choose one of each, as far as no other dominates it; the smallest first."""
    queue = [(len(part), position, part) for position, part in enumerate(parts)]
    heapq.heapify(queue)
    for position in itertools.count(len(queue)):
        _, _, first = heapq.heappop(queue)
        if not queue:
            return first
        _, _, second = heapq.heappop(queue)
        both = _sum(first, second, most)
        heapq.heappush(queue, (len(both), position, both))
    raise AssertionError("counts without end")


def _sum(few: Labels, many: Labels, most: int) -> Labels:
    """Every way to choose one of each of two, as far as no other dominates it."""
    if len(few) * len(many) > most:
        few = _thinned(few, math.isqrt(most))
        many = _thinned(many, most // len(few))
    gap = few.gap + many.gap
    if len(few) == 1:
        return Labels(few.sums + many.sums, few.genes + many.genes, gap)
    step = max(1, _AT_ONCE // len(many))
    found: list[Labels] = []
    for start in range(0, len(few), step):
        chunk = few.sums[start : start + step]
        sums = (chunk[:, None, :] + many.sums[None, :, :]).reshape(-1, chunk.shape[1])
        kept = best(sums)
        of_few, of_many = np.divmod(kept, len(many))
        genes = few.genes[start + of_few] + many.genes[of_many]
        found.append(Labels(sums[kept], genes, gap))
    return _union(found)


def _union(ways: Sequence[Labels]) -> Labels:
    """All ways together, as far as no other dominates them."""
    if len(ways) == 1:
        return ways[0]
    sums = np.concatenate([labels.sums for labels in ways])
    gap = np.max([labels.gap for labels in ways], axis=0)
    kept = best(sums)
    genes = np.concatenate([labels.genes for labels in ways])[kept]
    return Labels(sums[kept], genes, gap)


def best(sums: FloatArray) -> IntArray:
    """Positions of the rows that no other dominates; of equal ones the first."""
    if sums.shape[1] == 1:
        return np.array([sums[:, 0].argmin()])
    left = _sieved(sums) if len(sums) > _SMALL else np.arange(len(sums))
    if sums.shape[1] == 2:
        order = left[np.lexsort(sums[left].T[::-1])]
        last = sums[order, 1]
        lowest = np.minimum.accumulate(last)
        return np.asarray(order[np.append(True, last[1:] < lowest[:-1])])
    rows, first = np.unique(sums[left], axis=0, return_index=True)
    return np.asarray(left[first[moocore.is_nondominated(rows, keep_weakly=True)]])


def _sieved(sums: FloatArray) -> IntArray:
    """Positions without most of the dominated rows, found without comparing all of them."""
    others, last = sums[:, :-1], sums[:, -1]
    count = int(_CELLS ** (1 / others.shape[1]))
    low, span = others.min(axis=0), np.ptp(others, axis=0)
    bins = ((others - low) * (count / np.where(span > 0, span, np.inf))).astype(np.intp)
    bins = np.minimum(bins, count - 1)
    lowest = np.full((count + 1,) * others.shape[1], np.inf)
    np.minimum.at(lowest, tuple((bins + 1).T), last)
    for axis in range(others.shape[1]):
        np.minimum.accumulate(lowest, axis=axis, out=lowest)
    # what lies in lower bins only is smaller in all columns but the last
    return np.flatnonzero(last < lowest[tuple(bins.T)])


def _thinned(labels: Labels, most: int) -> Labels:
    """At most so many, spread by the finest grid that leaves no more.

    For each one left out, one stays that is worse by less than a cell in every column.
    """
    if len(labels) <= most:
        return labels
    spread = np.ptp(labels.sums, axis=0)
    cell, left = np.maximum(spread, 1.0), np.array([labels.sums.sum(axis=1).argmin()])
    coarse, fine = 1, _FINEST_CELL
    while coarse - fine > 1:
        exponent = (coarse + fine) // 2
        tried = np.maximum(np.ceil(spread * 2.0**exponent), 1.0)
        kept = best(np.floor(labels.sums / tried))
        if len(kept) > most:
            fine = exponent
        else:
            coarse, cell, left = exponent, tried, kept
    return Labels(labels.sums[left], labels.genes[left], labels.gap + cell)
