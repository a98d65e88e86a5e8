"""Latency and energy on other devices than the search's own."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hwnas import workflows
from hwnas.devices import load_device
from hwnas.devices.agent import conditions
from hwnas.errors import (
    BudgetError,
    FileFormatError,
    InputError,
    RuntimeMissingError,
    SpaceMismatchError,
    UnknownNameError,
)
from hwnas.latency_table import LatencyTable, LayerTiming, table_path
from hwnas.measurement import Provenance, Samples
from hwnas.search import pick
from hwnas.spaces import load_space
from hwnas.workflows import experiment_from_options, load_experiment
from hwnas.workflows.quantities import asked_quantities, other_experiments
from hwnas.workflows.runs import run_tables

DATA = Path(__file__).parents[1] / "data"
SPACE = load_space(DATA / "profile_space.toml")
ENERGY = "[energy]\npj_per_fp32_mac = {}\npj_per_byte = 0.0\n"
PROVENANCE = Provenance(
    date="2026-01-01T00:00:00+00:00", command="hwnas profile host", hwnas_version="1",
    cpu=conditions(Path("/"))["cpu"], os="o", python="3.11", runtime_version="1.31", threads=1,
    warm_up_runs=2, rounds=5, min_samples=5, visit_ms=10.0, seed=0,
)  # fmt: skip


def write_table(device, kind, *, precision="fp32", runtime="onnxruntime", threads=1, lacking=0):
    """A table in which layers of one kind take 1 ms, and all others and the runtime none."""
    layers = tuple(
        LayerTiming(layer, (Samples((1_000_001 if layer.kind == kind else 1,)),))
        for layer in SPACE.catalog.layers[1 : len(SPACE.catalog) - lacking]
    )
    wanted = {"runtime": runtime, "precision": precision, "threads": threads}
    table = LatencyTable(
        device=device, space=SPACE.definition(), sessions=(PROVENANCE,), canary=(), canary_ms=1.0,
        boundary_ms=0.0, scale=1.0, quality=None, overhead=(Samples((1,)),), layers=layers,
        networks=(), **wanted,
    )  # fmt: skip
    table.write(table_path(Path("latency_tables"), device, space=SPACE.name, **wanted))
    return table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A board on which blocks take time, and a phone on which convolutions do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices").mkdir()
    for name, picojoules in (("board", 1.0), ("phone.2", 3.0)):
        text = f'title = "{name}"\n{ENERGY.format(picojoules)}'
        (tmp_path / f"devices/{name}.toml").write_text(text)
    write_table("board", "mbconv")
    write_table("phone.2", "conv")
    return tmp_path


def asked(**changes):
    options = {
        "name": "x", "space": str(DATA / "profile_space.toml"), "device": "board",
        "objectives": ["params", "latency", "latency@phone.2"], "evaluations": 12, "batch": 4,
    }  # fmt: skip
    return experiment_from_options(**options | changes)


def test_each_device_has_its_own_latencies_and_energies(folder):
    objectives = ["params", "latency", "latency@phone.2", "energy@phone.2"]
    run = workflows.search(asked(objectives=objectives), "run")
    values, indices = run.evaluations.values, SPACE.layer_indices(run.evaluations.genes)
    kinds = np.array([layer.kind for layer in SPACE.catalog.layers])[indices]
    np.testing.assert_allclose(values["latency_ms"], (kinds == "mbconv").sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(values["latency_ms@phone.2"], (kinds == "conv").sum(1), rtol=1e-5)
    np.testing.assert_allclose(values["energy_mj@phone.2"], 3 * values["energy_mj"])
    names = [objective.name for objective in run.objectives]
    assert names == ["params", "latency_ms", "latency_ms@phone.2", "energy_mj@phone.2"]
    assert run.objectives[2].title == "latency on phone.2"
    assert run.objectives[3].title == "energy on phone.2 (model)"


@pytest.mark.parametrize(("runtime", "threads"), [("litert", 1), ("onnxruntime", 4)])
def test_a_table_of_another_runtime_or_other_threads_is_not_searched_with(runtime, threads, folder):
    of = {"space": SPACE.name, "precision": "fp32"}
    measured = table_path(Path("latency_tables"), "board", runtime="onnxruntime", threads=1, **of)
    wanted = asked(objectives=["params", "latency"], runtime=runtime, threads=threads)
    with pytest.raises(
        InputError, match=r"There is no latency table of board.*hwnas profile board"
    ):
        workflows.search(wanted, "run")
    shutil.copy(
        measured,
        table_path(Path("latency_tables"), "board", runtime=runtime, threads=threads, **of),
    )
    with pytest.raises(InputError, match="was measured with onnxruntime and 1 threads"):
        workflows.search(wanted, "run")


def test_names_with_a_device_head_columns_and_name_pictures(folder):
    run = workflows.search(asked(), "run")
    with Path("run/front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["latency_ms@phone.2"]) for row in rows] == [
        member.values["latency_ms@phone.2"] for member in run.front
    ]
    pictures = {path.name for path in workflows.plot("run")}
    assert {"front_latency_ms.png", "front_latency_ms@phone.2.svg"} <= pictures
    best = pick(run, "latency@phone.2")
    lowest = best.values["latency_ms@phone.2"]
    assert lowest == min(member.values["latency_ms@phone.2"] for member in run.front)
    assert pick(run, f"latency@phone.2<={lowest}").values["latency_ms@phone.2"] == lowest


def test_a_budget_on_another_device_holds_and_needs_no_objective_there(folder):
    write_table("phone.2", "mbconv")
    budgets = ["latency_ms@phone.2<=1.5"]
    run = workflows.search(asked(objectives=["params", "macs"], budgets=budgets), "run")
    assert [str(budget) for budget in run.budgets] == budgets
    assert len(run.front) > 0
    assert all(member.values["latency_ms@phone.2"] < 1.5 for member in run.front)
    assert run_tables(run) == {}  # nobody asked for the board's latency
    assert run_tables(run, "phone.2")["fp32"].device == "phone.2"


def test_a_budget_that_cannot_be_met_on_another_device_is_refused_before_anything_is_done(folder):
    with pytest.raises(BudgetError, match=r"latency_ms@phone\.2 goes from 2 ms to 2 ms"):
        workflows.search(asked(budgets=["latency@phone.2<=1"]), "run")
    assert not Path("run").exists()


def test_a_percentage_is_a_place_between_the_other_devices_bounds(folder):
    write_table("phone.2", "mbconv")  # of which networks have one or two
    run = workflows.search(asked(budgets=["latency@phone.2 <= 50%"]), "run")
    assert run.budgets[0].bound == pytest.approx(1.5)


def test_a_run_needs_the_other_devices_table_no_more_once_it_has_begun(folder):
    workflows.search(asked(), "whole")
    cut = workflows.search(asked(), "cut")
    lines = cut.log_path.read_bytes().splitlines(keepends=True)
    cut.log_path.write_bytes(b"".join(lines[:5]))
    shutil.rmtree("latency_tables")
    workflows.resume("cut")
    for name in ("log.jsonl", "front.json", "front.csv"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes()


def test_the_precision_gene_speaks_for_every_device(folder):
    for device in ("board", "phone.2"):
        write_table(device, "pool", precision="int8")
    run = workflows.search(asked(precision=["fp32", "int8"]), "run")
    indices, _ = run.space.split(run.evaluations.genes)
    assert set(indices) == {0, 1}
    on_phone = run.evaluations.values["latency_ms@phone.2"]  # two convolutions, or one pooling
    np.testing.assert_allclose(on_phone, np.where(indices == 0, 2, 1), rtol=1e-5)
    assert tuple(run_tables(run, "phone.2")) == ("fp32", "int8")


def test_a_file_may_give_another_device_a_runtime_and_threads_of_its_own(folder):
    write_table("phone.2", "pool", runtime="litert", threads=4)
    text = (
        f'[space]\nsource = "{DATA / "profile_space.toml"}"\n[device]\nname = "board"\n'
        '[[device.others]]\nname = "devices/phone.2.toml"\nruntime = "litert"\nthreads = 4\n'
        '[search]\nobjectives = ["params", "latency_ms", "latency_ms@phone.2"]\nevaluations = 4\n'
    )
    Path("x.toml").write_text(text)
    experiment = load_experiment("x.toml")
    section = other_experiments(experiment)["phone.2"].device
    assert (section.runtime, section.threads, section.precisions) == ("litert", 4, ("fp32",))
    run = workflows.search(experiment, "run")
    np.testing.assert_allclose(run.evaluations.values["latency_ms@phone.2"], 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ('name = "phone.2"\nthreads = -1\n', r"device\.others\.0\.threads is -1"),
        ('name = "a"\n[[device.others]]\nname = "b/a.toml"\n', "names a, a; expected no device tw"),
        ('name = "a"\nprecision = "int8"\n', r"device\.others\.0\.precision is not a known key"),
        ("threads = 2\n", r"device\.others\.0\.name is required"),
    ],
)
def test_a_wrong_section_for_another_device_is_refused(others, said, folder):
    Path("x.toml").write_text(f'[space]\nsource = "s"\n[[device.others]]\n{others}')
    with pytest.raises(FileFormatError, match=said):
        load_experiment("x.toml")


@pytest.mark.parametrize(
    ("objective", "error", "said"),
    [
        ("latency_ms@fone", UnknownNameError, r"Unknown device 'fone'.* Known: board,"),
        ("latency_ms@", UnknownNameError, "Unknown objective 'latency_ms@'"),
        ("latency_ms@../board", UnknownNameError, r"Unknown objective 'latency_ms@\.\./board'"),
        ("params@phone.2", UnknownNameError, r"Unknown objective 'params@phone\.2'"),
        ("latency@phone.2", None, ""),
    ],
)
def test_a_mistaken_device_is_named(objective, error, said, folder):
    experiment = asked(objectives=["macs", objective])
    if error is None:
        assert asked_quantities(experiment) == ("macs", "latency_ms@phone.2")
        return
    with pytest.raises(error, match=said):
        workflows.search(experiment, "run")
    assert not Path("run").exists()


def test_a_budget_on_an_unknown_device_is_refused(folder):
    with pytest.raises(UnknownNameError, match=r"Unknown device 'phone'.*Did you mean 'phone\.2'"):
        workflows.search(asked(budgets=["latency_ms@phone<=3"]), "run")


def test_a_device_without_a_table_is_answered_with_the_command_that_measures_it(folder):
    (folder / "devices/tablet.toml").write_text('title = "A tablet"\n')
    said = r"no latency table of tablet .* hwnas profile tablet --space .*profile_space\.toml\."
    with pytest.raises(InputError, match=said):
        workflows.search(asked(objectives=["params", "latency@tablet"]), "run")


def test_another_devices_table_that_lacks_layers_is_refused(folder):
    write_table("phone.2", "conv", lacking=3)
    with pytest.raises(SpaceMismatchError, match=r"lacks 3 of the 12 .* hwnas profile phone\.2 "):
        workflows.search(asked(), "run")


def test_another_device_must_have_the_searchs_precisions(folder):
    (folder / "devices/phone.2.toml").write_text('title = "x"\nprecisions = ["int8"]\n')
    with pytest.raises(RuntimeMissingError, match=r"phone\.2 has no precision 'fp32'"):
        workflows.search(asked(), "run")


def test_costs_are_those_of_the_search_on_every_device(folder):
    run = workflows.search(asked(objectives=["params", "latency", "energy@phone.2"],
                                 budgets=["latency@phone.2<=9"]), "run")  # fmt: skip
    found = workflows.costs(
        SPACE, run.evaluations.genes, table=run_tables(run)["fp32"], device="board",
        others=[run_tables(run, "phone.2")["fp32"], load_device("phone.2")],
    )  # fmt: skip
    assert found.keys() == run.evaluations.values.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, run.evaluations.values[name], err_msg=name)


def test_costs_refuse_another_devices_table_of_another_precision(folder):
    table = write_table("phone.2", "conv", precision="int8")
    genes = SPACE.sample(2, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"phone\.2 was measured at int8"):
        workflows.costs(SPACE, genes, others=[table])


def test_a_recorded_run_says_which_quantities_were_asked_where(folder):
    workflows.search(asked(), "run")
    recorded = json.loads(Path("run/front.json").read_text())["objectives"]
    assert [one["name"] for one in recorded] == ["params", "latency_ms", "latency_ms@phone.2"]
