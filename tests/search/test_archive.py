from dataclasses import replace

import numpy as np
import pytest

from hwnas.errors import FileFormatError
from hwnas.problem import Budget
from hwnas.search import Run, search
from hwnas.search.archive import ARCHIVE, Archive, Known, gathered, read_archive, write_archive


@pytest.fixture
def earlier(run, estimators):
    return search(run, estimators)


@pytest.fixture
def warm(tmp_path, config, earlier):
    """A run that takes over all of another one's evaluations, within fewer parameters."""
    archive = gathered([earlier], ["accuracy"])
    budget = Budget("params", 11_000)
    within = int((earlier.complete & (earlier.evaluations.values["params"] <= 11_000)).sum())
    config = replace(config, budgets=(budget,), evaluations=within, seed=8)
    write_archive(tmp_path / "warm", archive)
    return Run.create(tmp_path / "warm", config)


def everything(run):
    names = ("config.json", "log.jsonl", "front.json", "front.csv", ARCHIVE)
    return {name: (run.directory / name).read_bytes() for name in names}


def test_an_archive_is_read_back(tmp_path):
    archive = Archive(("runs/a",), (Known((1, 2), 0, {"accuracy": 81.5}, {"accuracy": 0.3}),))
    write_archive(tmp_path, archive)
    assert read_archive(tmp_path) == archive


def test_a_run_without_earlier_ones_has_an_empty_archive(tmp_path):
    assert len(read_archive(tmp_path)) == 0


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / ARCHIVE).write_text('{"runs": [')
    with pytest.raises(FileFormatError, match="not valid JSON"):
        read_archive(tmp_path)


def test_only_what_was_evaluated_in_full_is_gathered(earlier):
    archive = gathered([earlier], ["accuracy"])
    assert len(archive) == earlier.complete.sum() == 60
    rows = earlier.evaluations.genes[earlier.complete]
    assert archive.genes.tolist() == rows.tolist()
    accuracies = earlier.evaluations.values["accuracy"][earlier.complete]
    assert [known.values["accuracy"] for known in archive.evaluations] == accuracies.tolist()


def test_an_architecture_that_two_runs_evaluated_is_gathered_once(tmp_path, config, estimators):
    runs = [
        search(Run.create(tmp_path / str(seed), replace(config, seed=seed)), estimators)
        for seed in (3, 4)
    ]
    archive = gathered(runs, ["accuracy"])
    assert len(np.unique(archive.genes, axis=0)) == len(archive)
    assert {known.run for known in archive.evaluations} == {0, 1}


def test_nothing_of_an_archive_is_evaluated_again(warm, estimators, expensive):
    asked = expensive.asked
    found = search(warm, estimators)
    assert expensive.asked == asked
    assert found.complete.sum() == warm.config.evaluations > 10


def test_the_front_is_that_of_the_archive_within_the_new_budget(warm, earlier, estimators):
    found = {member.row for member in search(warm, estimators).front}
    values = earlier.evaluations.values
    allowed = earlier.complete & (values["params"] <= 11_000)
    losses = earlier.losses[allowed]
    beaten = (losses[:, None] >= losses).all(axis=2) & (losses[:, None] > losses).any(axis=2)
    expected = earlier.evaluations.genes[allowed][~beaten.any(axis=1)]
    assert found == {tuple(row) for row in expected.tolist()}


def test_further_evaluations_are_new_ones(warm, estimators, expensive):
    asked, more = expensive.asked, warm.config.evaluations + 15
    found = search(warm, estimators, evaluations=more)
    assert expensive.asked == asked + 15
    assert len(set(found.evaluations.ids)) == len(found.evaluations)
    assert found.complete.sum() == more


@pytest.mark.parametrize("strategy", ["nsga2", "random"])
def test_a_warm_search_stopped_anywhere_ends_with_the_same_bytes(warm, estimators, strategy):
    more = warm.config.evaluations + 15
    config = replace(warm.config, strategy=strategy)
    whole = everything(search(Run(warm.directory, config), estimators, evaluations=more))
    path = warm.directory / "log.jsonl"
    for length in np.linspace(0, len(whole["log.jsonl"]), 7, dtype=int):
        path.write_bytes(whole["log.jsonl"][:length])
        again = search(Run(warm.directory, config), estimators, evaluations=more)
        assert everything(again) == whole


def test_what_a_warm_run_took_over_is_handed_on(warm, estimators):
    found = search(warm, estimators)
    again = gathered([found], ["accuracy"])
    assert sorted(map(tuple, again.genes.tolist())) == sorted(
        map(tuple, read_archive(warm.directory).genes.tolist())
    )
