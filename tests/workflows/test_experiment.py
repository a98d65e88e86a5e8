import pytest

from hwnas import files
from hwnas.errors import BudgetError, FileFormatError, RunError
from hwnas.estimators import EstimatorContext, create
from hwnas.search import extremes
from hwnas.spaces import load_space
from hwnas.workflows import experiment_from_options, load_experiment, search
from hwnas.workflows.experiment import parse_experiment
from hwnas.workflows.quantities import asked_quantities


def test_an_experiment_survives_being_written_to_a_run_and_read_back():
    experiment = experiment_from_options(
        name="x", space="mbv3_small_32", budgets=["params<=1M"], epochs=3, seed=7
    )
    assert parse_experiment(files.to_plain(experiment), source="a run") == experiment


def test_an_experiment_needs_no_more_than_a_space(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[space]\nsource = "mbv3_small_32"\n')
    experiment = load_experiment(path)
    assert experiment.name == "mine"
    assert experiment.search.objectives == ("accuracy", "latency_ms")


@pytest.mark.parametrize("line", ["evaluations = 0", "batch = 0"])
def test_a_search_of_nothing_is_refused(line, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(f'[space]\nsource = "mbv3_small_32"\n[search]\n{line}\n')
    with pytest.raises(FileFormatError, match="must be at least 1"):
        load_experiment(path)


def test_what_budgets_bound_is_asked_for_too():
    experiment = experiment_from_options(
        name="x", space="mbv3_small_32", objectives=["params", "macs"],
        budgets=["latency<=40%", "params<=1M"],
    )  # fmt: skip
    assert asked_quantities(experiment) == ("params", "macs", "latency_ms")


def options(*budgets, evaluations=5):
    return experiment_from_options(
        name="x", space="mbv3_small_32", objectives=["params", "macs"], budgets=budgets,
        evaluations=evaluations,
    )  # fmt: skip


def test_a_percentage_stands_for_a_place_between_the_extremes(tmp_path):
    space = load_space("mbv3_small_32")
    macs = create("macs", EstimatorContext(space))
    bounds = extremes(space, macs)
    run = search(options("macs<=50%"), tmp_path / "run")
    (budget,) = run.budgets
    assert budget.bound == pytest.approx((bounds.minimum + bounds.maximum) / 2, rel=5e-3)
    assert all(member.values["macs"] <= budget.bound for member in run.front)


def test_an_impossible_budget_is_refused_before_the_directory_is_made(tmp_path):
    with pytest.raises(BudgetError, match="goes from"):
        search(options("macs<=-1%"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_directory_is_used_once(tmp_path):
    search(options(), tmp_path / "run")
    with pytest.raises(RunError, match="hwnas resume"):
        search(options(), tmp_path / "run")


def test_a_training_that_would_never_reach_smaller_networks_is_refused(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('[space]\nsource = "mbv3_small_32"\n[supernet]\nepochs = 3\n')
    with pytest.raises(FileFormatError, match="largest_first is 4; it must be less"):
        load_experiment(path)


@pytest.mark.parametrize("epochs", [1, 2, 20])
def test_fewer_epochs_leave_some_for_smaller_networks(epochs):
    experiment = experiment_from_options(name="x", space="mbv3_small_32", epochs=epochs)
    assert experiment.supernet.epochs == epochs
    assert experiment.supernet.largest_first <= epochs // 2
