import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from hwnas.errors import ConnectionLostError, InputError, RunError
from hwnas.problem import Budget
from hwnas.search import Run, pick, search
from hwnas.search.loop import FAILURES_IN_A_ROW
from hwnas.search.records import Records
from hwnas.search.told import Told


@dataclass
class Fragile:
    """An estimator that fails: always on some architectures, or so often on each."""

    inner: object
    always: int = 0
    times: int = 0
    error: type[Exception] = RuntimeError
    tries: dict = field(default_factory=dict)

    @property
    def objective(self):
        return self.inner.objective

    cheap = False

    def estimate(self, genes):
        key = genes.tobytes()
        self.tries[key] = self.tries.get(key, 0) + 1
        if self.tries[key] <= self.times or (self.always and genes.sum() % self.always == 1):
            raise self.error("out of memory")
        return self.inner.estimate(genes)


def everything(run):
    names = ("log.jsonl", "front.json", "front.csv")
    return {name: (run.directory / name).read_bytes() for name in names}


def with_accuracy(estimators, accuracy):
    return [accuracy, *estimators[1:]]


@pytest.mark.parametrize("error", [RuntimeError, OSError, MemoryError, ConnectionLostError])
def test_an_evaluation_that_fails_twice_and_then_goes_well_is_like_any_other(
    tmp_path, config, estimators, expensive, error
):
    whole = search(Run.create(tmp_path / "whole", config), estimators)
    fragile = Fragile(expensive, times=2, error=error)
    tried = search(Run.create(tmp_path / "tried", config), with_accuracy(estimators, fragile))
    assert everything(tried) == everything(whole)


def test_one_that_fails_every_time_is_recorded_with_its_reason_and_does_not_count(
    tmp_path, config, estimators, expensive
):
    fragile = Fragile(expensive, always=4)
    run = search(Run.create(tmp_path / "run", config), with_accuracy(estimators, fragile))
    failed = sorted(run.evaluations.failures)
    assert failed
    assert run.complete.sum() == 60
    assert not run.complete[failed].any()
    assert set(run.evaluations.failures.values()) == {"RuntimeError: out of memory"}
    assert (run.evaluations.genes[failed].sum(axis=1) % 4 == 1).all()
    # what is cheap to know is recorded nevertheless, and a broken budget is no failure
    assert np.isfinite(run.evaluations.values["macs"][failed]).all()
    assert (run.evaluations.values["params"][failed] <= 12_000).all()
    assert max(fragile.tries.values()) == 3
    lines = run.log_path.read_text().splitlines()
    assert {i for i, line in enumerate(lines) if "failed" in json.loads(line)} == set(failed)


def test_a_search_with_failures_stopped_anywhere_ends_with_the_same_bytes(
    tmp_path, config, estimators, expensive
):
    fragile = with_accuracy(estimators, Fragile(expensive, always=4))
    run = search(Run.create(tmp_path / "run", config), fragile)
    whole = everything(run)
    for length in np.linspace(0, len(whole["log.jsonl"]), 8, dtype=int):
        run.log_path.write_bytes(whole["log.jsonl"][:length])
        assert everything(search(Run.open(run.directory), fragile)) == whole


def test_failures_are_not_evaluated_again_when_a_search_goes_on(
    tmp_path, config, estimators, expensive
):
    fragile = Fragile(expensive, always=4)
    run = search(Run.create(tmp_path / "run", config), with_accuracy(estimators, fragile))
    before = everything(run)
    # the cause is gone, and what was recorded stands
    assert everything(search(Run.open(run.directory), estimators)) == before


def test_retries_can_be_none(tmp_path, config, estimators, expensive):
    fragile = Fragile(expensive, always=4)
    search(Run.create(tmp_path / "run", config), with_accuracy(estimators, fragile), retries=0)
    assert set(fragile.tries.values()) == {1}


def test_a_search_ends_where_every_evaluation_fails(run, estimators, expensive):
    broken = with_accuracy(estimators, Fragile(expensive, times=10**9))
    with pytest.raises(RunError, match=r"10 evaluations failed .* RuntimeError: out of memory"):
        search(run, broken)
    assert len(Run.open(run.directory).evaluations.failures) == FAILURES_IN_A_ROW


def test_a_bug_of_an_estimator_is_no_failure(run, estimators, expensive):
    with pytest.raises(TypeError):
        search(run, with_accuracy(estimators, Fragile(expensive, times=1, error=TypeError)))


def test_what_an_estimator_refuses_is_no_failure(run, estimators, expensive):
    expensive.after = 0
    with pytest.raises(InputError, match="gave nan as accuracy"):
        search(run, estimators)
    assert Run.open(run.directory).evaluations.failures == {}


def test_a_failed_architecture_cannot_be_picked_and_the_reason_is_said(
    tmp_path, config, estimators, expensive
):
    fragile = with_accuracy(estimators, Fragile(expensive, always=4))
    run = search(Run.create(tmp_path / "run", config), fragile)
    index = min(run.evaluations.failures)
    with pytest.raises(InputError, match="its evaluation failed: RuntimeError: out of memory"):
        pick(run, run.evaluations.ids[index])


def records(accuracy, macs, params, failures):
    genes = np.arange(len(macs))[:, None]
    values = {"accuracy": accuracy, "macs": macs, "params": params}
    columns = {name: np.array(column, dtype=float) for name, column in values.items()}
    return Records(genes, columns, {}, failures)


def test_a_failed_one_is_told_as_the_worst_seen_in_every_objective_and_budget(config):
    told = Told(replace(config, budgets=(Budget("params", 100.0),)))
    found = records([70, 60, np.nan], [5, 6, 1], [350, 50, 50], {2: "gone"})
    losses, violated = told.answers(found)
    assert losses.tolist() == [[-70, 5], [-60, 6], [-60, 6]]
    assert violated.tolist() == [[2.5], [0], [2.5]]


def test_a_failed_one_violates_by_the_whole_bound_where_nothing_was_worse(config):
    told = Told(replace(config, budgets=(Budget("params", 100.0),)))
    losses, violated = told.answers(records([np.nan], [5], [50], {0: "gone"}))
    assert losses.tolist() == [[0, 0]]
    assert violated.tolist() == [[1]]
