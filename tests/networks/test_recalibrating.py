from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas.networks.blocks import ConvNorm
from hwnas.networks.folding import fold
from hwnas.networks.pixels import resize
from hwnas.networks.recalibrating import RecalibratingSupernet
from hwnas.spaces import load_space
from hwnas.training.evaluation import recalibrate
from hwnas.training.weight_sharing import create_supernet, slot_layers_of

SPACE = load_space(Path(__file__).parent.parent / "data/tiny_space.toml")


@pytest.mark.parametrize("kernel_transforms", [False, True])
def test_one_pass_says_what_a_network_cut_out_and_recalibrated_says(kernel_transforms):
    supernet = create_supernet(SPACE, 0, kernel_transforms=kernel_transforms)
    recalibrating = RecalibratingSupernet(supernet)
    generator = torch.Generator().manual_seed(0)
    calibration = torch.randn(24, 1, 16, 16, generator=generator)
    images = 2 * torch.randn(10, 1, 16, 16, generator=generator) + 0.5
    for layers in slot_layers_of(SPACE, SPACE.sample(10, np.random.default_rng(0))):
        sized = [resize(batch, layers[0].resolution) for batch in (calibration, images)]
        network = supernet.extract(layers)
        recalibrate(network, sized[:1])
        with torch.inference_mode():
            expected = fold(network)(sized[1])
        answered = recalibrating.logits(*sized, layers)
        assert answered.shape == (10, 10)
        assert (answered - expected).abs().max() < 1e-5 * expected.abs().max()


def test_networks_that_share_their_beginnings_say_what_each_says_alone():
    space = load_space("nas_bench_macro")
    recalibrating = RecalibratingSupernet(create_supernet(space, 0))
    generator = torch.Generator().manual_seed(1)
    calibration = torch.randn(6, 3, 32, 32, generator=generator)
    images = torch.randn(3, 3, 32, 32, generator=generator)
    rows = np.unique(space.sample(12, np.random.default_rng(0)), axis=0)
    rows = np.concatenate([rows, rows[-1:], rows[:1]])  # one again, and one out of order
    networks = slot_layers_of(space, rows)
    together = list(recalibrating.logits_of_each(calibration, images, networks))
    assert len(together) == len(networks)
    for layers, answered in zip(networks, together, strict=True):
        assert torch.equal(answered, recalibrating.logits(calibration, images, layers))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
def test_a_convolution_of_few_pixels_is_torchs_own(size, stride, kernel_size):
    groups = 1 if kernel_size == 1 else 8
    module = ConvNorm(8, 8, kernel_size=kernel_size, stride=stride, groups=groups)
    x = torch.randn(2, 8, size, size, requires_grad=True)
    expected = module.conv(x)
    found = module._convolved(x)
    assert torch.allclose(found, expected, atol=1e-6)
    sums = [(each**2).sum() for each in (expected, found)]
    gradients = [torch.autograd.grad(each, [x, module.conv.weight]) for each in sums]
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-4)
