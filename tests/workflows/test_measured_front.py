"""A search by a table of this machine, its finalists measured, and its front corrected."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hwnas import workflows
from hwnas.devices import load_device
from hwnas.errors import BudgetError, InputError, RunError, RunInUseError, UnknownNameError
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.search import departures, locked
from hwnas.search.finalists import FINALISTS
from hwnas.spaces import load_space
from hwnas.workflows import experiment_from_options, load_experiment
from hwnas.workflows.quantities import other_experiments, parse_budget
from hwnas.workflows.runs import load_run

SPACE = Path(__file__).parents[1] / "data" / "profile_space.toml"
ANYHOW = Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, max_unsettled=1.0)
QUICK = Discipline(
    Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=0.2, min_sample_us=50.0),
    layer_rounds=4, network_rounds=4, steadiness=ANYHOW,
)  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder with a latency table of this machine that states its deviations."""
    folder = tmp_path_factory.mktemp("tables") / "latency_tables"
    profile(
        load_device("host"), load_space(SPACE), folder=folder, networks=6, held_out=4,
        discipline=QUICK,
    )  # fmt: skip
    return folder


@pytest.fixture
def folder(tables, tmp_path, monkeypatch):
    (tmp_path / "latency_tables").symlink_to(tables)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(**changes):
    options = {
        "name": "x", "space": str(SPACE), "objectives": ["params", "latency"],
        "evaluations": 8, "batch": 4,
    }  # fmt: skip
    return experiment_from_options(**options | changes)


def searched(*, directory="run", **changes):
    return workflows.search(asked(**changes), directory)


def measured(run="run", **changes):
    return workflows.measure_finalists(run, discipline=QUICK, **changes)


def test_estimates_of_a_measured_table_state_their_deviations(folder):
    run = searched()
    assert all(member.stds["latency_ms"] > 0 for member in run.front)
    assert all("params" not in member.stds for member in run.front)


def test_all_of_the_corrected_front_is_measured_and_the_predictions_stand_beside(folder):
    searched(budgets=["latency_ms<=80%"])
    run = measured()
    assert run.front
    for member in run.front:
        index = run.evaluations.ids.index(member.id)
        assert member.predicted == {
            "latency_ms": run.evaluations.values["latency_ms"][index],
        }
    content = json.loads(Path("run/front.json").read_text())
    assert [member["measured"] for member in content["front"]] == [["latency_ms"]] * len(run.front)
    before = Path("run", FINALISTS).read_bytes()
    measured()
    assert Path("run", FINALISTS).read_bytes() == before
    assert not Path("run/finalists.work").exists()
    pictures = {path.name for path in workflows.plot("run")}
    assert "front_latency_ms.png" in pictures


def test_a_limit_is_kept_over_several_calls_and_the_rest_stays_predicted(folder):
    searched()
    first = measured(limit=1)
    assert len(Path("run", FINALISTS).read_text().splitlines()) == 1
    again = measured(limit=1)
    assert [m.values for m in again.front] == [m.values for m in first.front]
    measured(limit=3)
    assert 1 <= len(Path("run", FINALISTS).read_text().splitlines()) <= 3


def test_a_network_that_was_measured_over_its_budget_is_named(folder):
    run = searched()
    bound = run.front[0].values["latency_ms"]
    searched(directory="bounded", budgets=[f"latency_ms<={bound!r}"])
    path = Path("bounded/latency_tables/fp32.json")
    content = json.loads(path.read_text())
    # a machine on which the canary took a tenth has become slower, and that is divided out
    content["canary_ms"] /= 10
    path.write_text(json.dumps(content))
    fast = measured("bounded")
    assert all(member.values["latency_ms"] < bound for member in fast.front)
    content["canary_ms"] *= 100
    path.write_text(json.dumps(content))
    Path("bounded", FINALISTS).unlink()
    slow = measured("bounded")
    assert slow.front == ()
    assert {one.reason for one in departures(slow)} == {f"breaks {slow.budgets[0]}"}
    assert "Left the front when measured" in Path("bounded/front.md").read_text()


def test_search_measures_its_finalists_when_asked_to_and_a_resumed_one_too(folder):
    run = searched(measure_finalists=2, noise_aware=True)
    assert run.config.dominance == "noise_aware"
    # on a noisy machine the smallest network may be the fastest, and the front has no other
    assert 1 <= len(Path("run", FINALISTS).read_text().splitlines()) <= 2
    before = {path.name: path.read_bytes() for path in Path("run").glob("front.*")}
    workflows.resume("run")
    assert {path.name: path.read_bytes() for path in Path("run").glob("front.*")} == before
    Path("run", FINALISTS).unlink()
    assert len(workflows.resume("run").measured) == 1


def test_each_precision_is_measured_at_its_own(folder, tables):
    profile(
        load_device("host"), load_space(SPACE), folder=tables, networks=6, held_out=4,
        precision="fp16", discipline=QUICK,
    )  # fmt: skip
    (path,) = tables.glob("host/*fp16*.json")
    content = json.loads(path.read_text())
    for network in content["networks"]:  # smaller but slower, so that both are on the front
        network["measured_ms"] *= 10
    path.write_text(json.dumps(content))
    searched(precision=["fp32", "fp16"], objectives=["model_size", "latency"])
    run = measured()
    lines = Path("run", FINALISTS).read_text().splitlines()
    assert {json.loads(line)["genes"][0] for line in lines} == {0, 1}
    assert all(member.predicted for member in run.front)


