import dataclasses
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas import files
from hwnas.errors import FileFormatError, InputError, SpaceMismatchError
from hwnas.spaces import load_space
from hwnas.training.checkpoint import FILE_NAME, read, write
from hwnas.training.config import SupernetConfig
from hwnas.training.evaluation import Evaluator
from hwnas.training.extremes import extreme_rows
from hwnas.training.supernet import (
    LOG_NAME,
    load_supernet,
    slot_layers_of,
    train_supernet,
)

SCRIPT = Path(__file__).parent.parent / "data/train_tiny_supernet.py"
_spec = importlib.util.spec_from_file_location("train_tiny_supernet", SCRIPT)
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)

EPOCHS = 6


@pytest.fixture(scope="module")
def data():
    return tiny.tiny_data()


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("trained")
    train_supernet(tiny.SPACE, data, tiny.tiny_config(EPOCHS), directory)
    return directory


def test_training_learns_to_tell_classes_apart(trained, data):
    supernet = load_supernet(tiny.SPACE, trained)
    rows = np.stack(extreme_rows(tiny.SPACE))
    _, largest = slot_layers_of(tiny.SPACE, rows)
    assert Evaluator(supernet, data).accuracy(largest) > 20.0  # 10 % is chance


def test_random_networks_alone_learn_too(tmp_path, data):
    config = dataclasses.replace(
        tiny.tiny_config(4), sandwich=False, largest_first=0, progressive=(), random_networks=2
    )
    train_supernet(tiny.SPACE, data, config, tmp_path)
    records = [json.loads(line) for line in (tmp_path / LOG_NAME).read_text().splitlines()]
    assert records[-1]["loss"] < records[0]["loss"]


def test_the_log_has_a_line_an_epoch_and_accuracies_where_asked(trained):
    records = [json.loads(line) for line in (trained / LOG_NAME).read_text().splitlines()]
    assert [record["epoch"] for record in records] == list(range(1, EPOCHS + 1))
    assert ["largest_accuracy" in record for record in records] == [False, True] * 3
    assert records[-1]["loss"] < records[0]["loss"]


def test_training_that_is_killed_resumes_to_the_same_bytes(trained, tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(EPOCHS)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for wanted, longer_s in ((1, 0.0), (2, 0.02), (2, 0.1), (3, 0.05), (4, 0.0)):
        with subprocess.Popen(command, env=environment) as process:
            while _epochs_done(tmp_path) < wanted and process.poll() is None:
                time.sleep(0.01)
            time.sleep(longer_s)
            process.send_signal(signal.SIGKILL)
        assert wanted <= _epochs_done(tmp_path) < EPOCHS
    (tmp_path / LOG_NAME).unlink()
    train_supernet(tiny.SPACE, tiny.tiny_data(), tiny.tiny_config(EPOCHS), tmp_path)
    for name in (FILE_NAME, LOG_NAME):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


def test_a_finished_training_is_not_trained_again(trained, data):
    before = (trained / FILE_NAME).stat().st_mtime_ns
    steps = []
    supernet = train_supernet(
        tiny.SPACE, data, tiny.tiny_config(EPOCHS), trained, lambda *told: steps.append(told)
    )
    assert steps == []
    assert (trained / FILE_NAME).stat().st_mtime_ns == before
    loaded = load_supernet(tiny.SPACE, trained)
    for name, weight in supernet.named_parameters():
        assert torch.equal(weight, loaded.get_parameter(name))


def test_the_largest_network_alone_is_trained_first(data, tmp_path):
    supernet = train_supernet(tiny.SPACE, data, tiny.tiny_config(1), tmp_path)
    rows = np.stack(extreme_rows(tiny.SPACE))
    smallest, largest = slot_layers_of(tiny.SPACE, rows)
    evaluator = Evaluator(supernet, data)
    assert evaluator.accuracy(largest) > evaluator.accuracy(smallest)


def test_progress_counts_all_steps(data, tmp_path):
    told = []
    config = tiny.tiny_config(1)
    train_supernet(tiny.SPACE, data, config, tmp_path, lambda *step: told.append(step))
    steps = len(data.train) // config.recipe.batch_size
    assert [done for _, done, _, _ in told] == list(range(1, steps + 1))
    assert {total for _, _, total, _ in told} == {steps}


def test_a_checkpoint_of_another_configuration_is_refused(trained, data):
    config = dataclasses.replace(tiny.tiny_config(EPOCHS), seed=1)
    with pytest.raises(SpaceMismatchError, match="made for another training configuration"):
        train_supernet(tiny.SPACE, data, config, trained)


def test_a_checkpoint_of_another_space_is_refused(trained):
    with pytest.raises(SpaceMismatchError, match="made for another search space"):
        load_supernet(load_space(tiny.SPACE_FILE, gate="sigmoid"), trained)


def test_a_checkpoint_of_other_data_is_refused(trained, data):
    other = dataclasses.replace(data, train=data.validation)
    with pytest.raises(SpaceMismatchError, match="made for another data set"):
        train_supernet(tiny.SPACE, other, tiny.tiny_config(EPOCHS), trained)


def test_data_that_do_not_fit_the_space_are_refused(data, tmp_path):
    coloured = load_space(tiny.SPACE_FILE, in_channels=3)
    with pytest.raises(SpaceMismatchError, match="is for 3 channels, 10 classes and 16 px"):
        train_supernet(coloured, data, tiny.tiny_config(1), tmp_path)


def test_a_truncated_checkpoint_is_refused_with_what_to_do(trained, tmp_path):
    (tmp_path / FILE_NAME).write_bytes((trained / FILE_NAME).read_bytes()[:1000])
    with pytest.raises(FileFormatError, match="delete it to train again"):
        load_supernet(tiny.SPACE, tmp_path)


def test_a_directory_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="not a readable checkpoint"):
        load_supernet(tiny.SPACE, tmp_path)


