import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwnas import workflows
from hwnas.errors import FileFormatError, InputError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / ".once-for-all"
OFFICIAL = ROOT / "tests/networks/official_once_for_all.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A search of Once-for-All's space, at few pixels, that looked at no images."""
    folder = tmp_path_factory.mktemp("published")
    preset = (ROOT / "hwnas/spaces/presets/ofa_mbv3_w1.0.toml").read_text()
    before, _, after = preset.partition("resolutions = [")
    space = folder / "few_pixels.toml"
    space.write_text(f"{before}resolutions = [32]{after.partition(']')[2]}")
    experiment = workflows.experiment_from_options(
        name="published", space=str(space), objectives=["params", "macs"], evaluations=8, batch=4
    )
    return workflows.search(experiment, folder / "run")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A randomly initialised supernet, saved by Once-for-All's own package."""
    if not PACKAGE.is_dir():
        pytest.skip("Once-for-All's own package is not here: run tools/once_for_all_package")
    folder = tmp_path_factory.mktemp("weights")
    subprocess.run(
        [sys.executable, OFFICIAL, "1.0", "1", folder],
        check=True, env=os.environ | {"PYTHONPATH": str(PACKAGE)},
    )  # fmt: skip
    return folder / "weights.pth"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Noise of 1,000 classes."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("images") / "noise.npz"
    labels = np.repeat(np.arange(1000), 3)
    arrays = {f"y_{part}": labels for part in ("train", "test")}
    arrays["y_test"] = labels[::30]
    for part, labels in (("train", arrays["y_train"]), ("test", arrays["y_test"])):
        arrays[f"x_{part}"] = rng.integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8)
    np.savez(path, **arrays)
    return path


def test_a_network_with_published_weights_is_exported_and_judged(run, published, images):
    (card,) = workflows.export(run.directory, "knee", weights=published, data=images)
    assert card.parity < 1e-4
    assert card.images_seen == 0
    assert card.file.is_file()
    assert card.latency_measured_ms > 0
    assert 0 <= card.accuracy_file < 5.0  # noise


def test_published_weights_without_images_are_refused(run, published):
    with pytest.raises(InputError, match="need images of ImageNet, to recalibrate"):
        workflows.export(run.directory, "knee", weights=published)


def test_a_file_that_is_not_there_is_refused(run, images):
    with pytest.raises(FileFormatError, match="cannot be read"):
        workflows.export(run.directory, "knee", weights="nowhere.pth", data=images)
