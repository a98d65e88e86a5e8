"""Hand-made networks are exactly the published ones."""

import pytest

from hwnas import layers
from hwnas.errors import InputError, UnknownNameError
from hwnas.layers import check_chain
from hwnas.reference_networks import REFERENCE_NAMES, reference_network, reference_set


def params(network):
    return sum(map(layers.params, network))


def macs(network):
    return sum(map(layers.macs, network))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("MobileNetV3-Large", 5_483_032),  # torchvision, num_params
        ("MobileNetV3-Small", 2_542_856),  # torchvision, num_params
        ("MobileNetV2", 3_504_872),  # torchvision, num_params
        ("MnasNet-A1", 3_887_038),  # timm, semnasnet_100
        ("EfficientNet-Lite0", 4_652_008),  # timm and keras-hub, efficientnet_lite0
    ],
)
def test_parameters_equal_the_published_number_to_the_last_digit(name, published):
    assert params(reference_network(name)) == published


# torchvision and timm count convolutions and matrix products without bias, as we do.
@pytest.mark.parametrize(
    ("name", "published", "digit"),
    [
        ("MobileNetV3-Large", 217e6, 1e6),  # torchvision 0.217 G and the authors' code; paper 219 M
        ("MobileNetV3-Small", 57e6, 1e6),  # torchvision 0.057 G; paper 56 M
        ("MobileNetV2", 301e6, 1e6),  # torchvision 0.301 G; paper 300 M
        ("MnasNet-A1", 312e6, 1e6),  # paper, table 1
        # timm 0.4 G; the authors state 407 M without saying what is counted
        ("EfficientNet-Lite0", 0.4e9, 0.1e9),
    ],
)
def test_multiply_accumulates_round_to_the_published_number(name, published, digit):
    assert round(macs(reference_network(name)) / digit) * digit == pytest.approx(published)


@pytest.mark.parametrize(
    ("name", "width_mult", "millions", "giga_macs"),
    [
        # timm's benchmark tables at 224 pixels: mobilenetv2_050, mobilenetv2_140, semnasnet_050,
        # semnasnet_075
        ("MobileNetV2", 0.5, 1.97, 0.10),
        ("MobileNetV2", 1.4, 6.11, 0.58),
        ("MnasNet-A1", 0.5, 2.08, 0.11),
        ("MnasNet-A1", 0.75, 2.91, 0.22),
    ],
)
def test_other_widths_agree_with_published_tables(name, width_mult, millions, giga_macs):
    network = reference_network(name, width_mult=width_mult)
    assert params(network) / 1e6 == pytest.approx(millions, abs=0.005)
    assert macs(network) / 1e9 == pytest.approx(giga_macs, abs=0.0101)


@pytest.mark.parametrize("name", REFERENCE_NAMES)
@pytest.mark.parametrize("width_mult", [0.25, 0.35, 1.0, 1.3])
@pytest.mark.parametrize("resolution", [28, 32, 65, 224])
def test_layers_fit_together_at_any_width_and_resolution(name, width_mult, resolution):
    network = reference_network(
        name, width_mult=width_mult, resolution=resolution, classes=7, in_channels=1
    )
    assert check_chain(network) == network
    first, last = network[0], network[-1]
    assert (first.resolution, first.in_channels, last.out_channels) == (resolution, 1, 7)
    assert all(layer.out_channels % 8 == 0 for layer in network[:-1])


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_wider_networks_cost_more(name):
    sizes = [params(reference_network(name, width_mult=w)) for w in (0.25, 0.5, 0.75, 1.0, 1.25)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_parameters_do_not_depend_on_resolution_or_stem_stride(name):
    at_32 = reference_network(name, resolution=32, stem_stride=1)
    assert params(at_32) == params(reference_network(name))
    assert macs(at_32) > macs(reference_network(name, resolution=32))


def width_of(name, kind, width_mult):
    network = reference_network(name, width_mult=width_mult)
    return [layer.out_channels for layer in network if layer.kind == kind]


def test_each_family_scales_its_stem_and_head_by_its_own_rule():
    assert width_of("MobileNetV2", "conv", 0.5) == [16, 1280]
    assert width_of("MobileNetV2", "conv", 1.4) == [48, 1792]
    assert width_of("MnasNet-A1", "conv", 1.4) == [48, 1280]
    assert width_of("EfficientNet-Lite0", "conv", 0.5) == [32, 1280]
    assert width_of("MobileNetV3-Large", "conv", 0.5) == [8, 480]
    assert width_of("MobileNetV3-Large", "linear", 0.5) == [640, 1000]


def test_each_family_squeezes_its_own_way():
    squeezed = {
        name: {
            (layer.in_channels, layer.hidden_channels, layer.se_channels, layer.gate)
            for layer in reference_network(name)
            if layer.se_channels
        }
        for name in REFERENCE_NAMES
    }
    assert (40, 120, 32, "hard_sigmoid") in squeezed["MobileNetV3-Large"]
    assert (16, 16, 8, "hard_sigmoid") in squeezed["MobileNetV3-Small"]
    assert (40, 120, 10, "sigmoid") in squeezed["MnasNet-A1"]
    assert squeezed["MobileNetV2"] == squeezed["EfficientNet-Lite0"] == set()


@pytest.mark.parametrize("resolution", [28, 224])
def test_the_reference_set_says_family_width_and_stem_in_its_labels(resolution):
    chosen = reference_set(resolution, 10, 1)
    named = {label: label.removesuffix(" s1").rpartition(" ") for label in chosen}
    assert {name for name, _, _ in named.values()} == set(REFERENCE_NAMES)
    for label, network in chosen.items():
        name, _, width_mult = named[label]
        assert network == reference_network(
            name, width_mult=float(width_mult), resolution=resolution, classes=10, in_channels=1,
            stem_stride=1 if label.endswith(" s1") else 2,
        )  # fmt: skip


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'MobileNetV2'"):
        reference_network("MobilenetV2")


def test_a_width_of_zero_is_refused():
    with pytest.raises(InputError, match="width_mult of MobileNetV2 is 0; expected more than 0"):
        reference_network("MobileNetV2", width_mult=0)
