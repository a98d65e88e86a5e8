import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.graphs import onnx
from hwnas.layer_weights import weight_shapes
from hwnas.layers import LayerSpec
from hwnas.networks.folding import fold, folded_weights
from hwnas.networks.static import build, initialise
from hwnas.protocols import architecture_layers
from hwnas.reference_networks import REFERENCE_NAMES, reference_network
from hwnas.spaces import load_space

MBCONV = LayerSpec("mbconv", 9, 8, 8, hidden_channels=24, kernel_size=3, activation="relu")


def network_with_statistics(layers, seed=0):
    """A network whose batch-norms have random scales, shifts and statistics."""
    network = build(layers)
    initialise(network, seed)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias.data, module.running_mean):
                tensor.normal_(0.0, 0.2, generator=generator)
        elif isinstance(module, torch.nn.Linear):
            module.weight.data.normal_(0.0, 0.1, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0.0, 0.1, generator=generator)
    return network.eval()


def relative_difference(layers, seed=0):
    """Largest difference between torch and ONNX Runtime, relative to the largest output."""
    network = network_with_statistics(layers, seed)
    content = onnx.lower(layers, folded_weights(network))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    given_back = session.run(None, {"input": x})[0]
    assert given_back.shape == expected.shape
    return np.abs(given_back - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize(
    "layer",
    [
        LayerSpec("conv", 9, 3, 8, kernel_size=3, stride=2, activation="hard_swish"),
        LayerSpec("conv", 8, 3, 8, kernel_size=1, activation="none"),
        LayerSpec("conv", 8, 3, 8, kernel_size=5, stride=2, activation="relu6"),
        LayerSpec("pool", 7, 8, 8),
        LayerSpec("linear", 1, 8, 5),
        LayerSpec("linear", 1, 8, 5, bias=True, activation="hard_swish"),
        MBCONV,
        dataclasses.replace(MBCONV, hidden_channels=8),
        dataclasses.replace(MBCONV, hidden_channels=8, out_channels=16, kernel_size=5),
        dataclasses.replace(MBCONV, stride=2, kernel_size=7, activation="relu6"),
        dataclasses.replace(MBCONV, se_channels=8, activation="hard_swish"),
        dataclasses.replace(MBCONV, se_channels=8, gate="sigmoid"),
        dataclasses.replace(MBCONV, se_channels=8, stride=2, resolution=8, out_channels=16),
    ],
    ids=str,
)
def test_a_layer_gives_the_same_in_onnx_runtime(layer):
    assert relative_difference([layer]) < 1e-4


@settings(max_examples=20, deadline=None)
@given(
    resolution=st.integers(4, 10),
    hidden=st.sampled_from([8, 16, 40]),
    out=st.sampled_from([8, 16]),
    kernel_size=st.sampled_from([3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    se_channels=st.sampled_from([0, 8]),
    activation=st.sampled_from(["relu", "relu6", "hard_swish"]),
    gate=st.sampled_from(["hard_sigmoid", "sigmoid"]),
)
def test_any_block_gives_the_same_in_onnx_runtime(
    resolution, hidden, out, kernel_size, stride, se_channels, activation, gate
):
    layer = LayerSpec(
        "mbconv", resolution, 8, out, hidden, kernel_size, stride, se_channels, activation, gate
    )
    assert relative_difference([layer]) < 1e-4


def test_a_network_of_a_preset_gives_the_same_in_onnx_runtime():
    for name in ("mbv3_small_32", "mbv3_small_32_act", "ofa_mbv3_w1.0", "nas_bench_macro"):
        space = load_space(name)
        row = space.sample(1, np.random.default_rng(3))[0]
        assert relative_difference(architecture_layers(space, row)) < 1e-4


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_a_reference_network_gives_the_same_in_onnx_runtime(name):
    layers = reference_network(name, width_mult=0.5, resolution=64, classes=10)
    assert relative_difference(layers) < 1e-4


def test_folded_weights_have_the_names_and_shapes_that_graph_writers_take():
    space = load_space("mbv3_small_32")
    layers = architecture_layers(space, space.sample(1, np.random.default_rng(0))[0])
    weights = folded_weights(build(layers))
    given = [{name: array.shape for name, array in arrays.items()} for arrays in weights]
    assert given == [weight_shapes(layer) for layer in layers]


def test_a_folded_network_computes_what_the_network_does():
    network = network_with_statistics([MBCONV, dataclasses.replace(MBCONV, se_channels=8)])
    x = torch.randn(4, 8, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(fold(network)(x), network(x), rtol=1e-4, atol=1e-5)


def test_batch_norm_folds_into_weight_and_bias_by_its_formula():
    network = build([LayerSpec("conv", 1, 1, 1, activation="none")])
    convolution = network[0].convolution
    convolution.conv.weight.data.fill_(3.0)
    norm = convolution.norm
    norm.weight.data.fill_(2.0)
    norm.bias.data.fill_(0.5)
    norm.running_mean.fill_(4.0)
    norm.running_var.fill_(4.0 - norm.eps)
    folded = folded_weights(network)[0]
    assert folded["weight"].item() == pytest.approx(3.0)  # 3 * 2 / 2
    assert folded["bias"].item() == pytest.approx(-3.5)  # 0.5 - 4 * 2 / 2
