"""What measuring a run's networks changes, from its log on; the measuring itself is elsewhere."""

import csv
import json
import resource
from dataclasses import replace

import numpy as np
import pytest

from hwnas.errors import FileFormatError, StorageError
from hwnas.problem import Budget, Objective
from hwnas.search import Run, append_finalists, departures, pick, search, write_front
from hwnas.search.finalists import FINALISTS, Finalist
from hwnas.search.log import LogWriter
from hwnas.search.records import Records

LATENCY = Objective("latency_ms", "ms", "latency", per_device=True)
PREDICTED = [(80.0, 2.0), (78.0, 1.8), (77.9, 1.81), (70.0, 1.0), (60.0, 0.5)]


@pytest.fixture
def run(tmp_path, config):
    """Five networks within 2.1 ms; all but the third are on the front as it was predicted."""
    config = replace(
        config, objectives=(config.objectives[0], LATENCY), recorded=(),
        budgets=(Budget("latency_ms", 2.1),),
    )  # fmt: skip
    run = Run.create(tmp_path / "run", config)
    genes = np.zeros((len(PREDICTED), len(run.space.cardinalities)), dtype=np.int64)
    genes[:, :3] = (np.arange(len(PREDICTED))[:, None] >> np.arange(3)) % 2
    accuracy, latency = np.array(PREDICTED).T
    with LogWriter(run.log_path) as writer:
        stds = {"latency_ms": 0.05 * latency}
        writer.append(Records(genes, {"accuracy": accuracy, "latency_ms": latency}, stds), first=0)
    return Run.open(run.directory)


def finalist(run, index, value, *, std=0.01, quantity="latency_ms"):
    genes = tuple(run.evaluations.genes[index].tolist())
    return Finalist(genes, quantity, value, std, 16, "2026-01-01T00:00:00+00:00", "onnxruntime 1")


def measured(run, **values):
    """The run, with networks (named by their position) measured."""
    found = [finalist(run, int(key[1:]), value) for key, value in values.items()]
    append_finalists(run.directory, found)
    return Run.open(run.directory)


def accuracies(members):
    return [member.values["accuracy"] for member in members]


def test_measured_values_stand_in_place_of_predicted_ones(run):
    assert accuracies(run.front) == [80.0, 78.0, 70.0, 60.0]
    corrected = measured(run, n0=2.05, n3=1.1)
    best = corrected.front[0]
    assert (best.values["latency_ms"], best.predicted) == (2.05, {"latency_ms": 2.0})
    assert best.stds == {"latency_ms": 0.01}
    unmeasured = corrected.front[1]
    assert (unmeasured.values["latency_ms"], unmeasured.predicted) == (1.8, {})
    assert unmeasured.stds == {"latency_ms": pytest.approx(0.09)}


def test_what_breaks_a_budget_when_measured_leaves_the_front(run):
    corrected = measured(run, n0=2.2)
    assert accuracies(corrected.front) == [78.0, 70.0, 60.0]
    (gone,) = departures(corrected)
    assert gone.member.values == {"accuracy": 80.0, "latency_ms": 2.2}
    assert gone.reason == "breaks latency_ms<=2.1"


def test_what_is_dominated_when_measured_leaves_the_front_and_another_comes(run):
    corrected = measured(run, n1=2.03, n2=1.7, n0=2.01)
    assert accuracies(corrected.front) == [80.0, 77.9, 70.0, 60.0]
    assert [(one.member.values["accuracy"], one.reason) for one in departures(corrected)] == [
        (78.0, "dominated")
    ]


def test_a_budget_with_confidence_judges_a_measurement_by_its_own_error(run):
    config = replace(run.config, budgets=(Budget("latency_ms", 2.1, confidence=95.0),))
    assert accuracies(Run(run.directory, config).front) == [78.0, 70.0, 60.0]
    append_finalists(run.directory, [finalist(run, 0, 2.05, std=0.01)])
    assert accuracies(Run(run.directory, config).front) == [80.0, 78.0, 70.0, 60.0]
    append_finalists(run.directory, [finalist(run, 0, 2.05, std=0.04)])
    assert accuracies(Run(run.directory, config).front) == [78.0, 70.0, 60.0]


def test_a_pick_goes_by_what_was_measured(run):
    corrected = measured(run, n0=2.2, n1=1.9)
    assert pick(corrected, "accuracy").values["accuracy"] == 78.0
    assert pick(corrected, "latency_ms<=1.85").values["accuracy"] == 77.9


def test_the_latest_measurement_of_a_network_counts(run):
    assert measured(measured(run, n0=2.2), n0=2.0).front[0].values["latency_ms"] == 2.0


