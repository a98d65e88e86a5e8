import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import hwnas
from hwnas import plugins

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = plugins.names("hwnas.cli")


@pytest.fixture(autouse=True)
def in_workplace(request, monkeypatch):
    if "workplace" in request.fixturenames:
        monkeypatch.chdir(request.getfixturevalue("workplace"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_stands_in_the_readme(command, invoke):
    result = invoke(command, "--help")
    assert result.status == 0
    assert len(result.out.splitlines()) > 5
    assert f"hwnas {command}" in README


def test_help_imports_nothing_heavy():
    heavy = {"torch", "pymoo", "onnx", "onnxruntime", "matplotlib", "pydantic", "numpy", "scipy"}
    code = (
        "import sys, hwnas.cli\n"
        "try: hwnas.cli.main(['--help'])\n"
        f"except SystemExit: print('heavy:', sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "quickstart" in done.stdout
    assert "heavy: []" in done.stdout


def test_a_run_leaves_everything_that_it_promises(workplace):
    run = workplace / "runs" / "tiny"
    for name in ("config.json", "log.jsonl", "front.json", "front.csv", "references.json"):
        assert (run / name).is_file()
    for name in ("front_latency_ms", "front_params", "progress", "prediction", "training"):
        assert (run / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (run / "plots" / f"{name}.svg").read_text()
    cards = [json.loads(path.read_text()) for path in run.glob("export/*/model*.*.json")]
    names = ("model.onnx", "model-int8.onnx", "model.tflite", "model-int8.tflite")
    assert {card["file"] for card in cards} == {*names}
    for card in cards:
        assert card["precision"] == "int8" or card["parity"] < 1e-4
        assert 0 < card["accuracy_file"] <= 100
        assert card["latency_measured_ms"] > 0
    for path in run.glob("export/*/*.onnx"):
        onnx.checker.check_model(str(path), full_check=True)


def test_the_chosen_network_meets_the_budget(workplace):
    run = hwnas.load_run(workplace / "runs" / "tiny")
    (budget,) = run.budgets
    assert budget.objective == "latency_ms"
    assert all(member.values["latency_ms"] <= budget.bound for member in run.front)


def test_a_finished_run_is_run_again_without_doing_anything_twice(workplace, invoke):
    run = workplace / "runs" / "tiny"
    before = {name: (run / name).read_bytes() for name in ("log.jsonl", "front.json")}
    weights = next(run.glob("export/*/weights.safetensors"))
    made = weights.stat().st_mtime_ns
    result = invoke("run", "tiny.toml")
    assert result.status == 0
    assert "accuracy of model.onnx (test)" in result.out
    assert "model-int8.tflite" in result.out
    assert {name: (run / name).read_bytes() for name in before} == before
    assert weights.stat().st_mtime_ns == made


def test_a_directory_with_another_experiment_is_refused(workplace, invoke):
    changed = (workplace / "tiny.toml").read_text().replace("evaluations = 8", "evaluations = 9")
    (workplace / "changed.toml").write_text(changed)
    result = invoke("run", "changed.toml", "--out", "runs/tiny")
    assert result.status == 1
    assert "another experiment (search differ)" in result.err


def test_front_shows_ids_that_export_takes(workplace, invoke):
    member = hwnas.load_run("runs/tiny").front[-1]
    assert member.id in invoke("front", "runs/tiny").out
    result = invoke(
        "export", "runs/tiny", "--pick", member.id, "--images", 0, "--format", "onnx",
        "--precision", "fp32",
    )  # fmt: skip
    assert result.status == 0
    model = Path("runs/tiny/export") / member.id / "model.onnx"
    assert model.is_file()
    assert member.id in Path(f"{model}.md").read_text()


def test_export_shows_each_file_in_each_format_at_each_precision(workplace, invoke):
    result = invoke(
        "export", "runs/tiny", "--images", 0, "--format", "tflite", "--format", "onnx",
        "--precision", "int8", "--precision", "fp16", "--calibration-images", 8,
    )  # fmt: skip
    assert result.status == 0, result.err
    for name in ("model-int8.tflite", "model-fp16.tflite", "model-int8.onnx", "model-fp16.onnx"):
        assert name in result.out


@pytest.mark.parametrize("name", ["model.onnx", "model-int8.onnx", "model-int8.tflite"])
def test_measure_times_a_model_file_with_the_runtime_of_its_format(name, workplace, invoke):
    model = next(Path("runs/tiny/export").glob(f"*/{name}"))
    result = invoke("measure", model)
    assert result.status == 0
    assert re.search(r"[\d.]+ ms \(median of \d+ samples", result.out)


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_profile_makes_a_table_for_each_runtime_and_precision(
    runtime, tmp_path, monkeypatch, invoke
):
    monkeypatch.chdir(tmp_path)
    space = Path(__file__).parents[1] / "data" / "profile_space.toml"
    result = invoke(
        "profile", "host", "--space", space, "--runtime", runtime, "--precision", "int8",
        "--networks", 3, "--accept-unsteady",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert Path(f"latency_tables/host/profile_space-{runtime}-int8-1t.json").is_file()


def test_devices_lists_the_host_and_its_tables(workplace, invoke):
    result = invoke("devices")
    assert result.status == 0
    assert "host" in result.out


def test_tables_states_the_error_of_a_measured_table(workplace, invoke):
    result = invoke("tables")
    assert result.status == 0
    assert " % " in result.out


def test_profile_measures_nothing_that_the_table_holds(workplace, invoke):
    (table,) = Path("latency_tables/host").glob("*.json")
    before = table.read_bytes()
    space = json.loads(before)["space"]
    result = invoke(
        "profile", "host", "--space", _space_of(workplace), "--classes", space["classes"],
        "--in-channels", space["in_channels"],
    )  # fmt: skip
    assert result.status == 0, result.err
    assert table.read_bytes() == before


def test_a_second_search_uses_the_first_ones_supernet(workplace, invoke):
    result = invoke(
        "search", "--space", _space_of(workplace), "--data", "images.npz", "--out", "runs/second",
        "--supernet", "runs/tiny", "--objective", "accuracy", "--objective", "macs",
        "--budget", "params<=20k", "--evaluations", 4, "--population", 2, "--strategy", "random",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert not Path("runs/second/supernet").exists()
    assert len(hwnas.load_run("runs/second").front) >= 1
    assert invoke("resume", "runs/second").status == 0
    assert invoke("plot", "runs/second").status == 0


def test_a_search_without_images_needs_no_training(workplace, invoke):
    result = invoke(
        "search", "--space", "ofa_mbv3_w1.0", "--objective", "params", "--objective",
        "peak_memory", "--budget", "macs<=200M", "--evaluations", 20, "--out", "runs/cheap",
    )  # fmt: skip
    assert result.status == 0, result.err
    exported = invoke("export", "runs/cheap", "--pick", "knee")
    assert exported.status == 1
    assert "without images" in exported.err


def test_a_search_may_choose_a_precision_for_each_network(workplace, invoke):
    result = invoke(
        "search", "--space", _space_of(workplace), "--objective", "macs", "--objective",
        "model_size", "--precision", "fp32", "--precision", "int8", "--evaluations", 8,
        "--population", 4, "--out", "runs/mixed",
    )  # fmt: skip
    assert result.status == 0, result.err
    run = hwnas.load_run("runs/mixed")
    every = [run.space.describe(row)["precision"] for row in run.evaluations.genes]
    assert set(every) == {"fp32", "int8"}
    smallest = min(run.front, key=lambda member: member.values["model_size_bytes"])
    assert smallest.architecture["precision"] == "int8"


def test_the_python_face_predicts_what_the_run_recorded(workplace):
    (path,) = Path("latency_tables/host").glob("*.json")
    table = hwnas.load_table(path)
    run = hwnas.load_run("runs/tiny")
    genes, values = run.evaluations.genes, run.evaluations.values
    np.testing.assert_allclose(table.latency_ms(genes), values["latency_ms"], rtol=1e-9)
    known = hwnas.costs(run.space, genes, table=table, device="host")
    for name in ("macs", "params", "model_size_bytes", "peak_memory_bytes", "energy_mj"):
        np.testing.assert_allclose(known[name], values[name], rtol=1e-9)
    np.testing.assert_allclose(known["latency_ms"], values["latency_ms"], rtol=1e-9)


def _space_of(workplace):
    return json.loads((workplace / "runs/tiny/config.json").read_text())["experiment"]["space"][
        "source"
    ]
