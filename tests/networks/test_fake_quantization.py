import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.graphs import onnx as onnx_graphs
from hwnas.layers import LayerSpec
from hwnas.networks.fake_quantization import Quantizer, at_precision, quantized_weight
from hwnas.networks.folding import fold, folded_weights
from hwnas.networks.pixels import to_batch
from hwnas.networks.static import build, initialise
from hwnas.runtimes import onnxruntime
from hwnas.training.evaluation import recalibrate

NETWORK = (
    LayerSpec("conv", 16, 3, 8, kernel_size=3, stride=2, activation="hard_swish"),
    LayerSpec(
        "mbconv", 8, 8, 8, hidden_channels=24, kernel_size=3, se_channels=8, activation="relu"
    ),
    LayerSpec("mbconv", 8, 8, 8, hidden_channels=8, kernel_size=5, activation="relu6"),
    LayerSpec("mbconv", 8, 8, 16, hidden_channels=24, kernel_size=5, stride=2,
              activation="hard_swish"),
    LayerSpec("conv", 4, 16, 32, activation="hard_swish"),
    LayerSpec("pool", 4, 32, 32),
    LayerSpec("linear", 1, 32, 24, activation="hard_swish"),
    LayerSpec("linear", 1, 24, 10, bias=True),
)  # fmt: skip


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(1).integers(0, 256, (64, 3, 16, 16), dtype=np.uint8)
    return to_batch(pixels)


@pytest.fixture
def network(images):
    """With statistics, and a last layer that is not near 0."""
    module = build(NETWORK)
    initialise(module, seed=0)
    with torch.no_grad():
        module[-1].linear.weight.mul_(30)
        module[-1].linear.bias.normal_(generator=torch.Generator().manual_seed(2))
    recalibrate(module, [images])
    return module


def outputs(module, images):
    with torch.inference_mode():
        return module(images)


def relative_error(found, expected):
    return float((found - expected).abs().mean() / expected.abs().mean())


@settings(deadline=None)
@given(low=st.floats(-10, 0), high=st.floats(0, 10), seed=st.integers(0, 2**16), wide=st.booleans())
def test_activations_are_rounded_as_torch_fake_quantizes_them(low, high, seed, wide):
    high = max(high, low + 0.01)
    quantizer = Quantizer()
    quantizer(torch.tensor([low, high]))
    quantizer.freeze()
    x = torch.randn(200, generator=torch.Generator().manual_seed(seed)) * (10 if wide else 1)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    expected = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, 0, 255)
    # a value half-way between two may be rounded either way
    difference = (quantizer(x.clone()) - expected).abs()
    assert (difference > scale / 2).double().mean() <= 0.01
    assert difference.max() <= 1.001 * scale


def test_0_is_a_value_of_every_range():
    for low, high in ((2.0, 5.0), (-7.0, -3.0), (-0.3, 9.0), (0.0, 0.0)):
        quantizer = Quantizer()
        quantizer(torch.tensor([low, high]))
        quantizer.freeze()
        assert quantizer(torch.zeros(1)).item() == 0.0


def test_a_range_is_that_of_all_calibration_batches_and_changes_nothing_before_it_is_frozen():
    quantizer = Quantizer()
    for values in ([0.0, 1.0], [-2.0, 0.5], [0.1, 3.0]):
        assert quantizer(torch.tensor(values)).tolist() == torch.tensor(values).tolist()
    assert (quantizer.low, quantizer.high) == (-2.0, 3.0)
    quantizer.freeze()
    assert quantizer(torch.tensor([-99.0, 99.0])).tolist() == pytest.approx([-2, 3], abs=0.01)


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (6, 4)])
def test_weights_are_rounded_as_torch_fake_quantizes_each_channel(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    weight[2] *= 100
    weight[3] = 0
    if len(shape) == 4:
        weight = weight.to(memory_format=torch.channels_last)
    scale = (weight.flatten(1).abs().amax(1) / 127).clamp_min(1e-12)
    expected = torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros(6, dtype=torch.int32), 0, -127, 127
    )
    found = quantized_weight(weight)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert found.stride() == weight.stride()


def test_every_tensor_between_steps_has_at_most_256_values(network, images):
    module = at_precision(fold(network), NETWORK, "int8", [images])
    seen = []
    for part in module.modules():
        if isinstance(part, Quantizer):
            part.register_forward_hook(lambda _, __, out: seen.append(len(out.unique())))
    outputs(module, images)
    # input; stem twice; two blocks with a residual, the first with squeeze-excite; one with
    # hard-swish; convolution twice; pool; wide layer twice; classifier
    assert len(seen) == 1 + 2 + (4 + 5) + 3 + 5 + 2 + 1 + 2 + 1
    assert max(seen) <= 256


def test_int8_is_near_fp32_and_not_the_same(network, images):
    expected = outputs(fold(network), images)
    found = outputs(at_precision(fold(network), NETWORK, "int8", [images]), images)
    assert 0.001 < relative_error(found, expected) < 0.1


def real_int8(network, layers, images, path):
    """Outputs of the int8 file of a network, by its runtime."""
    inputs, weights = images.contiguous().numpy(), folded_weights(network)
    path.write_bytes(onnx_graphs.lower(layers, weights, precision="int8", calibration=inputs))
    return torch.from_numpy(onnxruntime.outputs(str(path), inputs))


# a value half-way between two is rounded either way, and each such step grows from layer to layer:
# the int8 files of two runtimes are as far from each other as from this
@pytest.mark.parametrize(("depth", "part"), [(2, 0.25), (3, 0.5), (len(NETWORK), 0.9)])
def test_int8_is_nearer_to_a_real_int8_file_than_fp32_is(depth, part, network, images, tmp_path):
    layers, network = NETWORK[:depth], network[:depth]
    real = real_int8(network, layers, images, tmp_path / "int8.onnx")
    fake = outputs(at_precision(fold(network), layers, "int8", [images]), images)
    fp32 = outputs(fold(network), images)
    assert relative_error(fake, real) < part * relative_error(fp32, real)


def test_calibrating_and_quantizing_leave_the_images_alone(network, images):
    before = images.clone()
    module = at_precision(fold(network), NETWORK, "int8", [images])
    outputs(module, images)
    assert torch.equal(images, before)


def test_batches_of_calibration_add_up(network, images):
    whole = at_precision(fold(network), NETWORK, "int8", [images])
    parts = at_precision(fold(network), NETWORK, "int8", list(images.split(16)))
    assert torch.equal(outputs(whole, images), outputs(parts, images))


def test_fp16_rounds_every_weight_and_bias_to_half(network, images):
    module = at_precision(fold(network), NETWORK, "fp16", [])
    for parameter in module.parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, parameter.half().float())
    expected = outputs(fold(network), images)
    assert 0 < relative_error(outputs(module, images), expected) < 0.01


def test_fp32_changes_nothing(network):
    folded = fold(network)
    before = [parameter.clone() for parameter in folded.parameters()]
    module = at_precision(folded, NETWORK, "fp32", [])
    assert all(map(torch.equal, module.parameters(), before))


def test_an_unknown_precision_is_refused(network):
    with pytest.raises(ValueError, match="precision 'int4'"):
        at_precision(fold(network), NETWORK, "int4", [])


def test_empty_slots_are_skipped(network, images):
    with_gap = (NETWORK[0], LayerSpec("empty", 0, 0, 0), *NETWORK[1:])
    plain = at_precision(fold(network), NETWORK, "int8", [images])
    gapped = at_precision(fold(network), with_gap, "int8", [images])
    np.testing.assert_array_equal(outputs(plain, images), outputs(gapped, images))
