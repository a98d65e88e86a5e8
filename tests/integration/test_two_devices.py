"""One search for two devices, both of them this machine: profiled, searched, killed, exported."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import hwnas
from hwnas import workflows
from hwnas.training.data import load_data
from hwnas.workflows import load_experiment
from hwnas.workflows.runs import run_tables

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "tests" / "data" / "profile_space.toml"
FILES = ("log.jsonl", "front.json", "front.csv")

EXPERIMENT = f"""
[space]
source = "{SPACE}"

[data]
source = "images.npz"

[device]
name = "first"
accept_unsteady = true

[supernet]
epochs = 1
largest_first = 0
recipe = {{ batch_size = 32, threads = 1 }}

[search]
objectives = ["accuracy", "latency_ms", "latency_ms@second"]
budgets = ["latency_ms@second<=80%"]
evaluations = 6
batch = 3

[fine_tune]
images = 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder after ``hwnas run`` of an experiment that names two devices."""
    path = tmp_path_factory.mktemp("two_devices")
    (path / "devices").mkdir()
    for name in ("first", "second"):
        (path / "devices" / f"{name}.toml").write_text(f'title = "The {name}"\n')
    write_images(path / "images.npz")
    (path / "both.toml").write_text(EXPERIMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        workflows.run(load_experiment("both.toml"), "runs/both")
    return path


def write_images(path):
    data = load_data("fashion_mnist_10k", resolution=16)
    np.savez(
        path,
        x_train=data.train.images[::80, 0], y_train=data.train.labels[::80],
        x_test=data.test.images[::60, 0], y_test=data.test.labels[::60],
    )  # fmt: skip


def test_each_device_is_profiled(folder):
    tables = sorted(
        str(path.relative_to(folder)) for path in folder.glob("latency_tables/*/*.json")
    )
    assert tables == [
        "latency_tables/first/profile_space-onnxruntime-fp32-1t.json",
        "latency_tables/second/profile_space-onnxruntime-fp32-1t.json",
    ]


def test_the_front_meets_the_budget_on_the_second_device(folder):
    run = hwnas.load_run(folder / "runs/both")
    (budget,) = run.budgets
    assert budget.objective == "latency_ms@second"
    assert len(run.front) > 0
    assert all(member.values["latency_ms@second"] <= budget.bound for member in run.front)
    for device, name in (("", "latency_ms"), ("second", "latency_ms@second")):
        predicted = run_tables(run, device)["fp32"].latency_ms(run.evaluations.genes)
        np.testing.assert_array_equal(predicted, run.evaluations.values[name])


def test_card_and_pictures_name_the_second_device(folder):
    (card,) = (folder / "runs/both/export").glob("*/model.onnx.json")
    costs = json.loads(card.read_text())["costs"]
    assert costs["latency_ms@second"] > 0
    assert "| latency on second | " in card.with_suffix(".md").read_text()
    pictures = {path.name for path in (folder / "runs/both/plots").glob("*.png")}
    wanted = {"front_latency_ms@second", "prediction", "prediction_second"}
    assert {f"{name}.png" for name in wanted} <= pictures


def hwnas_process(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "hwnas", *map(str, arguments)], cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def search(folder, out):
    return hwnas_process(
        folder, "search", "--device", "first", "--space", SPACE, "--data", "images.npz",
        "--objective", "params", "--objective", "latency_ms", "--objective", "latency_ms@second",
        "--budget", "latency_ms@second<=90%", "--evaluations", 60, "--population", 2, "--out", out,
    )  # fmt: skip


def test_a_search_for_two_devices_that_is_killed_ends_with_the_same_bytes(folder):
    with search(folder, "whole") as process:
        assert process.wait(timeout=120) == 0, process.stderr.read()
    log = folder / "cut" / "log.jsonl"
    half = (folder / "whole" / "log.jsonl").stat().st_size / 2
    with search(folder, "cut") as process:
        while process.poll() is None and (not log.exists() or log.stat().st_size < half):
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -9
    shutil.rmtree(folder / "latency_tables")  # the run has its own copies
    with hwnas_process(folder, "resume", "cut") as process:
        assert process.wait(timeout=120) == 0, process.stderr.read()
    for name in FILES:
        assert (folder / "cut" / name).read_bytes() == (folder / "whole" / name).read_bytes()
