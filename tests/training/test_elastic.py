import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hwnas.layers import EMPTY
from hwnas.spaces import load_space
from hwnas.training.config import SupernetConfig
from hwnas.training.elastic import ElasticSampler, gene_properties

SPACE = load_space(Path(__file__).parent.parent / "data/tiny_space.toml")
CONFIG = SupernetConfig(
    epochs=7, largest_first=1, random_networks=20, progressive=("kernel_size", "depth", "width")
)


def kinds_in(rows):
    """What differs between networks: kernels, numbers of blocks, channels, resolutions."""
    layers = [[SPACE.catalog.layers[i] for i in row] for row in SPACE.layer_indices(rows)]
    present = [[layer for layer in network if layer != EMPTY] for network in layers]
    return {
        "kernel_size": len({layer.kernel_size for n in present for layer in n if layer.residual}),
        "depth": len({len(network) for network in present}),
        "width": len({network[-4].in_channels for network in present}),
        "resolution": len({network[0].resolution for network in present}),
    }


def test_each_genes_property_is_seen_by_changing_it():
    largest = ElasticSampler(SPACE, CONFIG).largest
    found = gene_properties(SPACE, largest)
    assert len(found) == len(SPACE.cardinalities)
    assert set(found) == {"resolution", "kernel_size", "depth", "width", None}
    once = load_space("ofa_mbv3_w1.0")
    sampler = ElasticSampler(once, CONFIG)
    counts = {
        name: gene_properties(once, sampler.largest).count(name)
        for name in ("resolution", "kernel_size", "depth", "width")
    }
    assert counts == {"resolution": 1, "kernel_size": 20, "depth": 5, "width": 20}


@pytest.mark.parametrize(
    ("epoch", "varying"),
    [(1, {"kernel_size"}), (3, {"kernel_size", "depth"}), (5, {"kernel_size", "depth", "width"})],
)
def test_properties_become_elastic_one_after_another(epoch, varying):
    rows = ElasticSampler(SPACE, CONFIG).rows(epoch, np.random.default_rng(0))
    assert rows.shape == (21, len(SPACE.cardinalities))
    assert np.array_equal(SPACE.canonical(rows), rows)
    kinds = kinds_in(rows)
    assert kinds["resolution"] == 2  # not named: free from the start
    for name in ("depth", "width"):
        assert (kinds[name] > 1) == (name in varying)


def test_nothing_is_trained_beside_the_largest_at_first():
    assert ElasticSampler(SPACE, CONFIG).rows(0, np.random.default_rng(0)).shape[0] == 0


def test_without_stages_random_networks_and_the_smallest_are_trained():
    config = dataclasses.replace(CONFIG, progressive=())
    sampler = ElasticSampler(SPACE, config)
    rows = sampler.rows(1, np.random.default_rng(3))
    assert np.array_equal(rows[:-1], SPACE.sample(20, np.random.default_rng(3)))
    assert np.array_equal(rows[-1], sampler.smallest)


def test_without_a_sandwich_only_random_networks_are_trained():
    config = dataclasses.replace(CONFIG, progressive=(), sandwich=False)
    rows = ElasticSampler(SPACE, config).rows(1, np.random.default_rng(3))
    assert np.array_equal(rows, SPACE.sample(20, np.random.default_rng(3)))
