"""``hwnas train`` as a user meets it, alone and under torchrun."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hwnas
from hwnas import workflows
from hwnas.search import locked
from hwnas.training.checkpoint import FILE_NAME, read
from hwnas.training.data import load_data

SPACE = Path(__file__).parents[1] / "data" / "tiny_space.toml"
TRAIN = (
    "train", "--space", SPACE, "--data", "images.npz", "--epochs", 2, "--batch-size", 40,
    "--threads", 1,
)  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    data = load_data("fashion_mnist_10k", resolution=16)
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(
        path, x_train=data.train.images[::40, 0], y_train=data.train.labels[::40],
        x_test=data.test.images[::60, 0], y_test=data.test.labels[::60],
    )  # fmt: skip
    return path


@pytest.fixture
def place(tmp_path, monkeypatch, images):
    monkeypatch.chdir(tmp_path)
    shutil.copy(images, tmp_path)
    return tmp_path


def by_two(*arguments):
    """The command as torchrun starts it twice."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "hwnas"]
    return subprocess.run(
        [sys.executable, *launcher, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_search_uses_what_was_trained_and_plot_draws_it(place, invoke):
    result = invoke(
        *TRAIN, "--largest-first", 0, "--kernel-transforms", "--progressive", "kernel_size",
        "--progressive", "depth", "--average", 0.8, "--out", "weights",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert "weights: 2 epochs. Validation accuracy" in result.out
    assert f"hwnas search --space {SPACE} --data images.npz --supernet weights" in result.out
    assert invoke("plot", "weights").status == 0
    assert (place / "weights/plots/training.png").read_bytes().startswith(b"\x89PNG")
    search = (
        "search", "--space", SPACE, "--data", "images.npz", "--supernet", "weights", "--objective",
        "accuracy", "--objective", "params", "--evaluations", 4, "--population", 2,
    )  # fmt: skip
    found = invoke(*search, "--out", "run")
    assert (found.status, found.err) == (0, "")
    assert not (place / "run/supernet").exists()
    assert len(hwnas.load_run("run").front) >= 1
    elsewhere = invoke(*search, "--out", "other", "--seed", 1)
    assert "so it may know those that accuracy is judged on" in elsewhere.err


def test_training_goes_on_where_it_was_and_ends_with_the_same_bytes(place, invoke):
    experiment = workflows.training_from_options(
        None, space=str(SPACE), data="images.npz", epochs=2, batch_size=40, threads=1
    )

    def interrupt(task, done, total, note=""):
        if done == total - 1:  # in the second epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workflows.train(experiment, "stopped", on_progress=interrupt)
    assert read(place / "stopped/supernet" / FILE_NAME).epochs == 1
    assert invoke(*TRAIN, "--out", "stopped").status == 0
    assert len(workflows.train(experiment, "whole").log) == 2
    one, other = (place / name / "supernet" / FILE_NAME for name in ("stopped", "whole"))
    assert one.read_bytes() == other.read_bytes()


def test_two_processes_train_together_and_one_speaks(place):
    done = by_two(*TRAIN, "--out", "both")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("both: 2 epochs.") == 1
    assert done.stdout.count("training the supernet: done") == 1
    assert len((place / "both/supernet/training.jsonl").read_text().splitlines()) == 2


def test_more_gpus_than_there_are_is_said_by_the_process_that_lacks_one(place, invoke, monkeypatch):
    for name, value in {"WORLD_SIZE": "64", "RANK": "63", "LOCAL_RANK": "63"}.items():
        monkeypatch.setenv(name, value)  # as torchrun does
    result = invoke(*TRAIN, "--device", "cuda", "--out", "weights")
    assert result.status == 1
    assert "asked for on cuda:63, and torch sees" in result.err


def test_an_experiments_file_says_what_to_train_and_options_change_it(place, invoke):
    (place / "own.toml").write_text(
        f'seed = 3\n[space]\nsource = "{SPACE}"\nresolutions = [16]\n[data]\n'
        'source = "images.npz"\n[device]\nname = "a_board_that_is_not_known_here"\n'
        "[supernet]\nepochs = 9\nkernel_transforms = true\n"
        "recipe = { batch_size = 40, threads = 1 }\n"
    )
    result = invoke("train", "own.toml", "--epochs", 1, "--out", "weights")
    assert result.status == 0, result.err
    config = read(place / "weights/supernet" / FILE_NAME).made_for["config"]
    assert (config["epochs"], config["largest_first"], config["seed"]) == (1, 0, 0)
    assert config["kernel_transforms"] is True
    assert "--resolution 16" in result.out
    assert "--seed 3" in result.out


def test_a_directory_that_another_process_trains_in_is_left_alone(place, invoke):
    (place / "weights/supernet").mkdir(parents=True)
    with locked(place / "weights/supernet"):
        result = invoke(*TRAIN, "--out", "weights")
    assert result.status == 1
    assert "is being written by another process" in result.err


def test_weights_that_were_trained_otherwise_are_not_gone_on_with(place, invoke):
    assert invoke(*TRAIN, "--epochs", 1, "--out", "weights").status == 0
    result = invoke(*TRAIN, "--epochs", 1, "--average", 0.5, "--out", "weights")
    assert result.status == 1
    assert "made for another training configuration" in result.err
    space = [argument if argument != SPACE else "mbv3_small_32" for argument in TRAIN]
    assert "made for another search space" in invoke(*space, "--out", "weights").err
    assert len(Path("weights/supernet/training.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "A supernet learns from images: name them with --data"),
        (("--data", "no_such_folder"), "Unknown data set 'no_such_folder'"),
        (("--data", "images.npz", "--space", "mbv3_smal_32"), "Did you mean 'mbv3_small_32'?"),
        (("--data", "images.npz", "--device", "cuda:99"), "asked for on cuda:99, and torch sees"),
        (("--data", "images.npz", "--device", "gpu"), "'gpu' is no device of torch"),
        (("--data", "images.npz", "--average", 1), "supernet.average is 1.0; expected a decay"),
        (("--data", "images.npz", "--progressive", "kernel"), "supernet.progressive.0 is 'kernel'"),
        (
            ("--data", "images.npz", "--progressive", "depth", "--progressive", "depth"),
            "expected nothing twice",
        ),
        (
            ("--data", "images.npz", "--epochs", 2, "--largest-first", 2),
            "largest_first is 2; it must be less than supernet.epochs (2)",
        ),
        (("no.toml",), "no.toml cannot be read"),
        (("weights.toml",), "The experiment's weights is 'ofa', with which there is no supernet"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(arguments, said, place, invoke):
    (place / "weights.toml").write_text('weights = "ofa"\n[space]\nsource = "ofa_mbv3_w1.0"\n')
    result = invoke("train", *arguments, "--out", "new")
    assert result.status == 1
    assert said in result.err
    assert result.err.count("\n") == 1
    assert not (place / "new").exists()


def test_a_file_where_the_directory_should_be_is_refused(place, invoke):
    result = invoke(*TRAIN, "--out", "images.npz")
    assert result.status == 1
    assert "cannot be made: Not a directory" in result.err
