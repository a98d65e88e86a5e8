from dataclasses import replace

import pytest

from hwnas.errors import InputError, RunError, UnknownNameError
from hwnas.search import Run, pick
from hwnas.search.log import LogWriter, Record

# accuracy, macs, params; the budget is params<=12000
EVALUATED = [
    (50.0, 10.0, 100.0),
    (78.0, 20.0, 300.0),
    (80.0, 90.0, 200.0),
    (60.0, 30.0, 100.0),  # dominated by the second
    (None, 15.0, 12_001.0),
    (78.0, 25.0, 90.0),  # as accurate as the second, but with more MACs
]


@pytest.fixture
def found(run):
    genes = len(run.space.cardinalities)
    records = [
        Record(
            (0,) * (genes - 3) + (i // 4, (i // 2) % 2, i % 2),
            {"accuracy": accuracy, "macs": macs, "params": params},
        )
        for i, (accuracy, macs, params) in enumerate(EVALUATED)
    ]
    with LogWriter(run.log_path) as writer:
        writer.append(records, first=0)
    return Run.open(run.directory)


def chosen(found, choice):
    return tuple(pick(found, choice).values.values())


def test_the_knee_is_where_the_front_bends(found):
    assert chosen(found, "knee") == EVALUATED[1]


def test_an_id_is_any_architecture_that_was_evaluated(found):
    for i in (0, 3):
        assert chosen(found, found.evaluations.ids[i]) == EVALUATED[i]


def test_an_objective_is_the_best_in_it(found):
    assert chosen(found, "accuracy") == EVALUATED[2]
    assert chosen(found, "macs") == EVALUATED[0]


def test_a_budget_is_the_most_accurate_within_it_and_ties_go_to_the_cheaper(found):
    assert chosen(found, "macs<=50") == EVALUATED[1]


def test_budgets_hold_together(found):
    assert chosen(found, "macs<=50, params<=100") == EVALUATED[5]
    assert chosen(found, "accuracy>=50,macs<=15") == EVALUATED[0]


def test_a_budget_that_nothing_meets_is_refused_with_the_nearest(found):
    with pytest.raises(InputError, match="meets macs<=5; the nearest has 10"):
        pick(found, "macs<=5")


def test_an_unknown_id_is_refused_with_those_of_the_front(found):
    with pytest.raises(
        InputError, match=f"no architecture with id '00000000'.*{found.front[0].id}"
    ):
        pick(found, "00000000")


def test_an_architecture_that_was_not_evaluated_in_full_is_refused(found):
    with pytest.raises(InputError, match="not evaluated in full, because it does not meet params"):
        pick(found, found.evaluations.ids[4])


def test_an_unknown_choice_is_refused_with_the_known_ones(found):
    with pytest.raises(UnknownNameError, match="Did you mean 'knee'"):
        pick(found, "kneee")


def test_a_run_without_a_feasible_architecture_has_nothing_to_pick(tmp_path, config):
    empty = Run.create(tmp_path / "empty", replace(config, evaluations=1))
    with pytest.raises(RunError, match=r"no architecture that meets its budgets \(params<=12000\)"):
        pick(empty, "knee")