def test_a_full_disk_at_a_checkpoint_keeps_the_one_before(trained, data, tmp_path):
    config = tiny.tiny_config(EPOCHS)
    script = (
        "import resource, sys; sys.argv = sys.argv[1:]\n"
        "import runpy, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    shutil.copy(trained / FILE_NAME, tmp_path)
    saved = read(tmp_path / FILE_NAME)
    write(tmp_path / FILE_NAME, dataclasses.replace(saved, epochs=EPOCHS - 1))
    before = (tmp_path / FILE_NAME).read_bytes()
    assert len(before) > 20_000
    ended = subprocess.run(
        [sys.executable, "-c", script, str(SCRIPT), str(tmp_path), str(config.epochs)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "StorageError" in ended.stderr
    assert (tmp_path / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("device", "complaint"),
    [
        ("cuda:7", r"asked for on cuda:7, and torch sees \d GPUs"),
        ("gpu", "'gpu' is no device of torch; expected cpu, cuda or cuda:0"),
        ("meta", "'meta' is not supported"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device, complaint, data, tmp_path):
    config = dataclasses.replace(tiny.tiny_config(1), device=device)
    with pytest.raises(InputError, match=complaint):
        train_supernet(tiny.SPACE, data, config, tmp_path)


def test_mixed_precision_trains_to_nearly_the_same_weights(data, tmp_path):
    plain = train_supernet(tiny.SPACE, data, tiny.tiny_config(1), tmp_path / "plain")
    config = dataclasses.replace(tiny.tiny_config(1), mixed_precision=True)
    mixed = train_supernet(tiny.SPACE, data, config, tmp_path / "mixed")
    away = [
        (weight - mixed.get_parameter(name)).abs().max().item()
        for name, weight in plain.named_parameters()
    ]
    assert 0 < max(away) < 0.2


def test_a_configuration_is_read_from_plain_data():
    config = tiny.tiny_config(3)
    assert files.parse(files.to_plain(config), SupernetConfig, source="test") == config


def test_the_extremes_bound_random_networks():
    space = tiny.SPACE
    smallest, largest = extreme_rows(space)
    rows = np.stack([smallest, largest, *space.sample(2000, np.random.default_rng(0))])
    macs = space.catalog.macs[space.layer_indices(rows)].sum(axis=1)
    assert macs[0] == macs.min()
    assert macs[1] == macs.max()
    assert np.array_equal(space.canonical(rows[:2]), rows[:2])


def _epochs_done(directory):
    path = directory / FILE_NAME
    return read(path).epochs if path.is_file() else 0
