"""The mobilenet_v3 family: genes, layers and Once-for-All's form."""

import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.catalog import total
from hwnas.errors import FileFormatError, InputError
from hwnas.layers import LayerSpec, make_divisible
from hwnas.protocols import architecture_layers
from hwnas.spaces import from_definition, load_space

# Every kind of gene, and few enough architectures to try them all.
TINY = {
    "family": "mobilenet_v3",
    "name": "tiny",
    "resolutions": [12, 16],
    "classes": 5,
    "stem": {"width": 16},
    "stages": [
        {
            "width": [16, 24],
            "depth": [1, 3],
            "kernel_size": [3, 5],
            "expand_ratio": [2],
            "se": [False, True],
        },
        {
            "width": [32],
            "depth": [1, 2],
            "kernel_size": [3],
            "expand_ratio": [1, 3],
            "stride": 2,
            "activation": ["relu", "hard_swish"],
        },
    ],
    "head": {"conv_width": 0, "features": 40, "feature_bias": True},
}
PUBLISHED = (
    Path(__file__).parents[2].resolve().parent / "shared" / "bench" / "ofa_mbv3_w1.0_imagenet.jsonl"
)


@cache
def once_for_all():
    return load_space("ofa_mbv3_w1.0")


def tiny():
    return from_definition(TINY, source="test")


def every_row(space):
    return np.array(list(itertools.product(*(range(n) for n in space.cardinalities))))


def wide_definition():
    """A space whose stages differ in everything that can differ."""
    return load_space("ofa_mbv3_w1.2", resolutions=[128, 160, 224], classes=11).definition()


