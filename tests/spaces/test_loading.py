"""Spaces are loaded by preset name or from a TOML file."""

import pytest

from hwnas.errors import FileFormatError, UnknownNameError
from hwnas.spaces import load_space, preset_names

MINE = """
family = "mobilenet_v3"
resolutions = [32]
[stem]
width = 16
[[stages]]
width = [24]
depth = [1, 2]
kernel_size = [3, 5]
expand_ratio = [2]
[head]
conv_width = 64
"""

PAIR = ("mbv3_small_32", "mbv3_small_32_act")


def test_the_presets_are_the_toml_files_that_ship():
    assert {"ofa_mbv3_w1.0", "ofa_mbv3_w1.2", "mbv3_small_32"} <= set(preset_names())


def test_a_preset_is_named_by_its_file():
    assert load_space("ofa_mbv3_w1.2").name == "ofa_mbv3_w1.2"


def test_the_once_for_all_presets_differ_in_width_alone():
    narrow = load_space("ofa_mbv3_w1.0").definition()
    wide = load_space("ofa_mbv3_w1.2").definition()
    assert {key for key in narrow if narrow[key] != wide[key]} == {"name", "width_mult"}
    assert wide["width_mult"] == 1.2


def test_a_users_own_file_is_named_by_its_stem(tmp_path):
    path = tmp_path / "my_space.toml"
    path.write_text(MINE)
    assert load_space(path).name == "my_space"
    assert load_space(str(path)).cardinalities.tolist() == [2, 2, 2]


def test_changes_replace_top_level_keys(tmp_path):
    space = load_space("mbv3_small_32", classes=3, in_channels=1)
    assert space.slot_layers[0].in_channels == 1
    assert space.slot_layers[-1].out_channels == 3


def test_an_unknown_space_is_answered_with_the_nearest_preset():
    with pytest.raises(UnknownNameError) as caught:
        load_space("ofa_mbv3_w1")
    assert "Did you mean 'ofa_mbv3_w1." in str(caught.value)
    assert str(caught.value).endswith("Or give the path of a TOML file.")


def test_a_toml_file_that_is_not_there_is_named():
    with pytest.raises(FileFormatError, match=r"nowhere\.toml cannot be read: No such file"):
        load_space("nowhere.toml")


def test_a_file_without_family_is_told_the_families(tmp_path):
    path = tmp_path / "my_space.toml"
    path.write_text("resolutions = [32]\n")
    with pytest.raises(FileFormatError, match=r"family is missing; expected one of .*mobilenet_v3"):
        load_space(path)


def test_an_unknown_family_is_answered_with_the_nearest(tmp_path):
    path = tmp_path / "my_space.toml"
    path.write_text('family = "mobilenet_v4"\n')
    with pytest.raises(UnknownNameError, match="Did you mean 'mobilenet_v3'"):
        load_space(path)


def test_the_activation_preset_is_the_small_one_with_a_choice_of_activation_in_every_stage():
    small, chosen = (load_space(name).definition() for name in PAIR)
    for stage in chosen["stages"]:
        assert stage["activation"] == ("relu", "hard_swish")
    for stage, other in zip(small["stages"], chosen["stages"], strict=True):
        assert {**stage, "activation": None} == {**other, "activation": None}
    assert {**small, "name": "", "stages": ()} == {**chosen, "name": "", "stages": ()}
