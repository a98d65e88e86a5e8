import json

import pytest

from hwnas.errors import FileFormatError
from hwnas.prediction.measured_subnets import read_subnets
from hwnas.spaces import load_space

SPACE = load_space("ofa_mbv3_w1.0", resolutions=[192, 224])
ROW = {
    "kernel_size": [3, 5, 7, 3] * 5, "expand_ratio": [3, 4, 6, 6] * 5, "depth": [2, 3, 4, 2, 3],
    "top1_pct": 75.5,
}  # fmt: skip


def written(folder, *rows):
    path = folder / "rows.jsonl"
    path.write_text(
        "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    )
    return path


def test_a_line_is_an_architecture_and_its_accuracy(tmp_path):
    found = read_subnets(written(tmp_path, ROW, ROW | {"resolution": 192}), SPACE)
    architecture = SPACE.describe(found.genes[0])
    assert architecture["d"] == ROW["depth"]
    assert architecture["ks"][:2] == [3, 5]
    assert [SPACE.describe(row)["r"] for row in found.genes] == [224, 192]
    assert found.top1.tolist() == [75.5, 75.5]


@pytest.mark.parametrize(
    "row",
    [
        "not JSON",
        "3",
        {"kernel_size": [3] * 20},
        ROW | {"kernel_size": [4] * 20},
        ROW | {"depth": [2, 3]},
        ROW | {"resolution": 128},
        ROW | {"top1_pct": "many"},
    ],
)
def test_a_line_that_is_no_measured_subnet_is_named(tmp_path, row):
    with pytest.raises(FileFormatError, match="line 2 is no measured subnet"):
        read_subnets(written(tmp_path, ROW, row), SPACE)


@pytest.mark.parametrize("top1", [0.0, 100.0, float("nan")])
def test_an_accuracy_that_is_none_is_named(tmp_path, top1):
    with pytest.raises(FileFormatError, match="line 2 has top1_pct"):
        read_subnets(written(tmp_path, ROW, ROW | {"top1_pct": top1}), SPACE)


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="there is no line"):
        read_subnets(written(tmp_path), SPACE)
