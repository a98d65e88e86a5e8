"""The sums of the published tables themselves, against their authors' way to add them up.

The functions below put names together as Once-for-All's ``predict_network_latency_given_spec`` and
NSGANetV2's ``look_up_latency`` do, and know nothing of layers.
"""

from pathlib import Path

import numpy as np
import pytest

from hwnas.imported_table import ImportedLatencyTable
from hwnas.published_tables import read_published
from hwnas.spaces import load_space

FOLDER = Path(__file__).parents[3] / "shared" / "bench" / "ofa"
NOTE10 = sorted(FOLDER.glob("*_lookup_table.yaml"))
I7 = FOLDER / "i7-8700K_lut.yaml"

STRIDES, SE, HARD_SWISH = (2, 2, 2, 1, 2), (0, 1, 0, 1, 1), (0, 0, 1, 1, 1)
WIDTHS = {1.0: (16, 24, 40, 80, 112, 160, 960, 1280), 1.2: (24, 32, 48, 96, 136, 192, 1152, 1536)}

pytestmark = pytest.mark.skipif(not NOTE10, reason="the published table is not at hand")


def means(path):
    """Mean of each name, without a reader of ours."""
    blocks = path.read_text().replace(":\n  ", "\n").split("\n")
    names = [line for line in blocks if "-input:" in line]
    values = [float(line.split()[-1]) for line in blocks if "mean:" in line]
    return dict(zip(names, values, strict=True))


def blocks_of(described, widths, size):
    """Of each block: input and output shape, expansion ratio, kernel, stride, stage."""
    channels = widths[0]
    yield (size, channels), (size, channels), 1, 3, 1, None
    for position in range(20):
        stage, block = divmod(position, 4)
        if block >= described["d"][stage]:
            continue
        stride = STRIDES[stage] if block == 0 else 1
        after = -(-size // stride)
        ratio, kernel = described["e"][position], described["ks"][position]
        yield (size, channels), (after, widths[stage + 1]), ratio, kernel, stride, stage
        size, channels = after, widths[stage + 1]


def name_of(kind, before, after, **options):
    shapes = "x".join(map(str, (before[0], *before))), "x".join(map(str, (after[0], *after)))
    parts = [kind, f"input:{shapes[0]}", f"output:{shapes[1]}"]
    return "-".join([*parts, *(f"{key}:{value}" for key, value in options.items())])


def once_for_all(described, table, widths):
    resolution, *_, head, features = described["r"], *widths
    size = (resolution + 1) // 2
    names = [name_of("Conv", (resolution, 3), (size, widths[0]))]
    for before, after, ratio, kernel, stride, stage in blocks_of(described, widths, size):
        names.append(
            name_of(
                "expanded_conv", before, after, expand=before[1] * ratio, kernel=kernel,
                stride=stride, idskip=int(stride == 1 and before == after),
                se=0 if stage is None else SE[stage], hs=0 if stage is None else HARD_SWISH[stage],
            )
        )  # fmt: skip
    last = after[0]
    names += [
        name_of("Conv_1", after, (last, head)), name_of("AvgPool2D", (last, head), (1, head)),
        name_of("Conv_2", (1, head), (1, features)), f"Logits-input:1x1x{features}-output:1000",
    ]  # fmt: skip
    return sum(table[name] for name in names)


def nsganetv2(described, table, widths):
    resolution, *_, head, features = described["r"], *widths
    size = resolution // 2
    names = [name_of("first_conv", (resolution, 3), (size, widths[0]))]
    for before, after, ratio, kernel, stride, stage in blocks_of(described, widths, size):
        names.append(
            name_of(
                "MBConv", before, after, expand=ratio, kernel=kernel, stride=stride,
                idskip=int(stride == 1 and before == after), se=0 if stage is None else SE[stage],
            )
        )  # fmt: skip
    names += [
        name_of("final_expand_layer", after, (after[0], head)),
        name_of("feature_mix_layer", (1, head), (1, features)),
        f"classifier-input:{features}-output:1000",
    ]
    return sum(table[name] for name in names)


def imported(*paths):
    found = read_published(paths)
    return ImportedLatencyTable(
        device="x", precision="fp32", source="x", published_as=found.format, runtime="",
        threads=None, published=(), layers=found.layers, contained=found.contained,
    )  # fmt: skip


def predicted(space, table, genes, add, published):
    """Our sums of a population, and theirs."""
    width = space.definition()["width_mult"]
    theirs = [add(space.describe(row), published, WIDTHS[width]) for row in genes]
    return table.bind(space).latency_ms(genes), theirs


@pytest.mark.parametrize("path", NOTE10, ids=lambda path: path.stem)
def test_networks_take_what_once_for_all_says(path):
    space = load_space("ofa_mbv3_w1.2", resolutions=[int(path.stem.split("_")[0])])
    genes = space.sample(200, np.random.default_rng(0))
    ours, theirs = predicted(space, imported(path), genes, once_for_all, means(path))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_layers_of_several_files_put_together_change_sums_by_less_than_half_a_percent():
    table = imported(*NOTE10)
    for path in NOTE10:
        space = load_space("ofa_mbv3_w1.2", resolutions=[int(path.stem.split("_")[0])])
        genes = space.sample(100, np.random.default_rng(0))
        ours, theirs = predicted(space, table, genes, once_for_all, means(path))
        np.testing.assert_allclose(ours, theirs, rtol=0.005)


@pytest.mark.parametrize("width", [1.0, 1.2])
def test_networks_take_what_nsganetv2_says(width):
    space = load_space(f"ofa_mbv3_w{width}")
    genes = space.sample(300, np.random.default_rng(0))
    ours, theirs = predicted(space, imported(I7), genes, nsganetv2, means(I7))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
