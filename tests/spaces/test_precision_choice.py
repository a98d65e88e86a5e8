import numpy as np
import pytest

from hwnas.errors import FileFormatError, InputError
from hwnas.spaces import from_definition, load_space
from hwnas.spaces.precision_choice import PrecisionSpace, base_space

BASE = load_space("mbv3_small_32")
SPACE = PrecisionSpace(BASE, ("fp32", "int8"))


def test_the_first_gene_is_the_precision_and_the_others_the_base_spaces():
    assert SPACE.cardinalities.tolist() == [2, *BASE.cardinalities]
    genes = SPACE.sample(20, np.random.default_rng(0))
    precisions, base_genes = SPACE.split(genes)
    assert (np.column_stack([precisions, base_genes]) == genes).all()
    assert (SPACE.layer_indices(genes) == BASE.layer_indices(base_genes)).all()


def test_layers_do_not_depend_on_the_precision():
    genes = SPACE.sample(20, np.random.default_rng(1))
    other = genes.copy()
    other[:, 0] = 1 - other[:, 0]
    assert (SPACE.layer_indices(genes) == SPACE.layer_indices(other)).all()
    assert SPACE.catalog is BASE.catalog
    assert SPACE.slot_layers == BASE.slot_layers
    assert SPACE.name == BASE.name


def test_the_precision_stands_in_words_beside_the_architecture():
    row = SPACE.canonical(np.zeros((1, len(SPACE.cardinalities)), dtype=np.int64))[0]
    row[0] = 1
    described = SPACE.describe(row)
    assert described == {"precision": "int8"} | BASE.describe(row[1:])


@pytest.mark.parametrize("precision", [None, "int4", "fp16"])
def test_a_precision_that_is_no_choice_is_refused_with_the_choices(precision):
    described = SPACE.describe(SPACE.sample(1, np.random.default_rng(2))[0])
    described["precision"] = precision
    with pytest.raises(InputError, match=r"offers \['fp32', 'int8'\]"):
        SPACE.parse(described)


def test_the_base_space_is_what_is_left_without_the_gene():
    assert base_space(SPACE) is BASE
    assert base_space(BASE) is BASE


def test_changes_reach_the_base_space(tmp_path):
    path = tmp_path / "mixed.toml"
    path.write_text(
        'family = "precision_choice"\nprecisions = ["int8", "fp16"]\n'
        '[base]\nfamily = "mobilenet_v3"\nresolutions = [16]\nstem = { width = 8 }\n'
        "head = { conv_width = 16 }\n"
        "[[base.stages]]\nwidth = [8]\ndepth = [1, 2]\nkernel_size = [3]\nexpand_ratio = [2]\n"
    )
    space = load_space(path, classes=7)
    assert space.name == "mixed"
    assert space.slot_layers[-1].out_channels == 7


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"precisions": ["fp32"]}, "at least two different"),
        ({"precisions": ["int8", "int8"]}, "at least two different"),
        ({"precisions": ["int8", "int4"]}, "some of fp32, fp16, int8"),
        ({"precisions": "int8"}, "some of fp32, fp16, int8"),
        ({"precisions": [["int8"]]}, "some of fp32, fp16, int8"),
        ({"base": None}, "base must be the definition of a space"),
        ({"base": SPACE.definition()}, "whose family is not precision_choice"),
        ({"base": {"family": "mobilenet_v9"}}, "Unknown space family"),
        ({"base": {}}, "family is missing"),
        ({"depth": 3}, "depth is not a known key"),
    ],
)
def test_a_wrong_definition_is_refused_with_a_reason(changes, said):
    with pytest.raises(InputError, match=said):
        from_definition(SPACE.definition() | changes, source="mine.toml")


def test_an_error_names_the_file():
    with pytest.raises(FileFormatError, match=r"^mine\.toml: "):
        from_definition(SPACE.definition() | {"precisions": []}, source="mine.toml")
