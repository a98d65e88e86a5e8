from dataclasses import replace

import numpy as np
import pytest

from hwnas.errors import InputError, RunError, RunInUseError
from hwnas.estimators import EstimatorContext, create
from hwnas.problem import Budget
from hwnas.search import Run, locked, search
from hwnas.search.loop import PROPOSALS_PER_EVALUATION


def everything(run):
    """All that a finished run leaves, but for the lock."""
    names = ("config.json", "log.jsonl", "front.json", "front.csv")
    return {name: (run.directory / name).read_bytes() for name in names}


def test_a_search_ends_after_the_evaluations_that_were_asked_for(run, estimators):
    assert search(run, estimators).complete.sum() == 60


def test_equal_seeds_leave_equal_bytes(tmp_path, config, estimators):
    first = search(Run.create(tmp_path / "first", config), estimators)
    second = search(Run.create(tmp_path / "second", config), estimators)
    assert everything(first) == everything(second)


@pytest.mark.parametrize("strategy", ["nsga2", "random"])
def test_a_search_stopped_anywhere_ends_with_the_same_bytes(tmp_path, config, estimators, strategy):
    config = replace(config, strategy=strategy)
    whole = everything(search(Run.create(tmp_path / "run", config), estimators))
    path = tmp_path / "run" / "log.jsonl"
    for length in np.linspace(0, len(whole["log.jsonl"]), 12, dtype=int):
        path.write_bytes(whole["log.jsonl"][:length])
        assert everything(search(Run.open(tmp_path / "run"), estimators)) == whole


def test_a_finished_search_is_not_evaluated_again(run, estimators, expensive):
    search(run, estimators)
    asked = expensive.asked
    search(Run.open(run.directory), estimators)
    assert expensive.asked == asked == 60


def test_a_search_extended_later_equals_one_that_was_long_from_the_start(
    tmp_path, config, estimators
):
    long = search(Run.create(tmp_path / "long", config), estimators, evaluations=77)
    run = Run.create(tmp_path / "short", config)
    search(run, estimators, evaluations=33)
    search(Run.open(run.directory), estimators, evaluations=77)
    assert everything(run) == everything(long)


def test_nothing_expensive_is_spent_on_what_breaks_a_cheap_budget(run, estimators, expensive):
    finished = search(run, estimators)
    broken = finished.evaluations.values["params"] > 12_000
    assert broken.any()
    assert np.isnan(finished.evaluations.values["accuracy"][broken]).all()
    assert not np.isnan(finished.evaluations.values["accuracy"][~broken]).any()
    assert expensive.asked == (~broken).sum() == 60


def test_a_budget_on_the_expensive_objective_leaves_the_rest_off_the_front(
    tmp_path, config, estimators
):
    config = replace(config, budgets=(Budget("accuracy", 20.0, at_most=False),))
    finished = search(Run.create(tmp_path / "run", config), estimators)
    assert finished.complete.all()
    assert not finished.feasible.all()
    assert all(member.values["accuracy"] >= 20.0 for member in finished.front)


def test_a_search_that_finds_nothing_within_the_budgets_ends(tmp_path, config, estimators):
    config = replace(config, budgets=(Budget("params", 1.0),), evaluations=2)
    finished = search(Run.create(tmp_path / "run", config), estimators)
    assert len(finished.evaluations) == 2 * PROPOSALS_PER_EVALUATION
    assert finished.front == ()


def test_cheap_objectives_alone_can_be_searched(tmp_path, config, costs):
    config = replace(
        config,
        objectives=(costs["macs"].objective, costs["params"].objective),
        recorded=(),
    )
    estimators = [costs["params"], costs["macs"]]
    assert search(Run.create(tmp_path / "run", config), estimators).complete.sum() == 60


def test_a_search_ends_when_the_space_has_no_more_architectures(tmp_path, unbounded, costs):
    choiceless = {"expand_ratio": [2], "kernel_size": [3]}
    definition = {**unbounded.space, "resolutions": [32]}
    definition["stages"] = [{**stage, **choiceless} for stage in definition["stages"]]
    config = replace(
        unbounded,
        space=definition,
        objectives=(costs["macs"].objective, costs["params"].objective),
        recorded=(),
    )
    run = Run.create(tmp_path / "run", config)
    context = EstimatorContext(run.space)
    finished = search(run, [create("macs", context), create("params", context)])
    # depth of two stages, width of one
    assert finished.complete.sum() == 8


@pytest.mark.parametrize("answer", [np.nan, np.inf])
def test_nan_of_an_estimator_is_refused_with_objective_and_architecture(
    run, estimators, expensive, answer
):
    expensive.after, expensive.answer = 5, answer
    with pytest.raises(InputError, match=rf"gave {answer} as accuracy of architecture \{{'ks'"):
        search(run, estimators)
    assert Run.open(run.directory).complete.sum() == 5


def test_a_search_goes_on_after_an_estimator_was_mended(tmp_path, config, estimators, expensive):
    whole = everything(search(Run.create(tmp_path / "whole", config), estimators))
    run = Run.create(tmp_path / "run", config)
    expensive.after = expensive.asked + 5
    with pytest.raises(InputError):
        search(run, estimators)
    expensive.after = np.inf
    assert everything(search(Run.open(run.directory), estimators)) == whole


def test_a_missing_estimator_is_named(run, estimators):
    with pytest.raises(InputError, match="needs an estimator of macs, but only accuracy, params"):
        search(run, [estimators[0], estimators[2]])


def test_a_log_of_another_seed_is_refused(run, config, estimators):
    search(run, estimators)
    other = Run(run.directory, replace(config, seed=99))
    with pytest.raises(RunError, match=r"line 1 records .* now proposes"):
        search(other, estimators)


def test_a_log_with_other_estimates_is_refused(run, estimators, costs):
    search(run, estimators)
    changed = replace(costs["macs"], values=costs["macs"].values * 1.01)
    before = everything(run)
    with pytest.raises(RunError, match=r"line 1 records macs .* but it is now estimated as"):
        search(Run.open(run.directory), [estimators[0], changed, estimators[2]])
    assert everything(run) == before


def test_a_run_that_is_being_written_is_refused(run, estimators):
    # a lock belongs to an open file, so one process can stand in its own way
    with locked(run.directory), pytest.raises(RunInUseError):
        search(run, estimators)


def test_progress_counts_evaluations_and_says_how_good_they_are(run, estimators):
    steps = []
    search(run, estimators, on_progress=lambda *step: steps.append(step))
    done = [step[1] for step in steps]
    assert done == sorted(done)
    assert steps[-1][:3] == ("searching", 60, 60)
    assert "hypervolume 0." in steps[-1][3]
    assert "best accuracy" in steps[-1][3]
