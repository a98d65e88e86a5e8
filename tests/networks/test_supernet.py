from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas.layers import LayerSpec
from hwnas.networks.pixels import resize, to_batch
from hwnas.networks.slots import cut
from hwnas.networks.static import build, initialise
from hwnas.networks.supernet import Supernet
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parent.parent / "data/tiny_space.toml")


def random_networks(count, seed=0):
    rows = SPACE.sample(count, np.random.default_rng(seed))
    return [[SPACE.catalog.layers[i] for i in ix] for ix in SPACE.layer_indices(rows)]


def random_supernet():
    supernet = Supernet(SPACE.slot_layers)
    initialise(supernet, 0)
    return supernet


def images(count=8, resolution=16):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 1, resolution, resolution, generator=generator)


def test_a_smaller_weight_is_the_first_channels_and_the_centre_of_the_kernel():
    weight = torch.arange(2 * 2 * 5 * 5).reshape(2, 2, 5, 5)
    part = cut(weight, torch.Size((1, 2, 3, 3)))
    assert part.tolist() == weight[:1, :, 1:4, 1:4].tolist()


def test_a_part_shares_memory_with_the_weight():
    weight = torch.zeros(4, 1, 7, 7)
    cut(weight, torch.Size((2, 1, 3, 3))).fill_(1.0)
    assert weight.sum() == 2 * 9
    assert weight[:2, 0, 2:5, 2:5].eq(1.0).all()


def test_an_extracted_network_computes_what_the_supernet_does():
    supernet = random_supernet()
    for layers in random_networks(20):
        network = supernet.extract(layers).train()
        batch = images()
        with torch.no_grad():
            expected = supernet(batch, layers)
            given = network(resize(batch, layers[0].resolution))
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-6)


def test_extraction_copies_so_that_training_the_network_leaves_the_supernet():
    supernet = random_supernet()
    before = {name: weight.clone() for name, weight in supernet.named_parameters()}
    for weight in supernet.extract(random_networks(1)[0]).parameters():
        weight.data.add_(1.0)
    for name, weight in supernet.named_parameters():
        assert torch.equal(weight, before[name])


def test_gradients_reach_only_the_weights_that_a_network_is_cut_from():
    supernet = random_supernet()
    layers = next(net for net in random_networks(50) if any(s.kind == "empty" for s in net))
    supernet(images(), layers).square().sum().backward()
    for slot, layer in zip(supernet.slots, layers, strict=True):
        reached = [w for w in slot.parameters() if w.grad is not None and w.grad.any()]
        if layer.kind == "empty":
            assert not reached
        elif layer.kind != "pool":
            assert reached


def test_a_supernet_serves_every_layer_of_its_space():
    supernet = random_supernet()
    seen = set()
    for layers in random_networks(60, seed=4):
        seen.update(layers)
        with torch.no_grad():
            assert supernet(images(2), layers).shape == (2, 10)
    assert {layer.resolution for layer in seen if layer.kind == "conv"} >= {12, 16}


def test_a_hand_made_list_of_layers_is_a_supernet_of_one_network():
    layers = (
        LayerSpec("conv", 8, 1, 8, kernel_size=3, stride=2, activation="relu"),
        LayerSpec("pool", 4, 8, 8),
        LayerSpec("linear", 1, 8, 3, bias=True),
    )
    supernet = Supernet(layers)
    initialise(supernet, 0)
    with torch.no_grad():
        assert supernet(images(2, 8), layers).shape == (2, 3)


def test_layers_that_do_not_fit_together_build_no_network():
    with pytest.raises(ValueError, match="cannot follow"):
        build([LayerSpec("pool", 4, 8, 8), LayerSpec("linear", 1, 9, 3)])


def test_equal_seeds_give_equal_weights_and_others_do_not():
    first, second, third = (Supernet(SPACE.slot_layers) for _ in range(3))
    for supernet, seed in ((first, 0), (second, 0), (third, 1)):
        initialise(supernet, seed)
    for name, weight in first.named_parameters():
        assert torch.equal(weight, second.get_parameter(name))
    assert not torch.equal(
        first.slots[0].largest.convolution.conv.weight,
        third.slots[0].largest.convolution.conv.weight,
    )


def test_pixels_become_numbers_between_minus_one_and_one():
    batch = to_batch(np.array([[[[0, 255]]]], dtype=np.uint8))
    assert batch.tolist() == [[[[-1.0, 1.0]]]]


def test_batches_are_resized_as_pillow_resizes_images():
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((20, 20), Image.Resampling.BILINEAR)
    batch = resize(torch.from_numpy(pixels)[None, None].float(), 20)
    assert np.abs(batch[0, 0].numpy() - np.asarray(image)).max() <= 1.0