def layers_said_by(definition, described):
    """The layers of an architecture, built naively from its readable form."""
    stages = definition["stages"]
    several = [
        any(
            len(stage[key]) > 1
            for key in ("width", "depth", "kernel_size", "expand_ratio", "se", "activation")
        )
        for stage in stages
    ]
    left = {key: list(value) for key, value in described.items() if key != "r"}

    def scaled(width):
        return make_divisible(width * definition["width_mult"])

    def taken(key, stage, name):
        return left[key].pop(0) if key in left else stage[name][0]

    resolution = described["r"]
    stem, head = definition["stem"], definition["head"]
    yield LayerSpec(
        "conv",
        resolution,
        definition["in_channels"],
        scaled(stem["width"]),
        kernel_size=stem["kernel_size"],
        stride=stem["stride"],
        activation=stem["activation"],
    )
    channels, resolution = scaled(stem["width"]), -(-resolution // stem["stride"])
    for stage, searched in zip(stages, several, strict=True):
        if searched:
            depth = taken("d", stage, "depth")
            width = scaled(taken("w", stage, "width"))
            se, activation = taken("se", stage, "se"), taken("act", stage, "activation")
        else:
            depth, width = stage["depth"][0], scaled(stage["width"][0])
            se, activation = stage["se"][0], stage["activation"][0]
        for block in range(max(stage["depth"])):
            if searched:
                kernel_size, ratio = left["ks"].pop(0), left["e"].pop(0)
            else:
                kernel_size, ratio = stage["kernel_size"][0], stage["expand_ratio"][0]
            if block >= depth:
                continue
            hidden = make_divisible(round(channels * ratio))
            stride = stage["stride"] if block == 0 else 1
            yield LayerSpec(
                "mbconv",
                resolution,
                channels,
                width,
                hidden_channels=hidden,
                kernel_size=kernel_size,
                stride=stride,
                se_channels=make_divisible(hidden / 4) if se else 0,
                activation=activation,
            )
            channels, resolution = width, -(-resolution // stride)
    assert not any(left.values())
    if head["conv_width"]:
        width = scaled(head["conv_width"])
        yield LayerSpec("conv", resolution, channels, width, activation=head["activation"])
        channels = width
    yield LayerSpec("pool", resolution, channels, channels)
    if head["features"]:
        width = scaled(head["features"])
        yield LayerSpec(
            "linear",
            1,
            channels,
            width,
            activation=head["activation"],
            bias=head["feature_bias"],
        )
        channels = width
    yield LayerSpec("linear", 1, channels, definition["classes"], bias=True)


def test_rows_of_one_network_are_one_canonical_row_and_other_networks_have_others():
    space = tiny()
    rows = every_row(space)
    canonical = {tuple(row) for row in space.canonical(rows)}
    networks = {architecture_layers(space, row) for row in rows}
    assert len(canonical) == len(networks) < len(rows)
    # and a row means what its canonical row means
    assert (space.layer_indices(rows) == space.layer_indices(space.canonical(rows))).all()


@pytest.mark.parametrize("definition", [TINY, wide_definition()], ids=["tiny", "wide"])
def test_layers_equal_those_built_one_by_one_from_the_readable_form(definition):
    space = from_definition(definition, source="test")
    full = space.definition()
    rows = np.concatenate([space.sample(150, np.random.default_rng(1)), every_corner(space)])
    for row in rows:
        assert architecture_layers(space, row) == tuple(layers_said_by(full, space.describe(row)))


def every_corner(space):
    highest = space.cardinalities - 1
    return space.canonical(np.stack([np.zeros_like(highest), highest]))


def test_slots_hold_layers_cut_from_their_largest_layer():
    space = tiny()
    indices = np.unique(space.layer_indices(every_row(space)), axis=0)
    sizes = (
        "resolution", "in_channels", "out_channels", "hidden_channels", "kernel_size",
        "se_channels",
    )  # fmt: skip
    for slot, largest in enumerate(space.slot_layers):
        present = {space.catalog.layers[i] for i in indices[:, slot]} - {space.catalog.layers[0]}
        for size in sizes:
            assert getattr(largest, size) == max(getattr(layer, size) for layer in present)
        assert {(layer.kind, layer.stride) for layer in present} == {(largest.kind, largest.stride)}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_is_described_is_parsed_back(data):
    space = once_for_all()
    row = [data.draw(st.integers(0, int(n) - 1)) for n in space.cardinalities]
    canonical = space.canonical(np.array([row]))[0]
    described = json.loads(json.dumps(space.describe(np.array(row))))
    assert space.parse(described).tolist() == canonical.tolist()


def test_once_for_alls_form_has_20_kernels_20_expansions_5_depths_and_a_resolution():
    space = once_for_all()
    described = space.describe(space.sample(1, np.random.default_rng(0))[0])
    assert {key: np.size(value) for key, value in described.items()} == {
        "ks": 20,
        "e": 20,
        "d": 5,
        "r": 1,
    }


def test_one_value_stands_for_all_places():
    space = once_for_all()
    short = space.parse({"ks": 7, "e": [6], "d": 4, "r": [224]})
    long = space.parse({"ks": [7] * 20, "e": [6] * 20, "d": [4] * 5, "r": 224})
    assert short.tolist() == long.tolist() == (space.cardinalities - 1).tolist()


def test_entries_of_absent_blocks_mean_nothing_even_when_they_are_no_choice():
    space = once_for_all()
    plain = {"ks": [3] * 20, "e": [3] * 20, "d": [2] * 5, "r": 128}
    odd = plain | {"ks": [3, 3, 99, 7] * 5, "e": [3, 3, 0, 6] * 5}
    assert space.parse(odd).tolist() == space.parse(plain).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kss": 3}, "Unknown architecture key 'kss'. Did you mean 'ks'?"),
        ({"ks": [3] * 19}, "Architecture key 'ks' has 19 values; expected 20."),
        ({"d": 5}, r"Architecture key 'd' is 5 at stage 1.*offers \[2, 3, 4\]\."),
        ({"r": 130}, r"Architecture key 'r' is 130; space .* offers \[128, 132"),
        ({"ks": [4] + [3] * 19}, r"'ks' is 4 at stage 1, block 0.*offers \[3, 5, 7\]\."),
    ],
)
def test_an_architecture_that_does_not_fit_is_refused(change, message):
    space = once_for_all()
    with pytest.raises(InputError, match=message):
        space.parse({"ks": 3, "e": 3, "d": 2, "r": 128} | change)


