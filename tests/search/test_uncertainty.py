"""Searches whose numbers carry standard deviations: budgets with confidence, and fronts."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from hwnas.catalog import FloatArray, IntArray, total
from hwnas.errors import BudgetError, FileFormatError, InputError, RunError
from hwnas.problem import NOISE_AWARE, Budget, Objective
from hwnas.protocols import Estimate, SearchSpace
from hwnas.search import Run, check_budgets, extremes, pick, search, shortfall
from hwnas.search.log import LogWriter
from hwnas.search.records import Records

LATENCY = Objective("latency_ms", "ms", "latency", per_device=True)
SURE = Budget("latency_ms", 5.0, confidence=95.0)
Z95 = 1.6448536269514722


@dataclass
class Doubtful:
    """MACs as a latency that may be off by a tenth, or by what is said instead."""

    space: SearchSpace
    doubt: float | None = 0.1
    cheap: bool = True
    objective: Objective = LATENCY
    asked_for_deviations: int = 0

    def estimate(self, genes: IntArray) -> Estimate:
        mean = total(self.space.catalog.macs, self.space.layer_indices(genes)) / 1e5

        def deviation() -> FloatArray | None:
            self.asked_for_deviations += len(genes)
            return None if self.doubt is None else self.doubt * mean

        return Estimate(mean, deviation)


@pytest.fixture
def doubtful(space):
    return Doubtful(space)


@pytest.fixture
def under(config):
    """The run's config, with latency instead of MACs, under budgets."""

    def with_budgets(*budgets, **changes):
        objectives = (config.objectives[0], LATENCY)
        changes = {"objectives": objectives, "budgets": budgets, **changes}
        return replace(config, **changes)

    return with_budgets


@pytest.fixture
def logged(tmp_path, under):
    """A run from accuracies, latencies and their deviations; None for one that is not known."""

    def make(rows, *budgets, **changes):
        run = Run.create(tmp_path / "logged", under(*budgets, recorded=(), **changes))
        genes = np.zeros((len(rows), len(run.space.cardinalities)), dtype=np.int64)
        genes[:, :3] = (np.arange(len(rows))[:, None] >> np.arange(3)) % 2
        accuracy, latency, *stds = np.array(rows, dtype=float).T
        names = ("accuracy", "latency_ms")
        found = Records(
            genes,
            {"accuracy": accuracy, "latency_ms": latency},
            dict(zip(reversed(names), stds, strict=False)),
        )
        with LogWriter(run.log_path) as writer:
            writer.append(found, first=0)
        return Run.open(run.directory)

    return make


def test_a_budget_with_confidence_holds_for_mean_and_margin(
    tmp_path, under, expensive, doubtful, costs
):
    estimators = [expensive, doubtful, costs["params"]]
    run = search(Run.create(tmp_path / "run", under(SURE)), estimators)
    means, stds = run.evaluations.values["latency_ms"], run.evaluations.stds["latency_ms"]
    np.testing.assert_allclose(stds, 0.1 * means)
    met = means + Z95 * stds <= 5.0
    assert (met == run.complete).all()
    assert ((means <= 5.0) & ~met).any(), "the margin decided nothing"
    assert run.front
    assert all(member.values["latency_ms"] * (1 + 0.1 * Z95) <= 5.0 for member in run.front)


def test_a_stopped_search_with_confidence_ends_with_the_same_bytes(
    tmp_path, under, expensive, doubtful, costs
):
    estimators = [expensive, doubtful, costs["params"]]
    run = search(Run.create(tmp_path / "run", under(SURE)), estimators)
    names = ("log.jsonl", "front.json", "front.csv", "front.md")
    whole = {name: (run.directory / name).read_bytes() for name in names}
    for length in np.linspace(0, len(whole["log.jsonl"]), 5, dtype=int):
        run.log_path.write_bytes(whole["log.jsonl"][:length])
        search(Run.open(run.directory), estimators)
        assert {name: (run.directory / name).read_bytes() for name in names} == whole


