import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from hwnas.errors import FileFormatError, InputError
from hwnas.protocols import Estimate
from hwnas.search import Run, pick, search
from hwnas.search.extrapolation import LEAST_LEARNT, Curves, chances
from hwnas.search.records import Records, from_lines
from hwnas.search.told import Told

NAMES = ("log.jsonl", "front.json", "front.csv")


@dataclass
class Learning:
    """An estimator whose values rise to the full one along a power law, but for a little."""

    inner: object
    cheap: bool = False

    @property
    def objective(self):
        return self.inner.objective

    def estimate(self, genes):
        return self.inner.estimate(genes)

    def estimate_at(self, genes, fidelity):
        full = self.inner.estimate(genes).mean
        return Estimate(full - (1 + genes.sum(axis=1) % 4 / 4) * (fidelity**-0.5 - 1))


@pytest.fixture
def learning(expensive, estimators):
    return [Learning(expensive), *estimators[1:]]


@pytest.fixture
def stopping(config):
    return replace(config, fidelities=(0.125, 0.5), stop_below=0.1, evaluations=40)


def everything(run):
    return {name: (run.directory / name).read_bytes() for name in NAMES}


def curves(rng, count, *, noise=0.0):
    """Networks whose values follow a power law with one exponent, some of them costly."""
    full, gain, cost = rng.normal(80, 3, count), rng.uniform(5, 15, count), rng.random(count)
    law = {f: full - gain * (f**-0.5 - 1) + rng.normal(0, noise, count) for f in (0.25, 0.5)}
    partial = {f"accuracy at {f:g}": values for f, values in law.items()}
    return Records(np.zeros((count, 1), int), {"accuracy": full, "macs": cost}, partial=partial)


def learnt(records):
    made = Curves((0.25, 0.5), ("accuracy", "macs"))
    made.add(records)
    return made


def test_a_shared_power_law_is_foreseen():
    rng = np.random.default_rng(0)
    foreseen = learnt(curves(rng, 400))
    new = curves(rng, 50)
    at_both = foreseen.foreseen(new, 0.5)["accuracy"]
    assert np.allclose(at_both.mean, new.values["accuracy"], atol=0.1)
    assert at_both.draws.shape == (50, 400)
    # one value does not tell the gain
    at_one = foreseen.foreseen(new, 0.25)["accuracy"]
    assert at_one.draws.std() > 10 * (at_both.draws - at_both.mean[:, None]).std()


def test_draws_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(40):
        new = curves(rng, 50, noise=2)
        found = learnt(curves(rng, 30, noise=2)).foreseen(new, 0.5)["accuracy"]
        shares.append((found.draws < new.values["accuracy"][:, None]).mean(axis=1))
    below = (np.concatenate(shares) < 0.1).mean()
    above = (np.concatenate(shares) > 0.9).mean()
    assert 0.07 < below < 0.14
    assert 0.07 < above < 0.14


def test_draws_are_the_errors_of_fits_without_the_network_by_their_leverage():
    rng = np.random.default_rng(2)
    known, new = curves(rng, 12, noise=1), curves(rng, 3, noise=1)

    def inputs(records):
        low, high = (records.partial[f"accuracy at {f}"] for f in (0.25, 0.5))
        return np.column_stack([high, high - low, records.values["macs"]])

    centre, spread = inputs(known).mean(axis=0), inputs(known).std(axis=0)
    design, asked = (
        np.column_stack([np.ones(len(r)), (inputs(r) - centre) / spread]) for r in (known, new)
    )
    gains = known.values["accuracy"] - known.partial["accuracy at 0.5"]
    drawn = np.diag([0.0, 1, 1, 1])
    errors = []
    for left_out in range(12):
        rest = np.arange(12) != left_out
        inner = design[rest].T @ design[rest] + drawn
        fit = np.linalg.solve(inner, design[rest].T @ gains[rest])
        width = np.sqrt(1 + design[left_out] @ np.linalg.solve(inner, design[left_out]))
        errors.append((gains[left_out] - design[left_out] @ fit) / width)
    inner = design.T @ design + drawn
    widths = np.sqrt([1 + row @ np.linalg.solve(inner, row) for row in asked])
    found = learnt(known).foreseen(new, 0.5)["accuracy"]
    assert np.allclose(found.draws - found.mean[:, None], np.outer(widths, errors))


