import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from hwnas.errors import HwnasError
from hwnas.layers import LayerSpec
from hwnas.training.config import NetworkConfig, Recipe
from hwnas.training.evaluation import accuracy
from hwnas.training.fine_tune import train_network
from hwnas.training.side_by_side import train_side_by_side

SCRIPT = Path(__file__).parent.parent / "data/train_tiny_supernet.py"
_spec = importlib.util.spec_from_file_location("train_tiny_supernet_beside", SCRIPT)
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)

DATA = tiny.tiny_data()
CONFIG = NetworkConfig(images=200, recipe=Recipe(batch_size=25, threads=1))


def network(width):
    return (
        LayerSpec("conv", DATA.resolution, DATA.in_channels, width, kernel_size=3, stride=2),
        LayerSpec("pool", -(-DATA.resolution // 2), width, width),
        LayerSpec("linear", 1, width, len(DATA.classes), bias=True),
    )


def test_networks_trained_side_by_side_are_those_trained_one_by_one():
    steps = []
    found = dict(
        train_side_by_side(
            {"narrow": network(4), "wide": network(16)}, DATA, replace(CONFIG),
            lambda task, done, total, note="": steps.append((task, done, total, note)),
        )
    )  # fmt: skip
    alone = {
        label: accuracy(train_network(network(width), DATA, CONFIG), network(width), DATA.test)
        for label, width in (("narrow", 4), ("wide", 16))
    }
    assert found == alone
    assert {task for task, *_ in steps} == {"training narrow", "training wide"}
    assert steps[-1][1:3] == (8, 8)


def test_nothing_to_train_is_no_error():
    assert list(train_side_by_side({}, DATA, CONFIG)) == []


def test_a_network_that_cannot_be_trained_is_named():
    broken = (LayerSpec("linear", 1, 3, 2), LayerSpec("linear", 1, 5, 2))
    with pytest.raises(HwnasError, match="trained broken ended early"):
        list(train_side_by_side({"broken": broken}, DATA, CONFIG))
