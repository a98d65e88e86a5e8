import itertools
import json

import numpy as np
import pytest

from hwnas.search.records import Records, from_lines, joined, row_texts, to_lines

NAMES = ("accuracy", "macs")


def records(count, seed=0):
    """Evaluations with all that may be missing missing here and there."""
    rng = np.random.default_rng(seed)
    accuracy, std = rng.normal(70, 10, count), rng.random(count)
    accuracy[rng.random(count) < 0.3] = np.nan
    std[rng.random(count) < 0.5] = np.nan
    failures = {i: f"gone {i}" for i in np.flatnonzero(np.isnan(accuracy)).tolist()[::2]}
    values = {"accuracy": accuracy, "macs": rng.integers(1, 10**9, count).astype(float)}
    return Records(rng.integers(0, 30, (count, 7)), values, {"macs": std}, failures)


def one_by_one(found, first=0):
    """The same lines as json writes each of them."""
    lines = []
    for i in range(len(found)):
        values = {n: None if np.isnan(v[i]) else float(v[i]) for n, v in found.values.items()}
        line = {"index": first + i, "genes": found.genes[i].tolist(), "values": values}
        stds = {n: float(v[i]) for n, v in found.stds.items() if not np.isnan(v[i])}
        line |= {"std": stds} if stds else {}
        line |= {"failed": found.failures[i]} if i in found.failures else {}
        lines.append(json.dumps(line, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def assert_equal(found, expected):
    np.testing.assert_array_equal(found.genes, expected.genes)
    assert found.failures == expected.failures
    for mine, theirs in ((found.values, expected.values), (found.stds, expected.stds)):
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


@pytest.mark.parametrize("seed", range(5))
def test_lines_written_at_once_are_those_written_one_by_one(seed):
    found = records(40, seed)
    assert to_lines(found, first=3) == one_by_one(found, first=3)


@pytest.mark.parametrize("seed", range(5))
def test_lines_are_read_back_to_the_last_digit(seed):
    found = records(40, seed)
    lines = to_lines(found, first=0).splitlines()
    assert_equal(from_lines(lines, NAMES, genes=7, source="log"), found)


def test_lines_without_anything_missing_are_read_back_too():
    genes, macs = np.array([[0, 1], [2, 3]]), np.array([1.0, 0.1 + 0.2])
    found = Records(genes, {"accuracy": macs, "macs": macs})
    lines = to_lines(found, first=0).splitlines()
    assert_equal(from_lines(lines, NAMES, genes=2, source="log"), found)


@pytest.mark.parametrize(
    "genes", [[[0, 1], [10, 100]], [[7, 0]], [[-1, 12], [3, -40]], np.zeros((0, 3)), [[], []]]
)
def test_texts_of_rows_are_their_numbers_with_commas(genes):
    genes = np.array(genes, dtype=np.int64)
    assert row_texts(genes) == [",".join(map(str, row)) for row in genes.tolist()]


def test_parts_joined_are_the_whole():
    found = records(20)
    cuts = [0, 3, 3, 12, 20]
    parts = [found.part(*cut) for cut in itertools.pairwise(cuts)]
    assert_equal(joined(parts, found), found)


def test_joined_parts_have_deviations_only_where_there_are_any():
    found = records(5)
    nothing = Records(found.genes, found.values, {"accuracy": np.full(5, np.nan)})
    assert joined([nothing], nothing).stds == {}
    assert len(joined([], found)) == 0


def test_only_evaluations_with_all_values_are_complete():
    found = Records(np.zeros((2, 1)), {"a": np.array([1, np.nan]), "b": np.array([1.0, 2.0])})
    assert found.complete.tolist() == [True, False]