def test_nothing_is_foreseen_from_few_networks_or_from_those_that_were_stopped():
    rng = np.random.default_rng(3)
    few = curves(rng, LEAST_LEARNT - 1)
    made = learnt(few)
    stopped = curves(rng, 5)
    stopped.values["accuracy"][:] = np.nan
    made.add(stopped)
    assert made.foreseen(curves(rng, 2), 0.5) == {}
    made.add(curves(rng, 1))
    assert list(made.foreseen(curves(rng, 2), 0.5)) == ["accuracy"]


def test_a_chance_is_the_share_of_draws_that_no_point_of_the_front_dominates():
    front = np.array([[1.0, 5.0], [3.0, 2.0]])
    # at a cost of 3 the second point is dominated by, or equal to, losses of 3 and more
    losses = np.array([[2.0, 3], [2.5, 3], [3.0, 3], [3.5, 3]])[None]
    assert chances(losses, front).tolist() == [3 / 5]
    assert chances(losses, front[:0]).tolist() == [1.0]


def test_what_will_not_be_on_the_front_is_stopped_and_the_log_says_on_what_grounds(
    tmp_path, stopping, learning
):
    run = search(Run.create(tmp_path / "run", stopping), learning)
    chance = run.evaluations.stopped["chance"]
    stopped = ~np.isnan(chance)
    assert run.complete.sum() == 40
    assert stopped.any()
    assert not (stopped & run.complete).any()
    assert (chance[stopped] < 0.1).all()
    # before so many are known in full, no chance is that small
    assert run.complete[: stopped.argmax()].sum() > 1 / 0.1 - 1
    truth = learning[0].estimate(run.evaluations.genes).mean
    assert np.abs(run.evaluations.stopped["accuracy"] - truth)[stopped].mean() < 1
    line = json.loads(run.log_path.read_text().splitlines()[stopped.argmax()])
    assert line["stopped"].keys() == {"fidelity", "chance", "accuracy"}
    assert f"accuracy at {line['stopped']['fidelity']:g}" in line["partial"]
    with pytest.raises(InputError, match=r"left it a chance of \d\.\d % to belong to the front"):
        pick(run, run.evaluations.ids[int(stopped.argmax())])


def test_a_search_that_stops_networks_ends_with_the_same_bytes_wherever_it_is_stopped(
    tmp_path, stopping, learning
):
    run = search(Run.create(tmp_path / "run", stopping), learning)
    whole = everything(run)
    assert b'"stopped"' in whole["log.jsonl"]
    for length in np.linspace(0, len(whole["log.jsonl"]), 12, dtype=int):
        run.log_path.write_bytes(whole["log.jsonl"][:length])
        assert everything(search(Run.open(run.directory), learning)) == whole


def test_strategies_are_told_what_was_foreseen_of_a_stopped_network(stopping, as_records):
    values = [
        {"accuracy": 70.0, "macs": 5.0, "params": 1.0},
        {"accuracy": None, "macs": 4.0, "params": 1.0},
    ]
    records = as_records([(0,), (1,)], values)
    records.partial["accuracy at 0.125"] = np.array([50.0, 40.0])
    records.stopped["accuracy"] = np.array([np.nan, 66.0])
    losses, _ = Told(stopping).answers(records)
    assert losses.tolist() == [[-70.0, 5.0], [-66.0, 4.0]]


@pytest.mark.parametrize("wrong", [{"stop_below": 1.0}, {"stop_below": -0.1}, {"fidelities": ()}])
def test_a_chance_that_is_none_or_lacks_fidelities_is_refused(stopping, wrong):
    with pytest.raises(InputError, match="Expected a chance to stop below that is less than 1"):
        replace(stopping, **wrong)


def test_grounds_that_are_no_numbers_are_refused():
    line = b'{"index":0,"genes":[1],"values":{"a":null},"stopped":{"chance":"low"}}'
    with pytest.raises(FileFormatError, match="has stopped values that are not numbers"):
        from_lines([line], ["a"], genes=1, source="log")
