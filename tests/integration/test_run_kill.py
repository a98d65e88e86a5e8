"""``hwnas run`` killed at random moments, from the supernet's training to the last evaluation."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

KILLS = 4


@pytest.fixture
def second_workplace(workplace, tmp_path):
    """The same images, experiment and latency table, and no run."""
    for name in ("images.npz", "tiny.toml"):
        shutil.copy(workplace / name, tmp_path / name)
    shutil.copytree(workplace / "latency_tables", tmp_path / "latency_tables")
    return tmp_path


def start(folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "hwnas", "run", "tiny.toml"], cwd=folder, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_killed_run_ends_with_the_bytes_of_one_that_was_not(workplace, second_workplace):
    rng = random.Random(5)
    run = second_workplace / "runs" / "tiny"
    for _ in range(KILLS):
        with start(second_workplace) as process:
            while not (run / "config.json").exists() and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 4.0))
            process.send_signal(signal.SIGKILL)
    with start(second_workplace) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    for name in ("log.jsonl", "front.json", "front.csv", "supernet/supernet.safetensors"):
        # paths of images and space differ, but nothing that was searched
        assert (run / name).read_bytes() == (workplace / "runs/tiny" / name).read_bytes(), name
