import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from hwnas.errors import FileFormatError, SpaceMismatchError
from hwnas.graphs import onnx
from hwnas.networks import once_for_all
from hwnas.networks.folding import folded_weights
from hwnas.spaces import load_space
from hwnas.training.supernet import slot_layers_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / ".once-for-all"
SUBNETS = 20


@pytest.fixture(scope="module", params=["1.0", "1.2"])
def official(request, tmp_path_factory):
    """The official package's random supernet of a width, and what it says of random subnets."""
    if not PACKAGE.is_dir():
        pytest.skip("Once-for-All's own package is not here: run tools/once_for_all_package")
    folder = tmp_path_factory.mktemp("official")
    count = SUBNETS if request.param == "1.0" else 3
    subprocess.run(
        [sys.executable, Path(__file__).with_name("official_once_for_all.py"), request.param,
         str(count), folder],
        check=True, env=os.environ | {"PYTHONPATH": str(PACKAGE)},
    )  # fmt: skip
    return load_space(f"ofa_mbv3_w{request.param}"), folder


def layers_of(space, setting):
    names = {"ks": "kernel_size", "e": "expand_ratio", "d": "depth", "r": "resolution"}
    row = space.parse({ours: setting[theirs] for ours, theirs in names.items()})
    return slot_layers_of(space, row[None])[0]


def difference(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def test_subnets_of_a_read_supernet_say_what_the_official_ones_say(official):
    space, folder = official
    answers = load_file(folder / "answers.safetensors")
    read = once_for_all.read(folder / "weights.pth", space.slot_layers, their_pixels=True)
    for index, setting in enumerate(json.loads((folder / "subnets.json").read_text())):
        layers = layers_of(space, setting)
        network = read.extract(layers)
        images = answers[f"images.{index}"]
        with torch.inference_mode():
            ours = network(images).numpy()
        for theirs in ("supernet", "subnet"):
            assert difference(ours, answers[f"{theirs}.{index}"].numpy()) < 1e-5
        if index < 6:
            model = onnx.lower([layer for layer in layers if layer.kind != "empty"],
                               folded_weights(network))  # fmt: skip
            session = onnxruntime.InferenceSession(model)
            name = session.get_inputs()[0].name
            exported = [session.run(None, {name: image[None].numpy()})[0][0] for image in images]
            assert difference(np.stack(exported), answers[f"subnet.{index}"].numpy()) < 1e-5


def test_our_pixels_give_what_theirs_give_away_from_the_border(official):
    space, folder = official
    theirs = once_for_all.read(folder / "weights.pth", space.slot_layers, their_pixels=True)
    ours = once_for_all.read(folder / "weights.pth", space.slot_layers)
    layers = layers_of(space, json.loads((folder / "subnets.json").read_text())[0])
    pixels = torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        a = theirs.extract(layers)[0]((pixels - mean) / std)
        b = ours.extract(layers)[0](pixels * 2 - 1)
    assert torch.allclose(a[..., 1:, 1:], b[..., 1:, 1:], rtol=1e-4, atol=1e-5)


def test_a_file_of_another_width_is_refused_with_what_differs(official):
    _, folder = official
    other = load_space("ofa_mbv3_w1.2" if "1.0" in official[0].name else "ofa_mbv3_w1.0")
    with pytest.raises(SpaceMismatchError, match=r"another variant .* has shape .*ofa_mbv3_w1\.2"):
        once_for_all.read(folder / "weights.pth", other.slot_layers)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "cannot be read as a torch file"),
        (b"PK\x03\x04 cut short", "cannot be read as a torch file"),
        ({"epoch": 3}, "holds no state dict"),
        ({"fc.weight": torch.zeros(2, 2)}, "has no first_conv.conv.weight"),
    ],
)
def test_what_is_no_published_supernet_is_refused(content, complaint, tmp_path):
    path = tmp_path / "file.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(FileFormatError, match=complaint):
        once_for_all.read(path, load_space("ofa_mbv3_w1.0").slot_layers)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "file.pth"
    torch.save({"hidden": slice(1, 2), "path": Path("x")}, path)
    with pytest.raises(FileFormatError, match="cannot be read as a torch file"):
        once_for_all.read(path, load_space("ofa_mbv3_w1.0").slot_layers)
