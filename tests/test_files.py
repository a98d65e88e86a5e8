"""Files are read strictly and written whole."""

import dataclasses
from typing import Literal

import pytest

from hwnas import files
from hwnas.errors import FileFormatError, StorageError


@dataclasses.dataclass(frozen=True, slots=True)
class Wheel:
    spokes: int
    brand: str = "plain"

    __pydantic_config__ = files.STRICT


@dataclasses.dataclass(frozen=True, slots=True)
class Bicycle:
    wheels: tuple[Wheel, ...]
    gears: int
    bell: Wheel | None = None
    colour: Literal["red", "blue"] = "red"
    ratio: float = 1.0

    __pydantic_config__ = files.STRICT


GOOD = {"wheels": [{"spokes": 32}, {"spokes": 28, "brand": "fine"}], "gears": 7}


def parse(content):
    return files.parse(content, Bicycle, source="bicycle.toml")


def test_plain_data_becomes_a_dataclass_and_back():
    bicycle = parse(GOOD)
    assert bicycle == Bicycle((Wheel(32), Wheel(28, "fine")), 7)
    assert parse(files.to_plain(bicycle)) == bicycle


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"gaers": 3},
            "bicycle.toml: gaers is not a known key; did you mean 'gears'? "
            "known here: wheels, gears, bell, colour, ratio.",
        ),
        (
            {"wheels": [{"spokes": 32}, {"spoks": 3, "spokes": 28}]},
            "bicycle.toml: wheels.1.spoks is not a known key; did you mean 'spokes'? "
            "known here: spokes, brand.",
        ),
        (
            {"bell": {"spokes": 0, "brandt": "x"}},
            "bicycle.toml: bell.brandt is not a known key; did you mean 'brand'? "
            "known here: spokes, brand.",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(change, message):
    with pytest.raises(FileFormatError) as caught:
        parse(GOOD | change)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({"gears": "7"}, "bicycle.toml: gears is '7': input should be a valid integer"),
        ({"gears": 7.5}, "bicycle.toml: gears is 7.5: input should be a valid integer"),
        ({"colour": "green"}, "bicycle.toml: colour is 'green': input should be 'red' or 'blue'"),
        ({"wheels": [{}]}, "bicycle.toml: wheels.0.spokes is required but missing."),
    ],
)
def test_a_wrong_or_missing_value_is_refused_with_its_place(change, start):
    with pytest.raises(FileFormatError) as caught:
        parse(GOOD | change)
    assert str(caught.value).startswith(start)


def test_json_is_read_as_it_was_written(tmp_path):
    content = {"a": [1, 2.5, None, "ü"], "b": {"c": True}}
    files.write_json(tmp_path / "new" / "folder" / "file.json", content)
    assert files.read_json(tmp_path / "new" / "folder" / "file.json") == content


def test_nan_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "file.json"
    files.write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"loss": float("nan")})
    assert files.read_json(path) == {"loss": 1.0}


def test_a_truncated_json_file_is_refused_with_its_name_and_what_to_do(tmp_path):
    path = tmp_path / "table.json"
    files.write_json(path, {"samples": list(range(50))})
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(FileFormatError, match=r"table\.json is not valid JSON .*truncated"):
        files.read_json(path)


def test_a_toml_fault_is_reported_with_its_line(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(FileFormatError, match=r"space\.toml is not valid TOML: .*line 2"):
        files.read_toml(path)


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        files.read_toml(tmp_path / "nowhere.toml")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff\xff")
    with pytest.raises(FileFormatError, match=r"image\.png is not a text file \(byte 0\)"):
        files.read_json(tmp_path / "image.png")


def test_writing_leaves_no_temporary_file_behind(tmp_path):
    files.write_bytes(tmp_path / "model.onnx", b"old")
    files.write_bytes(tmp_path / "model.onnx", b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"new"


def test_a_place_that_cannot_be_written_is_a_storage_error_and_nothing_is_left(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match="taken could not be written"):
        files.write_bytes(tmp_path / "taken", b"content")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        files.write_text(tmp_path / "file" / "below", "text")


def test_a_digest_depends_on_content_and_not_on_the_order_of_keys():
    assert files.digest({"a": 1, "b": [2]}) == files.digest({"b": [2], "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})
