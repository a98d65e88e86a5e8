from dataclasses import replace

import pytest

from hwnas.errors import InputError, RunError, UnknownNameError
from hwnas.search import Run, pick, preferred
from hwnas.search.log import LogWriter

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
def found(run, as_records):
    genes = len(run.space.cardinalities)
    rows = [(0,) * (genes - 3) + (i // 4, (i // 2) % 2, i % 2) for i in range(len(EVALUATED))]
    values = [dict(zip(("accuracy", "macs", "params"), each, strict=True)) for each in EVALUATED]
    with LogWriter(run.log_path) as writer:
        writer.append(as_records(rows, values), first=0)
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


def test_the_knee_may_be_that_of_what_meets_a_budget(found):
    assert chosen(found, "knee, accuracy>=79") == EVALUATED[2]
    assert chosen(found, "macs,accuracy>=79") == EVALUATED[2]


def test_several_ways_to_choose_are_refused(found):
    with pytest.raises(InputError, match="several ways to choose: knee, macs"):
        pick(found, "knee,macs,accuracy>=79")


def shown(found, **preferences):
    return [tuple(member.values.values()) for member in preferred(found, **preferences)]


def test_a_reference_point_leaves_what_is_at_least_as_good(found):
    whole = [EVALUATED[2], EVALUATED[1], EVALUATED[0]]
    assert shown(found) == whole
    assert shown(found, reference="accuracy>=60, macs<=50") == [EVALUATED[1]]
    with pytest.raises(InputError, match="meets accuracy>=90; the nearest has 80"):
        preferred(found, reference="accuracy>=90")


def test_an_even_part_of_the_front_has_its_ends(found):
    assert shown(found, even=2) == [EVALUATED[2], EVALUATED[0]]
    assert len(shown(found, even=9)) == 3
