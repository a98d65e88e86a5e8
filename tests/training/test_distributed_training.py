import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas.errors import InputError
from hwnas.training import checkpoint
from hwnas.training.distributed import Group, joined

SCRIPT = Path(__file__).parent.parent / "data/train_tiny_supernet.py"


def train(directory, epochs, *stop):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(directory), str(epochs), *map(str, stop)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    train(directory, 2)
    return directory


def test_two_processes_train_one_supernet_and_one_of_them_writes_it(by_two):
    saved = checkpoint.read(by_two / checkpoint.FILE_NAME)
    assert saved.epochs == 2
    assert saved.history[-1]["largest_accuracy"] > 12.0  # 10 % is chance
    assert saved.history[1]["loss"] < saved.history[0]["loss"]


def test_two_processes_go_on_where_they_were_stopped(by_two, tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as raised:
        train(tmp_path, 2, 7)  # in the second epoch
    assert b"stopped" in raised.value.stderr
    assert checkpoint.read(tmp_path / checkpoint.FILE_NAME).epochs == 1
    train(tmp_path, 2)
    whole = (by_two / checkpoint.FILE_NAME).read_bytes()
    assert (tmp_path / checkpoint.FILE_NAME).read_bytes() == whole


def test_parts_of_a_batch_are_the_whole_batch():
    batch = torch.arange(12)
    parts = torch.cat([Group(rank, 3).part(batch) for rank in range(3)])
    assert np.array_equal(np.sort(parts), np.arange(12))


def test_a_batch_that_cannot_be_dealt_out_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")  # as torchrun does
    message = "40 images cannot be dealt out to 3 processes evenly"
    with pytest.raises(InputError, match=message), joined(torch.device("cpu"), 40):
        pass
