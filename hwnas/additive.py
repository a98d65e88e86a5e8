"""Quantities of an architecture that are sums of parts, each of which depends on few genes.

MACs, parameters, latency and energy add up over layers, and a layer depends on a handful of
genes. Which ones is found by asking: two genes share a part when changing both at once differs
from changing each alone. That leaves a graph of genes, and genes can be eliminated from it one
after another, as in nonserial dynamic programming (Bertele and Brioschi 1972).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwnas.catalog import BoolArray, FloatArray, IntArray

_MOST_ROWS = 100_000
"""Largest table of a part: with more, genes are too entangled to be worth eliminating."""

_BASES = 24
_ROUNDS = 4
_CHECKED = 4_000
_TOLERANCE = 1e-9

Function = Callable[[IntArray], FloatArray]
"""From genes of shape (architectures, genes) to values of shape (architectures, columns)."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A summand.

    Attributes:
        genes: Those it depends on; the first is in no later part.
        values: For each combination of their choices, shape (*choices, columns).
    """

    genes: tuple[int, ...]
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Additive:
    """A constant and a part for each gene, in the order in which genes can be eliminated.

    Attributes:
        constant: Shape (columns,).
        parts: One for each gene.
    """

    constant: FloatArray
    parts: tuple[Part, ...]

    def of(self, genes: IntArray) -> FloatArray:
        """Sums for genes of shape (architectures, genes), shape (architectures, columns)."""
        result = np.tile(self.constant, (len(genes), 1))
        for part in self.parts:
            result += part.values[tuple(genes[:, gene] for gene in part.genes)]
        return result


def decompose(function: Function, cardinalities: IntArray, *, seed: int = 0) -> Additive | None:
    """A function of genes as a sum of parts; None when it is none, or its parts are too large.

    The parts are exact where every pair of genes that shares one was seen to do so. That they
    reproduce the function is checked on 4,000 random architectures.

    Args:
        function: Of any genes within the cardinalities, canonical or not.
        cardinalities: Number of choices of each gene, shape (genes,).
        seed: Of the architectures that are asked about.
    """
    rng = np.random.default_rng(seed)
    checked = rng.integers(cardinalities, size=(_CHECKED, len(cardinalities)))
    tolerance = _TOLERANCE * np.abs(function(checked)).max(axis=0)
    linked = np.zeros((len(cardinalities), len(cardinalities)), dtype=bool)
    for _ in range(_ROUNDS):
        for base in rng.integers(cardinalities, size=(_BASES, len(cardinalities))):
            linked |= _links(function, cardinalities, base, rng, tolerance)
        order = _elimination(linked, cardinalities)
        if order is None:
            return None
        found = _parts(function, cardinalities, order)
        if matches(found, function, checked):
            return found
    return None


def matches(parts: Additive, function: Function, genes: IntArray) -> bool:
    """Whether the parts add up to what the function says, but for what floats round."""
    expected = function(genes)
    tolerance = _TOLERANCE * np.abs(expected).max(axis=0)
    return bool((np.abs(parts.of(genes) - expected) <= tolerance).all())


def lowest(parts: Additive, cardinalities: IntArray) -> IntArray:
    """The genes with the smallest sum in the first column, shape (genes,)."""
    messages: list[tuple[tuple[int, ...], FloatArray]] = []
    decisions: list[tuple[tuple[int, ...], IntArray]] = []
    for part in parts.parts:
        sums = part.values[..., 0].copy()
        for scope, least in messages:
            if part.genes[0] in scope:
                sums += _spread(least, scope, part.genes)
        messages = [message for message in messages if part.genes[0] not in message[0]]
        messages.append((part.genes[1:], sums.min(axis=0)))
        decisions.append((part.genes, sums.argmin(axis=0)))
    row = np.zeros(len(cardinalities), dtype=np.int64)
    for (gene, *others), choice in reversed(decisions):
        row[gene] = choice[tuple(row[others])]
    return row


def _spread(values: FloatArray, scope: tuple[int, ...], genes: tuple[int, ...]) -> FloatArray:
    """Values for some of the genes, with an axis of length 1 for each of the others."""
    places = [genes.index(gene) for gene in scope]
    shape = np.ones(len(genes), dtype=np.int64)
    shape[places] = values.shape
    return values.transpose(np.argsort(places)).reshape(shape)


def _links(
    function: Function,
    cardinalities: IntArray,
    base: IntArray,
    rng: np.random.Generator,
    tolerance: FloatArray,
) -> BoolArray:
    """Which genes are seen to share a part from one architecture on, shape (genes, genes)."""
    count = len(cardinalities)
    steps = rng.integers(1, np.maximum(cardinalities, 2))
    changed = (base + steps) % cardinalities
    first, second = np.triu_indices(count, k=1)
    single = np.tile(base, (count, 1))
    np.fill_diagonal(single, changed)
    double = single[first]
    double[np.arange(len(first)), second] = changed[second]
    values = function(np.concatenate([base[None, :], single, double]))
    alone, both = values[1 : count + 1], values[count + 1 :]
    mixed = both - alone[first] - alone[second] + values[0]
    linked = np.zeros((count, count), dtype=bool)
    linked[first, second] = (np.abs(mixed) > tolerance).any(axis=1)
    return linked | linked.T


def _elimination(linked: BoolArray, cardinalities: IntArray) -> list[tuple[int, ...]] | None:
    """Each gene with those its part depends on, the smallest tables first; None if too large."""
    linked, left, order = linked.copy(), set(range(len(cardinalities))), []
    while left:
        scopes = {gene: (gene, *np.flatnonzero(linked[gene]).tolist()) for gene in left}
        sizes = {g: int(np.prod(cardinalities[list(s)].astype(float))) for g, s in scopes.items()}
        gene = min(sorted(left), key=lambda g: sizes[g])
        if sizes[gene] > _MOST_ROWS:
            return None
        neighbours = list(scopes[gene][1:])
        linked[np.ix_(neighbours, neighbours)] = True
        linked[neighbours, neighbours] = False
        linked[gene] = linked[:, gene] = False
        left.remove(gene)
        order.append(scopes[gene])
    return order


def _parts(function: Function, cardinalities: IntArray, order: list[tuple[int, ...]]) -> Additive:
    """What each gene adds while all genes that were eliminated before it are 0."""
    zero = np.zeros((1, len(cardinalities)), dtype=np.int64)
    parts = []
    for scope in order:
        choices = [range(cardinalities[gene]) for gene in scope]
        rows = np.repeat(zero, np.prod([len(c) for c in choices]), axis=0)
        rows[:, scope] = np.array(list(itertools.product(*choices)))
        values = function(rows)
        values = values.reshape(*(len(c) for c in choices), values.shape[1])
        parts.append(Part(scope, values - values[:1]))
    return Additive(function(zero)[0], tuple(parts))
