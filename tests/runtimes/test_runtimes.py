"""Every runtime that is found runs what the graph writer of its format writes."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hwnas import plugins
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec

LAYERS = (LayerSpec("conv", 8, 3, 4, kernel_size=3, stride=2, activation="hard_swish"),)


@pytest.fixture(params=plugins.names("hwnas.runtimes"))
def runtime(request: pytest.FixtureRequest) -> ModuleType:
    return plugins.load("hwnas.runtimes", request.param, what="runtime")


def test_it_says_its_version_and_precisions(runtime: ModuleType) -> None:
    assert runtime.version()
    assert "fp32" in runtime.PRECISIONS


@pytest.mark.parametrize("layers", [(), LAYERS])
def test_it_runs_what_is_lowered_for_it(
    runtime: ModuleType, layers: tuple[LayerSpec, ...], tmp_path: Path
) -> None:
    graphs = plugins.load("hwnas.graphs", runtime.MODEL_FORMAT, what="model format")
    path = tmp_path / f"model.{runtime.MODEL_FORMAT}"
    path.write_bytes(graphs.lower(layers, random_weights(layers, np.random.default_rng(0))))
    run = runtime.load(str(path), 1)
    run()
    run()


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_a_file_that_is_no_model_is_refused(
    runtime: ModuleType, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / f"model.{runtime.MODEL_FORMAT}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\S"):
        runtime.load(str(path), 1)
