import numpy as np
import pytest

import hwnas
from hwnas import layers as layer_costs
from hwnas.devices import load_device
from hwnas.errors import InputError
from hwnas.estimators import EstimatorContext, create
from hwnas.layers import LayerSpec
from hwnas.protocols import architecture_layers
from hwnas.spaces import load_space


@pytest.mark.parametrize("name", ["ofa_mbv3_w1.0", "ofa_mbv3_w1.2", "mbv3_small_32"])
def test_costs_of_populations_equal_a_plain_loop_over_layers(name):
    space = load_space(name)
    genes = space.sample(50, np.random.default_rng(1))
    energy = load_device("host").energy
    known = hwnas.costs(space, genes, device="host")
    for i, row in enumerate(genes):
        layers = architecture_layers(space, row)
        macs = sum(map(layer_costs.macs, layers))
        moved = 4 * sum(map(layer_costs.moved, layers))
        expected = {
            "macs": macs,
            "params": sum(map(layer_costs.params, layers)),
            "model_size_bytes": 4 * sum(map(layer_costs.weights, layers)),
            "peak_memory_bytes": 4 * max(map(layer_costs.peak_activations, layers)),
            "energy_mj": (macs * energy.pj_per_fp32_mac + moved * energy.pj_per_byte) / 1e9,
        }
        assert {key: values[i] for key, values in known.items()} == pytest.approx(
            expected, rel=1e-9
        )


def test_a_population_larger_than_a_block_is_costed_whole():
    space = load_space("mbv3_small_32")
    genes = space.sample(9_000, np.random.default_rng(2))
    whole = hwnas.costs(space, genes)["params"]
    parts = [hwnas.costs(space, part)["params"] for part in np.array_split(genes, 3)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_energy_is_left_out_without_a_device():
    space = load_space("mbv3_small_32")
    row = space.sample(1, np.random.default_rng(0))[0]
    assert set(hwnas.costs(space, row)) == {
        "macs", "params", "model_size_bytes", "peak_memory_bytes",
    }  # fmt: skip


def test_energy_follows_the_coefficients_of_the_device_file(tmp_path, monkeypatch):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "frugal.toml").write_text(
        'title = "x"\n[energy]\npj_per_fp32_mac = 1.0\npj_per_byte = 0.0\nsource = "none"\n'
    )
    monkeypatch.chdir(tmp_path)
    space = load_space("mbv3_small_32")
    known = hwnas.costs(space, space.sample(5, np.random.default_rng(0)), device="frugal")
    np.testing.assert_allclose(known["energy_mj"], known["macs"] / 1e9)


def test_energy_without_a_device_is_refused():
    with pytest.raises(InputError, match="energy_mj needs a device"):
        create("energy_mj", EstimatorContext(load_space("mbv3_small_32")))


def test_genes_that_are_none_of_the_space_are_refused():
    space = load_space("mbv3_small_32")
    row = space.sample(1, np.random.default_rng(0))
    wrong = {"shape": row[:, 1:], "integer": row / 1.0, "out of range": [row - 9, row + 9]}
    with pytest.raises(InputError, match="of shape \\(architectures"):
        hwnas.costs(space, wrong["shape"])
    with pytest.raises(InputError, match="Expected integer genes"):
        hwnas.costs(space, wrong["integer"])
    for genes in wrong["out of range"]:
        with pytest.raises(InputError, match="out of range"):
            hwnas.costs(space, genes)


def test_a_network_costs_what_its_layers_were_worked_out_to_cost():
    # 3x3 convolution, 2 to 4 channels, 6x6 to 3x3: 4*2*9*9 MACs; 72 weights and 4 batch-norm
    # scales and shifts trained, 72 weights and 4 biases stored
    layer = LayerSpec("conv", 6, 2, 4, kernel_size=3, stride=2)
    assert layer_costs.macs(layer) == 648
    assert layer_costs.params(layer) == 80
    assert layer_costs.weights(layer) == 76
    assert layer_costs.peak_activations(layer) == 2 * 36 + 4 * 9
