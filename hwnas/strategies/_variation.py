"""New architectures: a first population, and operators on whole arrays of rows of choices.

Choices have no order that an operator may rely on, so every other one is as likely.
"""

import numpy as np

from hwnas.catalog import IntArray


def stratified(cardinalities: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Random rows in which each choice of a gene occurs as often as the others, give or take one.

    Latin hypercube sampling (McKay et al. 1979) for choices.

    Args:
        cardinalities: Shape (genes,).
        count: How many rows.
        rng: Says which.

    Returns:
        Shape (count, genes), not canonical.
    """
    # which choices occur once more than the others is random too
    offsets = rng.integers(cardinalities)
    columns = (np.arange(count)[:, None] + offsets) % cardinalities
    return np.asarray(rng.permuted(columns, axis=0))


def one_changed(genes: IntArray, cardinalities: IntArray, rng: np.random.Generator) -> IntArray:
    """Each row with one of its genes as another of its choices; same shape.

    Args:
        genes: Shape (architectures, genes).
        cardinalities: Shape (genes,); genes with a single choice stay as they are.
        rng: Says which.
    """
    result = np.array(genes)
    free = np.flatnonzero(cardinalities > 1)
    if len(free):
        chosen = free[rng.integers(len(free), size=len(genes))]
        place = (np.arange(len(genes)), chosen)
        choices = cardinalities[chosen]
        result[place] = (result[place] + rng.integers(1, choices)) % choices
    return result


def crossed(mothers: IntArray, fathers: IntArray, rng: np.random.Generator) -> IntArray:
    """Each gene from either parent, both as likely (uniform crossover); same shape."""
    return np.where(rng.integers(0, 2, size=mothers.shape, dtype=bool), fathers, mothers)


def varied(
    mothers: IntArray, fathers: IntArray, cardinalities: IntArray, rng: np.random.Generator
) -> IntArray:
    """Children of pairs of parents: by turns one gene of the mother changed, or both crossed.

    Not both at once, as is usual: with few evaluations, a child of which half is new seldom
    keeps what made its parents good.

    Args:
        mothers: Shape (children, genes).
        fathers: Same shape.
        cardinalities: Shape (genes,).
        rng: Says which.
    """
    children = crossed(mothers, fathers, rng)
    children[::2] = one_changed(mothers[::2], cardinalities, rng)
    return children
