"""A run's accuracies evaluated by workers, which build all they need from its directory."""

import shutil

import pytest

from hwnas import workflows
from hwnas.errors import UnknownNameError
from hwnas.workflows.workers import expensive_estimators

FILES = ("config.json", "log.jsonl", "front.json", "front.csv")


@pytest.fixture
def halfway(workplace, tmp_path):
    """The run of the workplace as it would be after half of its log."""
    run = tmp_path / "run"
    shutil.copytree(workplace / "runs" / "tiny", run)
    log = run / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[: len(lines) // 2]))
    return run


def test_a_run_goes_on_with_workers_to_the_same_bytes(workplace, halfway, monkeypatch):
    monkeypatch.chdir(workplace)
    workflows.resume(halfway, executor="local", workers=2)
    for name in FILES:
        assert (halfway / name).read_bytes() == (workplace / "runs/tiny" / name).read_bytes(), name


def test_a_worker_builds_the_run_s_own_space_and_expensive_estimators(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    directory = workplace / "runs" / "tiny"
    space, made = expensive_estimators(str(directory), str(workplace))
    run = workflows.load_run(directory)
    assert space.definition() == run.space.definition()
    assert [each.objective.name for each in made] == ["accuracy"]
    value = made[0].estimate(run.evaluations.genes[:1]).mean[0]
    assert value == run.evaluations.values["accuracy"][0]


def test_an_unknown_executor_is_refused(halfway, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    with pytest.raises(UnknownNameError, match=r"'lokal'\. Did you mean 'local'"):
        workflows.resume(halfway, executor="lokal")
