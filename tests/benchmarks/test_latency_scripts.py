"""The benchmarks on files of latencies, with made-up files of other spaces and devices."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
CARDINALITIES = np.array([3, 4, 2, 5, 3])


def write(path: Path, *, devices: tuple[str, ...], seed: int = 0, **changes) -> Path:
    """A file of 150 networks, whose devices mix two factors."""
    rng = np.random.default_rng(seed)
    genes = rng.integers(0, CARDINALITIES, (150, len(CARDINALITIES)))
    columns = []
    for device in range(len(devices)):
        own = np.random.default_rng(device)
        prices = [own.random(size) + np.arange(size) for size in CARDINALITIES]
        columns.append(1 + sum(price[gene] for price, gene in zip(prices, genes.T, strict=True)))
    arrays = {
        "genes": genes, "cardinalities": CARDINALITIES, "latency_ms": np.stack(columns, axis=1),
        "devices": np.array(devices),
    } | changes  # fmt: skip
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", f"benchmarks.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def result(folder: Path) -> dict:
    (path,) = folder.glob("*.json")
    return json.loads(path.read_text())


def test_calibration_takes_a_file_of_one_device_and_another_space(tmp_path):
    data = write(tmp_path / "latency_other.npz", devices=("a",))
    done = script(
        "latency_calibration", "--data", data, "--samples", 8, 30, "--draws", 1, "--out", tmp_path
    )
    assert done.returncode == 0, done.stderr
    rows = result(tmp_path)["rows"]
    assert [row["networks"] for row in rows] == [8, 30, 8, 30]
    assert rows[1]["methods"]["hwnas"]["of_ceiling"] > 0.9
    assert set(rows[0]["methods"]) == {"hwnas", "least_squares", "ridge", "boosted_stumps"}


def test_transfer_leaves_a_device_out_of_its_own_file(tmp_path):
    data = write(tmp_path / "latency_other.npz", devices=("a_1", "a_32", "b"))
    done = script(
        "latency_transfer", "--library", data, "--target", data, "--samples", 6, "--draws", 2,
        "--devices", "a_1", "--design", "chosen", "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = result(tmp_path)["rows"]
    assert row["device"] == "a_1"
    assert row["methods"]["hwnas"]["of_ceiling"] > 0.8


def test_transfer_takes_a_target_of_other_networks_and_one_known_device(tmp_path):
    library = write(tmp_path / "library.npz", devices=("a",))
    target = write(tmp_path / "target.npz", devices=("b", "c"), seed=5)
    done = script(
        "latency_transfer", "--library", library, "--target", target, "--samples", 6, "--draws", 1,
        "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {row["device"] for row in result(tmp_path)["rows"]} == {"b", "c"}


def test_a_file_too_small_for_a_ceiling_has_none(tmp_path):
    whole = np.load(write(tmp_path / "library.npz", devices=("a", "b")))
    changes = {"genes": whole["genes"][:20], "latency_ms": whole["latency_ms"][:20, :1]}
    big = {"cardinalities": CARDINALITIES + 10}
    library = write(tmp_path / "library.npz", devices=("a", "b"), **big)
    target = write(tmp_path / "target.npz", devices=("c",), **changes, **big)
    done = script(
        "latency_transfer", "--library", library, "--target", target, "--samples", 5, "--draws", 1,
        "--design", "random", "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = result(tmp_path)["rows"]
    assert row["ceiling"] is None
    assert row["methods"]["hwnas"]["of_ceiling"] is None
    assert row["methods"]["hwnas"]["spearman"] > 0.3


READ = """
import sys
from pathlib import Path
from benchmarks._latency_files import read
from hwnas.errors import InputError
for path in sys.argv[1:]:
    try:
        read(Path(path))
    except InputError as error:
        print(error)
"""


def test_wrong_files_are_refused_in_one_sentence_each(tmp_path):
    wrong = {
        "NaN, infinite or not above 0": {"latency_ms": np.full((150, 1), np.nan)},
        "of 150 networks on 1 devices": {"latency_ms": np.ones((149, 1))},
        "expected genes of shape": {"genes": np.zeros((150, 4), dtype=int)},
        "another space": {"genes": np.full((150, 5), 9)},
        "whole numbers in genes": {"genes": np.full((150, 5), 0.5)},
        "lacks latency_ms": {"latency_ms": None},
        "is no NPZ file": {"genes": np.array([{}])},
    }
    paths = [
        write(tmp_path / f"{i}.npz", devices=("a",), **changes)
        for i, changes in enumerate(wrong.values())
    ]
    (tmp_path / "text.npz").write_text("nothing")
    paths += [tmp_path / "text.npz", tmp_path / "missing.npz"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ, *map(str, paths)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    for line, message in zip(lines, [*wrong, "is no NPZ file", "is no NPZ file"], strict=True):
        assert message in line


SPACES = """
import json
import numpy as np
from benchmarks._latency_spaces import fbnet_quantities, kept_nodes, used_operations
used, connected = used_operations(np.array([[3, 1, 4, 0, 0, 0], [2, 0, 1, 3, 2, 0]]))
kept = kept_nodes(np.array([[1, 4, 2, 1, 4, 3], [3, 3, 1, 0, 2, 4], [2, 2, 2, 2, 2, 2]]))
sizes = fbnet_quantities()[[0, 8]]
print(json.dumps([used.tolist(), connected.tolist(), kept.tolist(), sizes.tolist()]))
"""


def test_unused_operations_and_sizes_are_those_worked_out_by_hand():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SPACES],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    used, connected, kept, (block, skip) = json.loads(done.stdout)
    # no edge reaches the output; the edge between the inner nodes leads to one that has no way out
    assert used == [[0] * 6, [2, 0, 0, 3, 2, 0]]
    assert connected == [False, True]
    # node 1 has a pool to the output or a skip to node 2; node 2 a pool; convolutions do not count
    assert kept == [[True, False], [True, True], [False, False]]
    # 3x3, 16 channels throughout, 32 px: two pointwise convolutions and a depthwise one
    pixels = 32 * 32
    assert block == [
        2 * 16 * 16 * pixels, 16 * 9 * pixels, 2 * 16 * 16 + 16 * 9, 3 * 16 * pixels,
        16 * pixels, pixels, 3,
    ]  # fmt: skip
    assert skip == [0] * 7


@pytest.mark.parametrize(
    ("target", "device", "message"),
    [
        ("one", "a", "knows no device but a itself"),
        ("other", "b", "not of one space"),
        ("one", "z", "no device z"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, target, device, message):
    data = write(tmp_path / "one.npz", devices=("a",))
    write(tmp_path / "other.npz", devices=("b",), cardinalities=CARDINALITIES + 1)
    done = script(
        "latency_transfer", "--library", data, "--target", tmp_path / f"{target}.npz",
        "--devices", device, "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
