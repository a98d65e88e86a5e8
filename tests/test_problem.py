import numpy as np
import pytest

from hwnas.errors import InputError, UnknownNameError
from hwnas.problem import Budget, Objective, resolve_objective, split_device, violations

KNOWN = (
    "accuracy", "latency_ms", "params", "peak_memory_bytes", "latency_ms@pixel_8",
    "latency_ms@my-pi.2",
)  # fmt: skip


def test_losses_are_minimised_whichever_way_the_objective_goes():
    values = np.array([1.0, 2.0])
    assert Objective("accuracy", "%", "accuracy", maximise=True).losses(values).tolist() == [-1, -2]
    assert Objective("macs", "", "MACs").losses(values).tolist() == [1, 2]


def test_signs_flip_back():
    objective = Objective("accuracy", "%", "accuracy", maximise=True)
    values = np.array([70.0, 80.5])
    assert objective.losses(objective.losses(values)).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("latency_ms<=2.5", Budget("latency_ms", 2.5)),
        (" latency <= 2.5 ", Budget("latency_ms", 2.5)),
        ("params<=1.5M", Budget("params", 1.5e6)),
        ("params<=2k", Budget("params", 2000.0)),
        ("params<=1e6", Budget("params", 1e6)),
        ("accuracy>=88", Budget("accuracy", 88.0, at_most=False)),
        ("peak_memory<=300k", Budget("peak_memory_bytes", 3e5)),
        ("latency_ms@pixel_8<=12", Budget("latency_ms@pixel_8", 12.0)),
        ("latency@my-pi.2 >= 1.5", Budget("latency_ms@my-pi.2", 1.5, at_most=False)),
        ("latency_ms<=10@95%", Budget("latency_ms", 10.0, confidence=95.0)),
        (" latency <= 10 @ 99.5 % ", Budget("latency_ms", 10.0, confidence=99.5)),
        ("latency_ms@pixel_8<=12@90%", Budget("latency_ms@pixel_8", 12.0, confidence=90.0)),
        ("accuracy>=88@90%", Budget("accuracy", 88.0, at_most=False, confidence=90.0)),
    ],
)
def test_a_budget_is_read_from_text(text, budget):
    assert Budget.parse(text, KNOWN) == budget


@pytest.mark.parametrize(
    "text",
    [
        "latency",
        "latency_ms<2",
        "latency_ms<=",
        "<=2",
        "params<=1x",
        "latency_ms@<=2",
        "a@b/c<=2",
        "latency_ms<=2@95",
        "latency_ms<=2@pixel_8",
        "latency_ms@95%<=2",
        "latency_ms<=40%@95%",
    ],
)
def test_text_that_is_no_budget_is_refused_with_an_example(text):
    with pytest.raises(InputError, match=r"not of the form NAME<=NUMBER .*latency_ms<=2\.5"):
        Budget.parse(text, KNOWN)


def test_a_number_with_two_points_is_refused():
    with pytest.raises(InputError, match=r"'1\.2\.3' is not a number"):
        Budget.parse("latency_ms<=1.2.3", KNOWN)


def test_a_budget_on_an_unknown_objective_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'latency_ms'"):
        Budget.parse("latencyms<=2", KNOWN)


def test_a_budget_is_violated_when_latency_exceeds_it():
    budget = Budget("latency_ms", 2.0)
    assert budget.violation(np.array([1.0, 2.0, 3.5])).tolist() == [0.0, 0.0, 1.5]


def test_a_lower_bound_is_violated_from_below():
    budget = Budget("accuracy", 88.0, at_most=False)
    assert budget.violation(np.array([80.0, 88.0, 90.0])).tolist() == [8.0, 0.0, 0.0]


def test_violations_stand_in_the_order_of_the_budgets():
    values = {"latency_ms": np.array([3.0, 1.0]), "params": np.array([5.0, 7.0])}
    budgets = [Budget("params", 6.0), Budget("latency_ms", 2.0)]
    assert violations(budgets, values).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_without_budgets_there_are_no_violations():
    assert violations([], {"params": np.zeros(3)}).shape == (3, 0)


def test_a_budget_reads_back_from_how_it_is_shown():
    for budget in (
        Budget("latency_ms", 2.5),
        Budget("accuracy", 88.0, at_most=False),
        Budget("params", 1234567.0),
        Budget("latency_ms@pixel_8", 1 / 3, confidence=200 / 3),
        Budget("latency_ms", 1e-9, at_most=False, confidence=95.0),
    ):
        assert Budget.parse(str(budget), KNOWN) == budget
    assert str(Budget("latency_ms", 10.0, confidence=95.0)) == "latency_ms<=10@95%"


@pytest.mark.parametrize("percent", ["50", "100", "0.95", "-95", "nan", "sure", "", "1e2"])
def test_a_confidence_not_between_50_and_100_percent_is_refused(percent):
    with pytest.raises(InputError, match=r"more than 50 and less than 100, .* latency_ms<=2@95%"):
        Budget.parse(f"latency_ms<=2@{percent}%", KNOWN)


def test_confidence_moves_what_is_judged_towards_the_bound():
    # 1.6449 standard deviations have 5 % of a normal distribution beyond them
    values, std = np.array([8.0, 9.0, 9.0]), np.array([1.0, 0.5, 1.0])
    at_most = Budget("latency_ms", 10.0, confidence=95.0)
    assert at_most.quantile(values, std) == pytest.approx([9.6449, 9.8224, 10.6449], abs=1e-4)
    assert at_most.violation(values, std) == pytest.approx([0.0, 0.0, 0.6449], abs=1e-4)
    at_least = Budget("accuracy", 8.0, at_most=False, confidence=95.0)
    assert at_least.violation(values, std) == pytest.approx([1.6449, 0.0, 0.6449], abs=1e-4)


def test_without_confidence_deviations_decide_nothing():
    assert Budget("latency_ms", 2.0).violation(np.array([2.0]), np.array([9.0])).tolist() == [0.0]


def test_confidence_without_deviations_is_refused():
    with pytest.raises(InputError, match=r"latency_ms<=2@95% .*; write latency_ms<=2\."):
        Budget("latency_ms", 2.0, confidence=95.0).violation(np.array([1.0]))
    with pytest.raises(InputError, match="nothing states how far"):
        violations([Budget("params", 2.0, confidence=95.0)], {"params": np.array([1.0])})


def test_an_objective_may_be_called_without_its_unit():
    assert resolve_objective("latency", KNOWN) == "latency_ms"
    assert resolve_objective("params", KNOWN) == "params"


def test_an_objective_on_another_device_has_it_in_name_and_label():
    objective = Objective("latency_ms", "ms", "latency", per_device=True).on("pixel_8")
    assert (objective.name, objective.title) == ("latency_ms@pixel_8", "latency on pixel_8")
    assert split_device(objective.name) == ("latency_ms", "pixel_8")
    assert split_device("latency_ms") == ("latency_ms", "")


def test_a_name_that_two_objectives_share_is_refused():
    with pytest.raises(UnknownNameError):
        resolve_objective("latency", ("latency_ms", "latency_us"))
