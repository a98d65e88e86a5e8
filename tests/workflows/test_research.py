"""A finished run answers other budgets and devices, and nothing is evaluated again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwnas import files
from hwnas.errors import BudgetError, InputError, SpaceMismatchError
from hwnas.workflows import (
    experiment_from_options,
    export,
    load_experiment,
    load_run,
    plot,
    research,
    resume,
    search,
)
from hwnas.workflows.runs import experiment_of

TINY = Path(__file__).parents[1] / "data" / "tiny_space.toml"
OTHER = """
title = "Another machine"
transport = "local"
[energy]
pj_per_fp32_mac = 1.0
pj_per_int8_mac = 1.0
pj_per_byte = 1.0
"""


@pytest.fixture
def here(workplace, tmp_path, monkeypatch):
    """A copy of the user's folder, whose run has lost its supernet: nothing can be evaluated."""
    copy = shutil.copytree(workplace, tmp_path / "here")
    shutil.rmtree(copy / "runs/tiny/supernet")
    monkeypatch.chdir(copy)
    return copy


def everything(directory):
    names = ("config.json", "archive.json", "log.jsonl", "front.json", "front.csv")
    return {name: (Path(directory) / name).read_bytes() for name in names}


def median(run, name):
    return float(np.median(run.evaluations.values[name][run.complete]))


def test_another_budget_is_answered_without_a_supernet(here):
    earlier = load_run("runs/tiny")
    bound = median(earlier, "params")
    found = research("runs/tiny", "runs/small", budgets=[f"params<={bound}"])
    allowed = earlier.complete & (earlier.evaluations.values["params"] <= bound)
    assert found.complete.sum() == found.config.evaluations == allowed.sum()
    by_row = dict(
        zip(
            map(tuple, earlier.evaluations.genes.tolist()),
            earlier.evaluations.values["accuracy"],
            strict=True,
        )
    )
    assert found.front
    for member in found.front:
        assert member.values["accuracy"] == by_row[member.row]
        assert member.values["params"] <= bound


def test_the_run_says_where_its_evaluations_are_from(here):
    research("runs/tiny", "runs/small")
    assert json.loads(Path("runs/small/archive.json").read_text())["runs"] == [
        str(here / "runs/tiny")
    ]
    front = json.loads(Path("runs/small/front.json").read_text())["front"]
    assert {member["evaluated_by"] for member in front} == {str(here / "runs/tiny")}


def test_other_objectives_are_answered(here):
    found = research("runs/tiny", "runs/other", objectives=["accuracy", "peak_memory"], budgets=[])
    assert [objective.name for objective in found.objectives] == ["accuracy", "peak_memory_bytes"]
    assert found.complete.sum() == load_run("runs/tiny").complete.sum()


def test_another_device_is_answered_from_its_own_numbers(here):
    Path("devices").mkdir(exist_ok=True)
    Path("devices/other.toml").write_text(OTHER)
    own = research("runs/tiny", "runs/own", objectives=["accuracy", "energy_mj"], budgets=[])
    other = research(
        "runs/tiny", "runs/other", device="other", objectives=["accuracy", "energy_mj"], budgets=[]
    )
    assert other.evaluations.genes.tolist() == own.evaluations.genes.tolist()
    energies = other.evaluations.values["energy_mj"]
    assert (energies != own.evaluations.values["energy_mj"]).all()


def test_a_stopped_search_again_ends_with_the_same_bytes(here):
    research("runs/tiny", "runs/again", budgets=[])
    whole = everything("runs/again")
    log = Path("runs/again/log.jsonl")
    log.write_bytes(whole["log.jsonl"][: len(whole["log.jsonl"]) // 2])
    resume("runs/again")
    assert everything("runs/again") == whole


def test_a_search_again_can_be_searched_again(here):
    research(
        "runs/tiny", "runs/within", budgets=[f"params<={median(load_run('runs/tiny'), 'params')}"]
    )
    third = research("runs/within", "runs/third", budgets=[])
    assert third.complete.sum() == load_run("runs/tiny").complete.sum()


def test_a_search_again_is_plotted(here):
    research("runs/tiny", "runs/again")
    assert plot("runs/again")


def test_a_budget_that_nothing_evaluated_meets_is_refused_with_the_nearest(here):
    smallest = load_run("runs/tiny").evaluations.values["params"].min()
    with pytest.raises(BudgetError, match=r"None of the \d+ evaluated networks meets params<="):
        research("runs/tiny", "runs/none", budgets=[f"params<={smallest - 1}"])
    assert not Path("runs/none/config.json").exists()


def test_what_the_run_does_not_have_is_refused(here):
    costs = experiment_from_options(
        name="costs", space=str(TINY), objectives=["params", "macs"], evaluations=8
    )
    search(costs, "runs/costs")
    with pytest.raises(InputError, match="accuracy needs images"):
        research("runs/costs", "runs/again", objectives=["accuracy", "macs"])


def test_a_supernet_is_used_again_for_further_evaluations_and_export(
    workplace, tmp_path, monkeypatch
):
    monkeypatch.chdir(shutil.copytree(workplace, tmp_path / "here"))
    found = research("runs/tiny", "runs/more", evaluations=2)
    assert found.complete.sum() == load_run("runs/tiny").complete.sum() + 2
    assert not Path("runs/more/supernet").exists()
    (card,) = export("runs/more", formats=["onnx"], precisions=["fp32"], images=0)
    assert card.file.is_file()


def test_an_archive_of_another_space_is_refused(here):
    other = experiment_from_options(
        name="other", space="mbv3_small_32", objectives=["params", "macs"], evaluations=4
    )
    with pytest.raises(SpaceMismatchError, match="start from a run of the same space"):
        search(other, "runs/other", warm_start=["runs/tiny"])


def tiny():
    """The finished run's experiment, with its images where they lie."""
    return replace(load_experiment("tiny.toml"), data=experiment_of(load_run("runs/tiny")).data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 5}, r"seed \(of the validation part\) is 0, here it is 5"),
        ({"supernet_from": "elsewhere"}, "its supernet is"),
    ],
)
def test_accuracies_that_cannot_be_compared_are_refused(here, change, said):
    experiment = replace(tiny(), **change)
    with pytest.raises(InputError, match=said):
        search(experiment, "runs/other", warm_start=["runs/tiny"])


def test_a_search_begins_with_what_earlier_runs_know(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(workplace, tmp_path / "here"))
    experiment = tiny()
    experiment = replace(experiment, search=replace(experiment.search, evaluations=3))
    found = search(experiment, "runs/warm", warm_start=["runs/tiny"])
    assert experiment_of(found).supernet_from == str(tmp_path / "here/runs/tiny")
    assert found.complete.sum() == load_run("runs/tiny").complete.sum() + 3


def test_accuracies_of_two_supernets_are_refused(here):
    shutil.copytree("runs/tiny", "runs/twin")
    with pytest.raises(InputError, match="Take one of the two"):
        search(tiny(), "runs/both", warm_start=["runs/tiny", "runs/twin"])


def test_the_command_answers_another_budget(here, invoke):
    bound = median(load_run("runs/tiny"), "params")
    result = invoke("search", "--from", "runs/tiny", "--budget", f"params<={bound}", "--out", "new")
    assert result.status == 0
    assert "evaluated networks were taken over from" in result.out
    assert files.read_json(Path("new/config.json"))["budgets"][0]["bound"] == bound


def test_the_command_refuses_what_a_search_again_keeps(here, invoke):
    result = invoke("search", "--from", "runs/tiny", "--seed", "3", "--out", "new")
    assert result.status == 1
    assert "leave --seed out, or search without --from" in result.err
