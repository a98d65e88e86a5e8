from dataclasses import dataclass, replace

import numpy as np
import pytest

from hwnas.errors import InputError
from hwnas.protocols import Estimate
from hwnas.search import Run, pick, search
from hwnas.search.halving import Offsets, survivors

NAMES = ("log.jsonl", "front.json", "front.csv")


@dataclass
class Rough:
    """An estimator with fidelities: below the full one it is low by 5 and off by a little."""

    inner: object
    fail_sum: int = -1
    cheap: bool = False

    def __post_init__(self):
        self.asked = []

    @property
    def objective(self):
        return self.inner.objective

    def estimate(self, genes):
        self.asked.append(1.0)
        return self.inner.estimate(genes)

    def estimate_at(self, genes, fidelity):
        self.asked.append(fidelity)
        if genes.sum() == self.fail_sum:
            raise RuntimeError("gone")
        return Estimate(self.inner.estimate(genes).mean - 5 + genes.sum(axis=1) % 3 / 10)


@pytest.fixture
def rough(expensive):
    return Rough(expensive)


@pytest.fixture
def halving(config):
    return replace(config, fidelities=(0.125, 0.5), evaluations=20)


def everything(run):
    return {name: (run.directory / name).read_bytes() for name in NAMES}


def test_candidates_of_the_first_fronts_survive_in_their_order():
    losses = np.array([[3.0, 3], [1, 4], [4, 4], [2, 2], [4, 1]])
    assert survivors(losses, np.zeros((0, 2)), 0.6) == [1, 3, 4]


def test_what_was_found_before_decides_too():
    losses = np.array([[3.0, 3], [1, 4], [2, 2], [4, 1]])
    assert survivors(losses, np.array([[1.0, 1]]), 0.25) == [1]
    assert survivors(losses, np.array([[2.0, 2]]), 0.75) == [1, 2, 3]


def test_at_least_one_candidate_survives():
    assert survivors(np.array([[1.0, 1], [2, 2]]), np.zeros((0, 2)), 0.01) == [0]
    assert survivors(np.zeros((0, 2)), np.zeros((0, 2)), 0.5) == []


def test_offsets_are_mean_differences_and_the_highest_fidelity_fills():
    offsets = Offsets((0.1, 0.5))
    full = np.array([10.0, 20.0, np.nan, np.nan])
    partial = {
        "a at 0.1": np.array([8.0, 18.0, 7.0, 6.0]),
        "a at 0.5": np.array([9.0, np.nan, 30.0, np.nan]),
    }
    offsets.add("a", full, partial)
    assert offsets.filled("a", full, partial).tolist() == [10.0, 20.0, 31.0, 8.0]


def test_only_the_better_parts_go_on_and_only_full_evaluations_count(
    tmp_path, halving, estimators, rough
):
    run = search(Run.create(tmp_path / "run", halving), [rough, *estimators[1:]])
    counts = {fidelity: rough.asked.count(fidelity) for fidelity in (0.125, 0.5, 1.0)}
    assert run.complete.sum() == counts[1.0] == 20
    assert counts[0.125] > 1.5 * counts[0.5] > 1.5 * counts[1.0]
    partial = run.evaluations.partial
    # whatever has a full value was looked at with both fidelities, and all of it is kept
    assert np.isfinite([partial[f"accuracy at {f}"][run.complete] for f in (0.125, 0.5)]).all()
    stopped = ~run.complete & np.isfinite(partial["accuracy at 0.125"])
    assert stopped.any()
    assert not run.feasible[stopped].any()
    with pytest.raises(InputError, match="looked too poor at a low fidelity"):
        pick(run, run.evaluations.ids[int(stopped.argmax())])


def test_a_search_with_fidelities_stopped_anywhere_ends_with_the_same_bytes(
    tmp_path, halving, estimators, expensive
):
    estimators = [Rough(expensive, fail_sum=7), *estimators[1:]]
    run = search(Run.create(tmp_path / "run", halving), estimators)
    whole = everything(run)
    assert run.evaluations.failures
    for length in np.linspace(0, len(whole["log.jsonl"]), 15, dtype=int):
        run.log_path.write_bytes(whole["log.jsonl"][:length])
        assert everything(search(Run.open(run.directory), estimators)) == whole


def test_an_estimator_without_fidelities_is_refused(tmp_path, halving, estimators):
    with pytest.raises(InputError, match=r"accuracy is estimated by .* which has no"):
        search(Run.create(tmp_path / "run", halving), estimators)


@pytest.mark.parametrize(
    "wrong", [{"fidelities": (0.5, 0.5)}, {"fidelities": (1.0,)}, {"fidelities": (0.0,)},
              {"keep": 0.0}, {"keep": 1.5}]
)  # fmt: skip
def test_fidelities_that_do_not_rise_and_a_part_that_is_none_are_refused(config, wrong):
    with pytest.raises(InputError, match="Expected rising fidelities between 0 and 1"):
        replace(config, **wrong)