def test_the_front_records_deviations_where_there_are_any(
    tmp_path, under, expensive, doubtful, costs
):
    estimators = [expensive, doubtful, costs["params"]]
    run = search(Run.create(tmp_path / "run", under()), estimators)
    content = json.loads((run.directory / "front.json").read_text())
    for member in content["front"]:
        assert member["std"] == {"latency_ms": pytest.approx(0.1 * member["values"]["latency_ms"])}
    text = (run.directory / "front.md").read_text()
    assert text.count(" ms ± ") == len(content["front"])


def test_bounds_of_a_budget_with_confidence_are_those_of_what_it_judges(space, doubtful):
    plain = extremes(space, doubtful)
    (sure,) = check_budgets(space, [doubtful], [SURE])
    assert sure.minimum == pytest.approx(plain.minimum * (1 + 0.1 * Z95))
    at_least = Budget("latency_ms", 1.0, at_most=False, confidence=95.0)
    (sure,) = check_budgets(space, [doubtful], [at_least])
    assert sure.maximum == pytest.approx(plain.maximum * (1 - 0.1 * Z95))


def test_a_budget_that_only_the_mean_meets_is_refused_with_confidence(space, doubtful):
    bound = extremes(space, doubtful).minimum * 1.1
    check_budgets(space, [doubtful], [Budget("latency_ms", bound)])
    with pytest.raises(BudgetError, match="with 95 % confidence"):
        check_budgets(space, [doubtful], [Budget("latency_ms", bound, confidence=95.0)])


def test_budgets_that_cannot_be_met_together_with_confidence_are_refused(space, doubtful, costs):
    budgets = [Budget("latency_ms", 2.0), Budget("params", 18_000.0, at_most=False)]
    check_budgets(space, [doubtful, costs["params"]], budgets)
    doubtful.doubt = 1.0
    budgets[0] = replace(budgets[0], confidence=95.0)
    with pytest.raises(BudgetError, match="meets all of latency_ms<=2@95%, params>=18000, though"):
        check_budgets(space, [doubtful, costs["params"]], budgets)


@pytest.mark.parametrize("doubt", [None, np.nan])
def test_confidence_in_what_has_no_deviation_is_refused_and_says_what_to_do(space, doubt):
    with pytest.raises(InputError, match=r"Write latency_ms<=5 where .* hwnas profile"):
        check_budgets(space, [Doubtful(space, doubt)], [SURE])


def test_confidence_in_an_exact_number_is_refused(space, costs):
    with pytest.raises(InputError, match="Write params<=5000 where the number is exact"):
        check_budgets(space, [costs["params"]], [Budget("params", 5000.0, confidence=90.0)])


@pytest.mark.parametrize("doubt", [-0.1, np.inf])
def test_a_deviation_that_cannot_be_is_refused_with_its_objective(space, doubt):
    with pytest.raises(InputError, match="as standard deviation of latency_ms of architecture"):
        check_budgets(space, [Doubtful(space, doubt)], [SURE])


def test_deviations_are_not_worked_out_where_only_means_are_asked_for(space, doubtful):
    check_budgets(space, [doubtful], [Budget("latency_ms", 5.0)])
    extremes(space, doubtful)
    assert doubtful.asked_for_deviations == 0


def test_what_noise_cannot_tell_from_the_front_stays_on_a_noise_aware_one(logged):
    rows = [
        (80.0, 2.00, 0.1, 0.5),
        (79.8, 2.05, 0.1, 0.5),  # beaten, within the noise
        (75.0, 2.05, 0.1, 0.5),  # beaten for certain in accuracy, but not in latency
        (75.0, 3.00, 0.1, 0.5),  # beaten for certain
    ]
    assert [member.values["accuracy"] for member in logged(rows).front] == [80.0]


