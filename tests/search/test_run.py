import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from hwnas.errors import FileFormatError, InputError, RunError
from hwnas.pareto import non_dominated
from hwnas.problem import Budget
from hwnas.search import Run, search
from hwnas.search.log import LogWriter


@pytest.fixture
def searched(run, estimators):
    return search(run, estimators)


def test_a_config_is_read_back_as_it_was_written(run, config):
    opened = Run.open(run.directory)
    assert replace(opened.config, space={}) == replace(config, space={})
    assert opened.space.definition() == run.space.definition()


def test_a_second_run_in_the_same_directory_is_refused(run, config):
    with pytest.raises(RunError, match="holds a run already; continue it with `hwnas resume"):
        Run.create(run.directory, config)


def test_a_directory_with_other_files_takes_a_run(tmp_path, config):
    (tmp_path / "supernet.safetensors").write_bytes(b"weights")
    assert len(Run.create(tmp_path, config).evaluations) == 0


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"holds no run \(there is no config\.json\)"):
        Run.open(tmp_path)


def test_a_misspelt_key_of_a_config_is_named(run):
    path = run.directory / "config.json"
    path.write_text(path.read_text().replace('"population"', '"populatoin"'))
    with pytest.raises(FileFormatError, match="populatoin is not a known key"):
        Run.open(run.directory)


def test_a_budget_on_what_is_not_recorded_is_refused(config):
    with pytest.raises(InputError, match="bounds energy_mj, which the run does not record"):
        replace(config, budgets=(Budget("energy_mj", 1.0),))


@pytest.mark.parametrize("nothing", [{"population": 0}, {"evaluations": 0}])
def test_a_search_for_nothing_is_refused(config, nothing):
    with pytest.raises(InputError, match="at least 1"):
        replace(config, **nothing)


def test_a_run_without_evaluations_has_an_empty_front(run):
    assert run.front == ()
    assert run.losses.shape == (0, 2)
    assert run.violations.shape == (0, 1)


def test_accuracy_is_maximised_and_everything_else_minimised(run, as_records):
    with LogWriter(run.log_path) as writer:
        genes = len(run.space.cardinalities)
        values = {"accuracy": 70.0, "macs": 5.0, "params": 1.0}
        worse = {"accuracy": 60.0, "macs": 6.0, "params": 1.0}
        writer.append(as_records([(0,) * genes, (1,) * genes], [worse, values]), first=0)
    opened = Run.open(run.directory)
    assert opened.losses.tolist() == [[-60.0, 6.0], [-70.0, 5.0]]
    assert [member.values for member in opened.front] == [values]


def test_the_front_holds_the_feasible_evaluations_that_none_dominates(searched):
    assert all(member.values["params"] <= 12_000 for member in searched.front)
    losses = np.array([[-m.values["accuracy"], m.values["macs"]] for m in searched.front])
    assert non_dominated(losses).all()
    assert losses[:, 0].tolist() == sorted(losses[:, 0])
    for other in searched.losses[searched.feasible]:
        assert (losses <= other).all(axis=1).any()


def test_each_member_describes_an_architecture_that_the_space_reads_back(searched):
    for member in searched.front:
        assert searched.space.parse(member.architecture).tolist() == list(member.row)


def test_ids_differ_within_a_run_and_stay_the_same_across_runs(
    searched, tmp_path, config, estimators
):
    assert len(set(searched.evaluations.ids)) == len(searched.evaluations)
    other = search(Run.create(tmp_path / "other", replace(config, seed=4)), estimators)
    mine, theirs = (
        dict(zip(map(tuple, run.evaluations.genes), run.evaluations.ids, strict=True))
        for run in (searched, other)
    )
    shared = mine.keys() & theirs.keys()
    assert shared
    assert all(mine[row] == theirs[row] for row in shared)


def test_the_front_files_say_what_the_front_is(searched):
    content = json.loads((searched.directory / "front.json").read_text())
    assert [entry["id"] for entry in content["front"]] == [m.id for m in searched.front]
    assert content["budgets"] == ["params<=12000"]
    assert content["evaluations"] == 60
    with (searched.directory / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == [
        member.values["accuracy"] for member in searched.front
    ]
    assert json.loads(rows[0]["architecture"]) == searched.front[0].architecture


def test_a_run_can_be_opened_while_its_log_is_being_written(searched):
    content = searched.log_path.read_bytes()
    searched.log_path.write_bytes(content[:-9])
    assert len(Run.open(searched.directory).evaluations) == len(searched.evaluations) - 1
    assert searched.log_path.read_bytes() == content[:-9]
