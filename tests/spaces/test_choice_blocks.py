"""The choice_blocks family: its layers, its readable form, and NAS-Bench-Macro's networks."""

from pathlib import Path

import numpy as np
import pytest

from hwnas.catalog import total
from hwnas.errors import FileFormatError, InputError
from hwnas.layers import LayerSpec
from hwnas.protocols import architecture_layers
from hwnas.spaces import from_definition, load_space
from hwnas.training.supernet import create_supernet, slot_layers_of

MACRO = load_space("nas_bench_macro")
TABLE = Path(__file__).parents[3] / "shared/bench/search_nbmacro_params.npz"

SMALL = {
    "family": "choice_blocks",
    "name": "small",
    "resolutions": [12, 16],
    "classes": 5,
    "stem": {"width": 8},
    "blocks": [
        {"name": "narrow", "kernel_size": 3, "expand_ratio": 1},
        {"name": "wide", "kernel_size": 5, "expand_ratio": 4, "se": True},
    ],
    "stages": [{"width": 8, "depth": 2}, {"width": 16, "depth": 1, "stride": 2}],
    "head": {"conv_width": 24},
}


def small(**changes):
    return from_definition({**SMALL, **changes}, source="test")


def total_of(space, genes, cost="params"):
    values = getattr(space.catalog, cost)
    return total(values, space.layer_indices(np.array(genes)))


def test_nas_bench_macro_has_6561_networks_of_8_positions():
    assert MACRO.cardinalities.tolist() == [3] * 8


def test_a_chain_of_identities_has_the_parameters_worked_out_by_hand():
    stem = 3 * 32 * 9 + 2 * 32
    shortcuts = sum(a * b + 2 * b for a, b in ((32, 64), (64, 128), (128, 256)))
    head = 256 * 1280 + 2 * 1280 + 1280 * 10 + 10
    assert total_of(MACRO, [[0] * 8]).tolist() == [stem + shortcuts + head]


@pytest.mark.parametrize(("choice", "ratio", "kernel"), [(1, 3, 3), (2, 6, 5)])
def test_a_chain_of_one_block_has_the_costs_worked_out_by_hand(choice, ratio, kernel):
    params, macs = 3 * 32 * 9 + 2 * 32, 3 * 32 * 9 * 32**2
    given, size = 32, 32
    for width, depth in ((64, 2), (128, 3), (256, 3)):
        for stride in (2, *[1] * (depth - 1)):
            hidden, after = given * ratio, size // stride
            params += given * hidden + hidden * kernel**2 + hidden * width + 4 * hidden + 2 * width
            macs += given * hidden * size**2
            macs += (hidden * kernel**2 + hidden * width) * after**2
            given, size = width, after
    params += 256 * 1280 + 2 * 1280 + 1280 * 10 + 10
    macs += 256 * 1280 * 4**2 + 1280 * 10
    assert total_of(MACRO, [[choice] * 8]).tolist() == [params]
    assert total_of(MACRO, [[choice] * 8], "macs").tolist() == [macs]


@pytest.mark.skipif(not TABLE.is_file(), reason="the published table is not at hand")
@pytest.mark.parametrize("shared", [False, True])
def test_parameters_of_all_nas_bench_macro_networks_are_the_published_ones(shared):
    space = load_space("nas_bench_macro", shared_weights=shared)
    with np.load(TABLE) as table:
        genes, objectives = table["genes"].astype(np.int64), table["objectives"]
        assert table["objective_names"][1] == "params"
    assert len(genes) == 3**8
    assert (total_of(space, genes) == objectives[:, 1]).all()


def test_layers_of_a_network_are_those_of_the_paper():
    layers = architecture_layers(MACRO, np.array([1, 0, 0, 2, 0, 0, 0, 1]))
    first, *middle, last_block, head, pool, classifier = layers
    assert first == LayerSpec("conv", 32, 3, 32, kernel_size=3, activation="relu")
    block = LayerSpec("mbconv", 32, 32, 64, 96, kernel_size=3, stride=2, activation="relu")
    residual = LayerSpec("mbconv", 8, 128, 128, 768, kernel_size=5, activation="relu")
    shortcuts = [
        LayerSpec("conv", 16, 64, 128, stride=2), LayerSpec("conv", 8, 128, 256, stride=2),
    ]  # fmt: skip
    assert middle == [block, shortcuts[0], residual, shortcuts[1]]
    assert residual.residual
    assert not block.residual
    assert last_block == LayerSpec("mbconv", 4, 256, 256, 768, kernel_size=3, activation="relu")
    assert head == LayerSpec("conv", 4, 256, 1280, activation="relu")
    assert (pool.kind, classifier.out_channels, classifier.bias) == ("pool", 10, True)


