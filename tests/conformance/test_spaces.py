"""What every search space promises, for every preset of every family and every wrapper of one."""

import json

import numpy as np
import pytest

from hwnas import plugins
from hwnas.layers import EMPTY, check_chain
from hwnas.protocols import architecture_layers
from hwnas.spaces import from_definition, load_space, preset_names
from hwnas.spaces.precision_choice import PrecisionSpace

SIZES = (
    "resolution", "in_channels", "out_channels", "hidden_channels", "kernel_size", "se_channels",
)  # fmt: skip
COUNT = 200

WRAPPERS = {
    "precision_choice": {
        "precisions": ["fp32", "int8"],
        "base": load_space("mbv3_small_32").definition(),
    },
}
"""Families that have no preset because their spaces are made around other spaces."""


@pytest.fixture(scope="module", params=[*preset_names(), *WRAPPERS])
def space(request):
    if request.param in WRAPPERS:
        return from_definition({"family": request.param, **WRAPPERS[request.param]}, source="test")
    return load_space(request.param)


@pytest.fixture
def genes(space):
    return space.sample(COUNT, np.random.default_rng(7))


def test_every_family_has_a_preset_or_wraps_one():
    used = {load_space(name).definition()["family"] for name in preset_names()}
    assert used | set(WRAPPERS) == set(plugins.names("hwnas.spaces"))


def test_every_gene_has_a_choice(space):
    assert space.cardinalities.ndim == 1
    assert (space.cardinalities >= 2).all()


def test_samples_are_canonical_rows_within_the_cardinalities(space, genes):
    assert genes.shape == (COUNT, len(space.cardinalities))
    assert ((genes >= 0) & (genes < space.cardinalities)).all()
    assert (space.canonical(genes) == genes).all()


def test_equal_seeds_give_equal_samples(space, genes):
    assert (space.sample(COUNT, np.random.default_rng(7)) == genes).all()


def test_samples_reach_every_choice(space):
    genes = space.sample(5000, np.random.default_rng(3))
    assert (genes.max(axis=0) == space.cardinalities - 1).all()
    assert (genes.min(axis=0) == 0).all()


def test_making_canonical_is_idempotent_changes_no_network_and_leaves_its_input_alone(space):
    rng = np.random.default_rng(11)
    raw = rng.integers(space.cardinalities, size=(COUNT, len(space.cardinalities)))
    before = raw.copy()
    canonical = space.canonical(raw)
    assert (raw == before).all()
    assert (space.canonical(canonical) == canonical).all()
    assert (space.layer_indices(raw) == space.layer_indices(canonical)).all()


def test_canonical_rows_and_networks_correspond_one_to_one(space):
    rows = np.unique(space.sample(3000, np.random.default_rng(5)), axis=0)
    networks = space.layer_indices(rows)
    if isinstance(space, PrecisionSpace):  # a network is layers at a precision
        networks = np.column_stack([space.split(rows)[0], networks])
    assert len(np.unique(networks, axis=0)) == len(rows)


def test_the_catalog_starts_with_the_empty_layer_and_repeats_none(space):
    assert space.catalog.layers[0] == EMPTY
    assert len(set(space.catalog.layers)) == len(space.catalog)


def test_every_layer_of_the_catalog_is_used(space):
    genes = space.sample(60_000, np.random.default_rng(13))
    assert len(np.unique(space.layer_indices(genes))) == len(space.catalog)


def test_layers_of_an_architecture_follow_each_other(space, genes):
    for row in genes[:50]:
        layers = architecture_layers(space, row)
        assert check_chain(layers) == layers
        assert layers[-1].kind == "linear"


def test_layer_indices_do_not_depend_on_the_rest_of_the_population(space, genes):
    together = space.layer_indices(genes)
    assert together.shape == (COUNT, len(space.slot_layers))
    alone = np.concatenate([space.layer_indices(row[None]) for row in genes[:20]])
    assert (together[:20] == alone).all()
    assert space.layer_indices(genes[:0]).shape == (0, len(space.slot_layers))


def test_slot_layers_bound_every_layer_of_their_slot(space):
    indices = space.layer_indices(space.sample(2000, np.random.default_rng(17)))
    for slot, largest in enumerate(space.slot_layers):
        for index in np.unique(indices[:, slot]):
            layer = space.catalog.layers[index]
            assert layer == EMPTY or layer.kind == largest.kind
            assert all(getattr(layer, size) <= getattr(largest, size) for size in SIZES)


def test_what_is_described_is_plain_data_and_is_parsed_back(space, genes):
    for row in genes[:50]:
        described = space.describe(row)
        assert space.parse(json.loads(json.dumps(described))).tolist() == row.tolist()


def test_the_definition_is_plain_data_that_builds_the_same_space(space, genes):
    definition = json.loads(json.dumps(space.definition()))
    again = from_definition(definition, source="test")
    assert again.name == space.name
    assert again.definition() == space.definition()
    assert again.catalog.layers == space.catalog.layers
    assert (again.layer_indices(genes) == space.layer_indices(genes)).all()