def test_the_front_is_written_with_what_is_measured_and_what_is_predicted(run):
    corrected = measured(run, n0=2.2, n1=1.9)
    write_front(corrected)
    content = json.loads((run.directory / "front.json").read_text())
    assert content["front"][0]["measured"] == ["latency_ms"]
    assert content["front"][0]["predicted"] == {"latency_ms": 1.8}
    assert content["front"][0]["values"]["latency_ms"] == 1.9
    assert "measured" not in content["front"][1]
    (gone,) = content["left_when_measured"]
    assert (gone["values"]["accuracy"], gone["reason"]) == (80.0, "breaks latency_ms<=2.1")
    with (run.directory / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    # the third takes the place of the second, which is slower than it was predicted to be
    assert [row["accuracy"] for row in rows] == ["78.0", "77.9", "70.0", "60.0"]
    assert [row["latency_ms_predicted"] for row in rows] == ["1.8", "", "", ""]
    assert [row["latency_ms_std"] for row in rows] == ["0.01", repr(0.05 * 1.81), "0.05", "0.025"]
    text = (run.directory / "front.md").read_text()
    assert "| 78.00 % | 1.9 ms ± 0.01 | 1.8 ms ± 0.09 |" in text
    assert "| 70.00 % |  | 1 ms ± 0.05 |" in text
    assert "## Left the front when measured" in text


def test_without_measurements_nothing_has_left(run):
    write_front(run)
    assert departures(run) == ()
    assert json.loads((run.directory / "front.json").read_text())["left_when_measured"] == []
    assert "Left the front" not in (run.directory / "front.md").read_text()


def test_a_line_that_was_cut_short_is_left_out_and_written_over(run):
    corrected = measured(run, n0=2.2, n1=1.9)
    path = run.directory / FINALISTS
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in (*range(0, first, 17), first, first + 1, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert ("latency_ms" in Run.open(run.directory).measured) == (length >= first)
        missing = [0, 1] if length < first else [1]
        values = corrected.values["latency_ms"]
        append_finalists(run.directory, [finalist(run, i, values[i]) for i in missing])
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": -1.0}, r"says that latency_ms is -1\.0"),
        ({"value": float("nan")}, "says that latency_ms is nan"),
        ({"std": float("inf")}, "says that latency_ms is 2.0 ± inf"),
        ({"value": "fast"}, "value is 'fast'"),
        ({"quantity": "macs"}, "is of another run: macs"),
        ({"genes": [1]}, "is of another run: latency_ms of 1 genes"),
        ({"more": 1}, "more is not a known key"),
    ],
)
def test_a_damaged_measurement_is_refused_with_its_line(run, change, said):
    measured(run, n0=2.0)
    path = run.directory / FINALISTS
    content = json.loads(path.read_text()) | change
    path.write_text(path.read_text() + json.dumps(content) + "\n")
    with pytest.raises(FileFormatError, match=rf"line 2:? .*{said}"):
        Run.open(run.directory)


def test_a_line_that_is_not_json_is_refused(run):
    (run.directory / FINALISTS).write_text("2.0\nnonsense\n")
    with pytest.raises(FileFormatError):
        Run.open(run.directory)


def test_measurements_of_networks_that_the_log_lost_are_left_out(run):
    corrected = measured(run, n4=0.6, n0=2.0)
    lines = run.log_path.read_bytes().splitlines(keepends=True)
    run.log_path.write_bytes(b"".join(lines[:2]))
    shorter = Run.open(corrected.directory)
    assert shorter.values["latency_ms"].tolist() == [2.0, 1.8]


def test_a_full_disk_leaves_earlier_measurements_as_they_were(run):
    measured(run, n0=2.0)
    path = run.directory / FINALISTS
    before, soft = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, soft[1]))
    try:
        with pytest.raises(StorageError, match="everything measured before is kept"):
            append_finalists(run.directory, [finalist(run, 1, 1.9)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
    assert path.read_bytes() == before


def test_resuming_a_measured_search_leaves_its_corrected_front(run, config, estimators, tmp_path):
    done = search(Run.create(tmp_path / "done", config), estimators)
    best = done.front[0]
    index = done.evaluations.ids.index(best.id)
    append_finalists(
        done.directory, [finalist(done, index, best.values["macs"] * 2, quantity="macs")]
    )
    write_front(Run.open(done.directory))
    before = {path.name: path.read_bytes() for path in done.directory.iterdir()}
    search(Run.open(done.directory), estimators)
    after = {path.name: path.read_bytes() for path in done.directory.iterdir()}
    assert after.keys() == before.keys()
    assert all(after[name] == before[name] for name in before if name != "lock")