def test_blocks_of_a_position_share_a_slot_or_have_one_each():
    separate, shared = small(), small(shared_weights=True)
    kinds = [[layer.kind for layer in space.slot_layers[1:-3]] for space in (separate, shared)]
    # the last position changes the shape, so that its identity is a convolution
    assert kinds == [
        ["mbconv", "mbconv", "mbconv", "mbconv", "conv", "mbconv", "mbconv"],
        ["mbconv", "mbconv", "conv", "mbconv"],
    ]
    for row in separate.sample(20, np.random.default_rng(0)):
        assert architecture_layers(separate, row) == architecture_layers(shared, row)


def test_weights_are_shared_by_channels_and_by_the_middle_of_the_kernel():
    space = small(shared_weights=True, resolutions=[16])
    supernet = create_supernet(space, 0)
    narrow, wide = (
        supernet.extract(layers)
        for layers in slot_layers_of(space, np.array([[1, 0, 0], [2, 0, 0]]))
    )
    kernels = [network[1].depthwise.conv.weight for network in (narrow, wide)]
    assert kernels[0].shape == (8, 1, 3, 3)
    assert kernels[1].shape == (32, 1, 5, 5)
    assert (kernels[0] == kernels[1][:8, :, 1:-1, 1:-1]).all()


def test_a_resolution_is_a_gene_where_there_are_several():
    space = small()
    assert space.cardinalities.tolist() == [2, 3, 3, 3]
    first = [architecture_layers(space, np.array([r, 1, 1, 1]))[0].resolution for r in (0, 1)]
    assert first == [12, 16]
    assert small(resolutions=[16]).cardinalities.tolist() == [3, 3, 3]


def test_without_identity_every_position_holds_a_block():
    space = small(identity=False)
    assert space.cardinalities.tolist() == [2, 2, 2, 2]
    network = architecture_layers(space, np.zeros(4, dtype=np.int64))
    assert [layer.kind for layer in network] == [
        "conv", "mbconv", "mbconv", "mbconv", "conv", "pool", "linear",
    ]  # fmt: skip


def test_an_architecture_reads_as_the_names_of_its_blocks():
    row = np.array([1, 0, 1, 2])
    described = {"blocks": ["identity", "narrow", "wide"], "r": 16}
    assert small().describe(row) == described
    assert small().parse(described).tolist() == row.tolist()
    assert small(resolutions=[16]).parse({"blocks": described["blocks"]}).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"block": []}, "Unknown architecture key 'block'. Did you mean 'blocks'?"),
        ({"blocks": ["wide"] * 3}, "Architecture key 'r' is missing; space small has choices of"),
        ({"blocks": ["wide"] * 2, "r": 16}, "'blocks' has 2 names; space small has 3 positions"),
        ({"blocks": "wide", "r": 16}, "'blocks' has 'wide' names; space small has 3 positions"),
        ({"blocks": ["wide", "wid", "wide"], "r": 16}, "Unknown block 'wid'. Did you mean 'wide'?"),
        ({"blocks": ["wide"] * 3, "r": 14}, r"Architecture key 'r' is 14; .* offers \[12, 16\]"),
    ],
)
def test_an_architecture_that_does_not_fit_is_refused(said, message):
    with pytest.raises(InputError, match=message):
        small().parse(said)


def blocks(*changes):
    return [{**block, **change} for block, change in zip(SMALL["blocks"], changes, strict=True)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolutions": []}, "test: resolutions is empty; give at least one."),
        ({"resolutions": [12, 12]}, r"test: resolutions repeats a choice: \[12, 12\]"),
        ({"stages": []}, "test: stages is empty"),
        ({"blocks": []}, "test: blocks is empty"),
        ({"identity": False, "blocks": SMALL["blocks"][:1]}, "there is nothing to choose from"),
        ({"blocks": blocks({}, {"name": "narrow"})}, "names of blocks repeats a choice"),
        ({"blocks": blocks({}, {"name": "identity"})}, "names of blocks repeats a choice"),
        (
            {"blocks": [SMALL["blocks"][0], {**SMALL["blocks"][0], "name": "twin"}]},
            "blocks makes the same layers of two choices",
        ),
        (
            {"blocks": blocks({}, {"kernel_size": 3, "expand_ratio": 1.05, "se": False})},
            "same layers of two choices for 8 channels",
        ),
        ({"blocks": blocks({"kernel_size": 4}, {})}, "blocks.0.kernel_size is 4; expected an odd"),
        ({"blocks": blocks({"expand_ratio": 0}, {})}, "blocks.0.expand_ratio is 0; expected more"),
        ({"stages": [{"width": 8, "depth": 0}]}, "stages.0.depth is 0; expected more than 0"),
        ({"classes": 0}, "classes is 0; expected more than 0"),
        ({"widths": 1}, "widths is not a known key"),
    ],
)
def test_a_definition_that_makes_no_space_is_refused(changes, message):
    with pytest.raises(FileFormatError, match=message):
        small(**changes)