def test_a_killed_measurement_goes_on_and_loses_nothing(folder):
    searched()
    client = f"""
from hwnas import workflows
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
timing = Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=2.0, min_sample_us=500.0)
workflows.measure_finalists(
    "run", discipline=Discipline(timing, network_rounds=30, steadiness={ANYHOW!r}),
    on_progress=lambda task, done, total, note="": print(done, flush=True),
)
"""
    with subprocess.Popen(
        [sys.executable, "-c", client], stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if int(line) >= 20:
                os.kill(process.pid, signal.SIGKILL)
                break
    (log,) = Path("run/finalists.work").glob("*/samples.jsonl")
    text = log.read_text()
    kept = text[: text.rfind("\n")].splitlines()
    assert len(kept) >= 20
    for _ in range(100):  # the agent notices that nobody listens
        if log.read_text() == text:
            break
        time.sleep(0.05)
    finished = subprocess.run(
        [sys.executable, "-c", client], stdout=subprocess.PIPE, text=True, check=True
    )
    assert int(finished.stdout.split()[0]) > 15, "visits were made again"
    run = load_run("run")
    assert all(member.predicted for member in run.front)


def test_a_run_that_another_process_writes_to_is_left_alone(folder):
    searched()
    with locked(Path("run")), pytest.raises(RunInUseError):
        measured()
    assert not Path("run", FINALISTS).exists()


def test_a_run_without_latency_has_nothing_to_measure(folder):
    searched(objectives=["params", "macs"])
    with pytest.raises(InputError, match="add latency_ms"):
        measured()
    with pytest.raises(InputError, match="add latency_ms"):
        searched(directory="other", objectives=["params", "macs"], measure_finalists=3)
    assert not Path("other").exists()


def test_a_run_with_nothing_on_its_front_says_what_its_budgets_would_have_to_be(folder):
    run = searched()
    least = min(run.evaluations.values["params"])
    path = Path("run/config.json")
    content = json.loads(path.read_text())
    budget = {"objective": "params", "bound": least - 1, "at_most": True, "confidence": None}
    path.write_text(json.dumps(content | {"budgets": [budget]}))
    with pytest.raises(RunError, match=r"The nearest is .* would have to be params<="):
        measured()


def test_a_budget_with_confidence_is_checked_before_anything_is_searched(folder):
    with pytest.raises(BudgetError, match="with 99 % confidence"):
        searched(budgets=["latency_ms<=0.0001@99%"])
    assert not Path("run").exists()


def test_confidence_in_a_table_that_states_no_deviation_is_refused(folder, tmp_path):
    Path("latency_tables").unlink()
    profile(
        load_device("host"), load_space(SPACE), folder=tmp_path / "latency_tables", networks=0,
        held_out=0, discipline=QUICK,
    )  # fmt: skip
    with pytest.raises(InputError, match="nothing states how far latency_ms can be off"):
        searched(budgets=["latency_ms<=80%@90%"])
    run = searched(budgets=["latency_ms<=80%"])
    assert all(member.stds == {} for member in run.front)
    # what was measured states its error all the same
    assert all(member.stds["latency_ms"] > 0 for member in measured().front)


def test_a_share_of_the_range_may_be_asked_for_with_confidence(folder):
    (plain,) = searched(budgets=["latency_ms<=60 %"]).budgets
    (sure,) = searched(directory="sure", budgets=["latency_ms <= 60% @ 90%"]).budgets
    assert (sure.bound, sure.confidence) == (plain.bound, 90.0)
    run = load_run("sure")
    upper = run.values["latency_ms"] + 1.2815516 * run.stds["latency_ms"]
    assert (upper[run.feasible] <= sure.bound).all()
    np.testing.assert_array_equal(run.feasible, run.complete & (upper <= sure.bound))


def test_a_confidence_is_no_device():
    text = "latency_ms@pixel_8<=12@90%"
    experiment = asked(budgets=[text, "latency_ms<=10@95%"], device="host")
    assert list(other_experiments(experiment)) == ["pixel_8"]
    budget, is_share = parse_budget(text, ("latency_ms@pixel_8",))
    assert (str(budget), is_share) == (text, False)


def test_an_experiment_file_says_dominance_and_finalists(tmp_path):
    path = tmp_path / "x.toml"
    text = '[space]\nsource = "mbv3_small_32"\n[search]\n'
    path.write_text(f'{text}dominance = "noise_aware"\nmeasure_finalists = 12\n')
    section = load_experiment(path).search
    assert (section.dominance, section.measure_finalists) == ("noise_aware", 12)
    path.write_text(f'{text}dominance = "noise-aware"\n')
    with pytest.raises(UnknownNameError, match=r"Did you mean 'noise_aware'\?.*search\.dominance"):
        load_experiment(path)
    path.write_text(f"{text}measure_finalists = -1\n")
    with pytest.raises(InputError, match="measure_finalists is -1; expected 0 or more"):
        load_experiment(path)


def test_the_commands_show_deviations_measure_and_show_what_left(folder, invoke):
    searched()
    shown = invoke("front", "run")
    assert shown.status == 0
    assert "±" in shown.out
    shown = invoke("front", "run", "--measure", "--finalists", "2")
    assert shown.status == 0, shown.err
    assert "latency, measured" in shown.out.replace("\n", " ") or "measured" in shown.out