def test_a_missing_key_is_refused():
    with pytest.raises(
        InputError, match=r"key 'e' is missing; space .* has choices of r, d, ks, e"
    ):
        once_for_all().parse({"ks": 3, "d": 2, "r": 128})


@pytest.mark.parametrize("depth", ["two", None, 2.5])
def test_a_depth_that_is_no_number_is_refused(depth):
    with pytest.raises(InputError, match="Architecture key 'd' is"):
        once_for_all().parse({"ks": 3, "e": 3, "d": depth, "r": 128})


def test_the_largest_once_for_all_networks_costs_are_the_published_ones():
    # https://github.com/mit-han-lab/once-for-all: the supernet's largest network, width 1.0
    space = once_for_all()
    largest = space.layer_indices(np.array([space.cardinalities - 1]))
    assert total(space.catalog.params, largest)[0] == pytest.approx(7.66e6, rel=0.01)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published table is not at hand")
def test_costs_equal_all_published_once_for_all_rows_to_the_last_digit():
    rows = [json.loads(line) for line in PUBLISHED.read_text().splitlines()]
    space = once_for_all()
    keys = {"ks": "kernel_size", "e": "expand_ratio", "d": "depth", "r": "resolution"}
    genes = [space.parse({key: row[name] for key, name in keys.items()}) for row in rows]
    indices = space.layer_indices(np.array(genes))
    assert len(rows) == 1556
    assert total(space.catalog.macs, indices).tolist() == [row["macs"] for row in rows]
    assert total(space.catalog.params, indices).tolist() == [row["params"] for row in rows]


def changed(stage=None, **changes):
    stages = [dict(TINY["stages"][0]), dict(TINY["stages"][1]) | (stage or {})]
    return TINY | {"stages": stages} | changes


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (
            changed({"kernel_sizes": [3]}),
            "test: stages.1.kernel_sizes is not a known key; did you mean 'kernel_size'? "
            "known here: width, depth, kernel_size, expand_ratio, stride, se, activation.",
        ),
        (
            changed(resolution=[32]),
            "test: resolution is not a known key; did you mean 'resolutions'? known here: name, "
            "resolutions, stem, stages, head, classes, in_channels, width_mult, se_ratio, gate.",
        ),
        (
            changed({"kernel_size": [3, 4]}),
            "test: stages.1.kernel_size is 4; expected an odd number.",
        ),
        (changed({"depth": []}), "test: stages.1.depth is empty; give at least one choice."),
        (changed(stages=[]), "test: stages is empty; give at least one choice."),
        (changed(resolutions=[]), "test: resolutions is empty; give at least one choice."),
        (changed({"depth": [0, 1]}), "test: stages.1.depth is 0; expected more than 0."),
        (changed({"stride": 0}), "test: stages.1.stride is 0; expected more than 0."),
        (changed(classes=0), "test: classes is 0; expected more than 0."),
        (
            changed({"kernel_size": [5, 3, 5]}),
            "test: stages.1.kernel_size repeats a choice: [5, 3, 5].",
        ),
        (
            changed({"expand_ratio": [3, 3.1]}),
            "test: stages.1.expand_ratio [3, 3.1] gives the same hidden channels ([48]) for 16 "
            "channels; choose wider steps.",
        ),
        (
            changed({"width": [32, 33]}),
            "test: stages.1.width [32, 33] rounds to the same channels ([32]) at width_mult 1.0; "
            "choose wider steps.",
        ),
        (changed(head={}), "test: head.conv_width is required but missing."),
    ],
)
def test_a_bad_definition_is_refused_with_its_sentence(definition, message):
    with pytest.raises(FileFormatError) as caught:
        from_definition(definition, source="test")
    assert str(caught.value) == message


def test_choices_may_collapse_for_channels_that_no_block_gets():
    # the first block of the second stage sees 16 or 24 channels; with depth 1 none sees 8
    assert from_definition(changed({"width": [8], "depth": [1]}), source="test")