def test_a_noise_aware_front_leaves_out_what_is_beaten_beyond_doubt(logged):
    rows = [
        (80.0, 2.00, 0.1, 0.5),
        (79.8, 2.05, 0.1, 0.5),
        (75.0, 2.05, 0.1, 0.5),
        (75.0, 3.00, 0.1, 0.5),
    ]
    found = logged(rows, dominance=NOISE_AWARE)
    assert [member.values["accuracy"] for member in found.front] == [80.0, 79.8, 75.0]
    assert found.front[2].values["latency_ms"] == 2.05


def test_a_pick_may_ask_for_confidence(logged):
    found = logged([(80.0, 2.0, 0.5), (78.0, 2.0, 0.1), (70.0, 1.0, 0.1)])
    assert pick(found, "latency_ms<=2.2").values["accuracy"] == 80.0
    assert pick(found, "latency_ms<=2.2@95%").values["accuracy"] == 78.0
    assert pick(found, "latency_ms<=1.5@95%").values["accuracy"] == 70.0
    with pytest.raises(InputError, match=r"the nearest has 1\.164 ms with 95 % confidence"):
        pick(found, "latency_ms<=1.1@95%")


def test_a_pick_with_confidence_needs_deviations(logged):
    with pytest.raises(InputError, match=r"nothing states how far .* write latency_ms<=2\."):
        pick(logged([(80.0, 2.0)]), "latency_ms<=2@95%")


def test_without_a_front_a_run_says_what_its_budgets_would_have_to_be(logged):
    budgets = (Budget("latency_ms", 1.0), Budget("accuracy", 90.0, at_most=False))
    found = logged([(85.0, 1.3), (89.0, 2.0), (60.0, 0.9), (91.0, 3.00001)], *budgets)
    near = shortfall(found)
    # a third short of one bound; the others are beyond both, or twice as far beyond one
    assert near.id == found.evaluations.ids[2]
    assert [str(budget) for budget in near.needed] == ["latency_ms<=1", "accuracy>=60"]
    assert [str(budget) for budget in near.alone] == ["latency_ms<=3.001", "accuracy>=60"]
    with pytest.raises(RunError, match=r"would have to be latency_ms<=1, accuracy>=60\. If only"):
        pick(found, "knee")


def test_a_loosened_budget_keeps_its_confidence_and_is_met(logged):
    found = logged([(80.0, 1.0, 0.1), (70.0, 2.0, 0.1)], Budget("latency_ms", 0.5, confidence=95.0))
    near = shortfall(found)
    assert str(near.needed[0]) == "latency_ms<=1.165@95%"
    assert near.needed[0].violation(np.array([1.0]), np.array([0.1])) == 0
    assert "the budget would have to be latency_ms<=1.165@95%." in str(near)


def test_a_budget_that_no_network_can_pay_for_alone_is_said_to_be_so(logged):
    budgets = (Budget("latency_ms", 1.0), Budget("accuracy", 90.0, at_most=False))
    near = shortfall(logged([(85.0, 1.3), (80.0, 1.2)], *budgets))
    assert near.alone == (None, None)
    assert "latency_ms: no network meets the others" in str(near)


def test_a_run_with_a_front_lacks_nothing(logged):
    assert shortfall(logged([(80.0, 1.0)], Budget("latency_ms", 2.0))) is None


@pytest.mark.parametrize(
    ("std", "said"),
    [
        ({"latency_ms": -1.0}, "deviation that is not a number"),
        ({"latency_ms": "x"}, "deviation that is not a number"),
        ({"macs": 1.0}, "deviations of what it has no values of"),
        ([], "deviations of what it has no values of"),
    ],
)
def test_a_damaged_deviation_in_the_log_is_refused(logged, std, said):
    run = logged([(80.0, 1.0, 0.1)])
    content = json.loads(run.log_path.read_text())
    run.log_path.write_text(json.dumps(content | {"std": std}) + "\n")
    with pytest.raises(FileFormatError, match=said):
        Run.open(run.directory)
