"""Which whole networks are measured: some that tell most about layers, some at random."""

import numpy as np

from hwnas.calibration import choose_networks, layer_counts
from hwnas.calibration.isolated import Evidence, expected_covariance
from hwnas.calibration.layer_layout import layer_layout
from hwnas.catalog import FloatArray, IntArray, LayerCatalog
from hwnas.protocols import SearchSpace

_CANDIDATES = 512
_MACS_PER_ELEMENT = 8.0  # what a vector unit multiplies while it moves one element
_OVERHEAD = 0.05  # of a network's expected cost


def choose_whole(
    space: SearchSpace, rng: np.random.Generator, *, networks: int, held_out: int
) -> tuple[IntArray, IntArray]:
    """Rows of networks to fit a table on, and of others to see how good it is.

    The latter are random; the former the most informative of many random ones, by the mean
    variance of latencies that is left (A-optimal). Layers are not measured yet: what they cost is
    guessed from their operations, which only decides how much each is worth asking about. In a
    space with few networks there may be fewer than asked for, as none has both roles.

    Args:
        space: Whose networks they are.
        rng: Of everything random.
        networks: How many to fit on.
        held_out: How many to hold out.
    """
    unseen = distinct(space.sample(held_out, rng), held_out)
    if not networks:
        return unseen[:0], unseen
    pool = np.concatenate([unseen, space.sample(max(_CANDIDATES, 4 * networks), rng)])
    candidates = distinct(pool, len(pool))[len(unseen) :]
    if len(candidates) <= networks:
        return candidates, unseen
    return candidates[_informative(space, candidates, networks)], unseen


def _informative(space: SearchSpace, candidates: IntArray, networks: int) -> IntArray:
    catalog = space.catalog
    counts = layer_counts(space.layer_indices(candidates), len(catalog))
    costs = _guessed(catalog)
    sums = counts @ costs
    evidence = Evidence(layer_layout(catalog.layers), costs, _OVERHEAD * sums.mean(), counts, sums)
    covariance, noise = expected_covariance(evidence)
    return choose_networks(
        evidence.relative_counts, networks, covariance=covariance, noise=noise, criterion="A"
    )


def _guessed(catalog: LayerCatalog) -> FloatArray:
    return np.asarray(catalog.macs / _MACS_PER_ELEMENT + catalog.moved)


def distinct(rows: IntArray, most: int) -> IntArray:
    """Rows without those that came before, in order."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)[:most]]
