"""Others' tables as layers of ours, and what of them is refused."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwnas import plugins
from hwnas.errors import FileFormatError
from hwnas.layers import LayerSpec
from hwnas.protocols import architecture_layers
from hwnas.published_tables import formats, read_published
from hwnas.spaces import load_space

EXCERPT = Path(__file__).parents[1] / "data" / "one_network_lookup_table.yaml"
STEM = "Conv-input:224x224x3-output:112x112x24"
BLOCK = "expanded_conv-input:28x28x48-output:14x14x96-expand:144-kernel:5-stride:2"
FIGURES = "\n  count: 2\n  mean: 1.5\n  std: 0.5\n"

Write = Callable[..., list[Path]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*contents: str) -> list[Path]:
        paths = [tmp_path / f"{i}_lookup_table.yaml" for i in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)
        return paths

    return written


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        (STEM, (LayerSpec("conv", 224, 3, 24, kernel_size=3, stride=2, activation="hard_swish"),)),
        (
            f"{BLOCK}-idskip:0-se:0-hs:1",
            (LayerSpec("mbconv", 28, 48, 96, 144, 5, 2, activation="hard_swish"),),
        ),
        (
            "expanded_conv-input:14x14x136-output:14x14x136-expand:408-kernel:3-stride:1-idskip:1"
            "-se:1-hs:0",  # a quarter of 408 is 102, and the next multiple of 8 is 104
            (LayerSpec("mbconv", 14, 136, 136, 408, 3, 1, 104, "relu", "hard_sigmoid"),),
        ),
        (
            "Conv_1-input:7x7x192-output:7x7x1152",
            (LayerSpec("conv", 7, 192, 1152, activation="hard_swish"),),
        ),
        ("AvgPool2D-input:7x7x1152-output:1x1x1152", (LayerSpec("pool", 7, 1152, 1152),)),
        (
            "Conv_2-input:1x1x1152-output:1x1x1536",
            (LayerSpec("linear", 1, 1152, 1536, activation="hard_swish"),),
        ),
        ("Logits-input:1x1x1536-output:1000", (LayerSpec("linear", 1, 1536, 1000, bias=True),)),
        (
            "first_conv-input:96x96x3-output:48x48x16",
            (LayerSpec("conv", 96, 3, 16, kernel_size=3, stride=2, activation="hard_swish"),),
        ),
        (
            "MBConv-input:11x11x112-output:6x6x160-expand:6-kernel:7-stride:2-idskip:0-se:1",
            (LayerSpec("mbconv", 11, 112, 160, 672, 7, 2, 168, "hard_swish"),),
        ),
        (
            "MBConv-input:48x48x16-output:48x48x16-expand:1-kernel:3-stride:1-idskip:1-se:0",
            (LayerSpec("mbconv", 48, 16, 16, 16, 3, 1, activation="relu"),),
        ),
        (
            "final_expand_layer-input:3x3x160-output:3x3x960",
            (
                LayerSpec("conv", 3, 160, 960, activation="hard_swish"),
                LayerSpec("pool", 3, 960, 960),
            ),
        ),
        ("classifier-input:1280-output:1000", (LayerSpec("linear", 1, 1280, 1000, bias=True),)),
    ],
)
def test_an_entry_is_this_layer(name: str, layers: tuple[LayerSpec, ...], write: Write) -> None:
    found = read_published(write(f"{name}:{FIGURES}"))
    (figure,) = found.layers
    assert (figure.layer, *found.contained) == layers
    assert (figure.mean_ms, figure.std_ms, figure.samples) == (1.5, 0.5, 2)


def test_an_excerpt_of_one_network_holds_the_layers_of_that_network_in_order() -> None:
    space = load_space("ofa_mbv3_w1.2", resolutions=[224])
    smallest = np.zeros(len(space.cardinalities), dtype=int)
    found = read_published([EXCERPT])
    assert found.format == "once_for_all"
    assert tuple(f.layer for f in found.layers) == architecture_layers(space, smallest)
    assert [f.mean_ms for f in found.layers] == list(range(1, 17))


def test_the_two_formats_name_the_same_layers_alike(write: Write) -> None:
    theirs = "MBConv-input:28x28x48-output:14x14x96-expand:3-kernel:5-stride:2-idskip:0-se:0"
    ofa = read_published(write(f"{BLOCK}-idskip:0-se:0-hs:1:{FIGURES}"))
    nsganetv2 = read_published(write(f"{theirs}:\n  mean: 2.0\n  var: 0.25\n"))
    assert ofa.layers[0].layer == nsganetv2.layers[0].layer
    assert nsganetv2.layers[0].std_ms == 0.5
    assert nsganetv2.layers[0].samples is None


def test_a_layer_in_two_files_takes_the_mean_of_all_their_samples(write: Write) -> None:
    # 1, 3 and 5, 5, 5: the mean is 19 / 5, the variance 85 / 5 - 3.8**2
    one = f"{STEM}:\n  count: 2\n  mean: 2\n  std: 1\n"
    other = f"{STEM}:\n  count: 3\n  mean: 5\n  std: 0\n"
    (figure,) = read_published(write(one, other)).layers
    assert figure.samples == 5
    assert figure.mean_ms == pytest.approx(3.8)
    assert figure.std_ms == pytest.approx(math.sqrt(17 - 3.8**2))


@pytest.mark.parametrize("name", plugins.names("hwnas.published_tables"))
def test_no_two_formats_share_a_kind(name: str) -> None:
    others = {kind for other, kinds in formats().items() if other != name for kind in kinds}
    assert formats()[name]
    assert not others & formats()[name].keys()


GOOD = f"{STEM}:{FIGURES}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no layers"),
        ("# only a comment\n\n", "holds no layers"),
        ("- a list\n", "line 1: '- a list' is neither a layer, such as"),
        ("!!python/object/apply:os.system ['true']:\n", 'line 1: "!!python'),
        ("  mean: 1.0\n", "line 1: 'mean: 1.0' belongs to no layer"),
        (f"{GOOD}{GOOD}", "line 5: Conv-input:224x224x3-output:112x112x24 stands in the file twic"),
        (f"{STEM}:\n  mean: 1\n  mean: 2\n  std: 1\n", "line 3: 'mean: 2' belongs to no layer, or"),
        (f"{STEM}:\n  mean: 1\n", "has mean; expected its mean and its std or var"),
        (f"{STEM}:\n", "has no figures; expected its mean"),
        (GOOD.replace("1.5", "-1.5"), "line 3: mean is -1.5; expected a number above 0"),
        (GOOD.replace("1.5", ".nan"), "line 3: mean is .nan; expected a number above 0"),
        (GOOD.replace("1.5", "nan"), "mean is nan; expected"),
        (GOOD.replace("1.5", ".inf"), "mean is .inf; expected"),
        (GOOD.replace("1.5", "1e999"), "mean is 1e999; expected"),
        (GOOD.replace("1.5", "0.0"), "mean is 0.0; expected a number above 0"),
        (GOOD.replace("1.5", "&a 1.5"), "neither a layer"),
        (GOOD.replace("count: 2", "count: 0"), "count is 0; expected a number above 0"),
        (GOOD.replace("count: 2", "count: 2.5"), "count is 2.5; expected a whole number"),
        (GOOD.replace("0.5", "-0.5"), "std is -0.5; expected a number of 0 or more"),
        (GOOD.replace("mean", "median"), "line 3: '  median: 1.5' is neither a layer"),
        (GOOD.replace("Conv-", "Konv-"), "is of the unknown kind Konv: nsganetv2 has first_conv,"),
        (GOOD.replace("224x224x3", "224x225x3"), "'224x225x3' is no shape"),
        (GOOD.replace("224x224x3", "224x3"), "'224x3' is no shape"),
        (GOOD.replace("224x224x3", "x"), "'x' is no shape"),
        (GOOD.replace("224x224x3", "0x0x3"), "'0x0x3' is no shape"),
        (GOOD.replace("112x112x24", "224x224x24"), "an output of 224 px; its input and stride giv"),
        (GOOD.replace("24:", "24-kernel:3:"), "has the options kernel; expected none"),
        (f"{BLOCK}-idskip:0:{FIGURES}", "expected expand, kernel, stride, idskip, se, hs"),
        (f"{BLOCK}-idskip:1-se:0-hs:1:{FIGURES}", "has idskip 1; here blocks add their input"),
        (f"{BLOCK}-idskip:0-se:2-hs:1:{FIGURES}", "has se 2; expected 0 or 1"),
        (f"{BLOCK}-idskip:0-se:0-se:1-hs:1:{FIGURES}", "names an option twice"),
        (
            f"{BLOCK.replace('stride:2', 'stride:0')}-idskip:0-se:0-hs:1:{FIGURES}",
            "has stride 0; expected 1 or more",
        ),
        (
            f"{BLOCK.replace('kernel:5', 'kernel:4')}-idskip:0-se:0-hs:1:{FIGURES}",
            "has kernel 4; expected an odd number",
        ),
        (
            "MBConv-input:28x28x48-output:14x14x99-expand:3-kernel:5-stride:2-idskip:0-se:0:\n"
            "  mean: 1\n  var: 1\n",
            "has 99 channels out, of which no stage",
        ),
        (f"{GOOD}first_conv-input:96x96x3-output:48x48x16:\n  mean: 1\n  var: 1\n", "nsganetv2"),
    ],
)
def test_what_is_no_such_table_is_refused_in_one_sentence(
    content: str, said: str, write: Write
) -> None:
    with pytest.raises(FileFormatError) as refused:
        read_published(write(content))
    assert said in str(refused.value)
    assert "0_lookup_table.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_of_two_formats_do_not_go_together(write: Write) -> None:
    theirs = "first_conv-input:96x96x3-output:48x48x16:\n  mean: 1\n  var: 1\n"
    with pytest.raises(FileFormatError, match="of format nsganetv2, and what came before of once_"):
        read_published(write(GOOD, theirs))


def test_means_of_unknown_weight_are_not_put_together(write: Write) -> None:
    uncounted = f"{STEM}:\n  mean: 1\n  std: 1\n"
    with pytest.raises(FileFormatError, match="without a count nobody knows how much each weighs"):
        read_published(write(GOOD, uncounted))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="is not a text file"):
        read_published([path])
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_published([tmp_path / "nowhere.yaml"])
