import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwnas
from hwnas import layers as layer_costs
from hwnas.catalog import LayerCatalog
from hwnas.devices import load_device
from hwnas.errors import InputError
from hwnas.estimators import EstimatorContext, create
from hwnas.estimators.cost_model import layer_costs as layer_costs_of
from hwnas.graphs import tflite
from hwnas.layer_weights import random_weights
from hwnas.layers import LayerSpec
from hwnas.protocols import architecture_layers
from hwnas.spaces import load_space
from hwnas.spaces.precision_choice import PrecisionSpace


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


CONV = LayerSpec("conv", 6, 2, 4, kernel_size=3, stride=2, activation="hard_swish")


@pytest.mark.parametrize(
    ("precision", "size_bytes", "peak_bytes", "moved_bytes"),
    [
        # 72 weights and 4 biases; 72 elements in and 36 out
        ("fp32", 76 * 4, 108 * 4, 108 * 4 + 76 * 4),
        ("fp16", 76 * 2, 108 * 4, 108 * 4 + 76 * 2),
        # a byte a weight, 4 a bias, 12 a channel for scale and zero point of each; the
        # hard-swish's 36 elements are converted twice: 1 byte read and 4 written, and back
        ("int8", 72 + 4 * 4 + 4 * 24, 36 * 5, 108 + 36 * 10 + 184),
    ],
)
def test_costs_follow_the_precision_as_the_sum_by_hand_says(
    precision, size_bytes, peak_bytes, moved_bytes
):
    catalog, host = LayerCatalog([CONV]), load_device("host")

    def cost(name):
        return layer_costs_of(name, catalog, host, precision=precision)[1]

    assert cost("model_size_bytes") == size_bytes
    assert cost("peak_memory_bytes") == peak_bytes
    pj_per_mac = 0.23 if precision == "int8" else 4.6
    assert cost("energy_mj") == pytest.approx((648 * pj_per_mac + moved_bytes * 160) / 1e9)
    assert (cost("macs"), cost("params")) == (648, 80)


@settings(deadline=None)
@given(seed=st.integers(0, 2**16))
def test_lower_precision_makes_a_model_smaller_and_changes_neither_macs_nor_params(seed):
    space = load_space("mbv3_small_32")
    genes = space.sample(5, np.random.default_rng(seed))
    fp32, fp16, int8 = (hwnas.costs(space, genes, precision=p) for p in ("fp32", "fp16", "int8"))
    assert (fp16["model_size_bytes"] * 2 == fp32["model_size_bytes"]).all()
    assert (int8["model_size_bytes"] < fp16["model_size_bytes"]).all()
    for name in ("macs", "params"):
        assert (int8[name] == fp32[name]).all()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_size_of_a_large_model_is_nearly_that_of_its_file(precision):
    space = load_space("ofa_mbv3_w1.0", resolutions=[128])
    row = space.sample(1, np.random.default_rng(2))[0]
    size = hwnas.costs(space, row, precision=precision)["model_size_bytes"][0]
    layers = architecture_layers(space, row)
    content = tflite.lower(
        layers, random_weights(layers, np.random.default_rng(0)), precision=precision
    )
    assert 0.98 * len(content) <= size <= len(content)


def test_int8_saves_energy_and_memory_where_nothing_is_computed_in_fp32():
    block = LayerSpec("mbconv", 8, 16, 16, hidden_channels=48, kernel_size=3, activation="relu")
    catalog, host = LayerCatalog([block]), load_device("host")
    for name, ratio in (("energy_mj", 0.3), ("peak_memory_bytes", 0.25)):
        fp32, int8 = (layer_costs_of(name, catalog, host, precision=p)[1] for p in ("fp32", "int8"))
        assert int8 <= ratio * fp32


def test_costs_of_a_mixed_population_are_each_rows_at_its_precision():
    base = load_space("mbv3_small_32")
    space = PrecisionSpace(base, ("int8", "fp32", "fp16"))
    genes = space.sample(30, np.random.default_rng(4))
    mixed = hwnas.costs(space, genes, device="host")
    for i, row in enumerate(genes):
        precision = space.precisions[row[0]]
        alone = hwnas.costs(base, row[1:], device="host", precision=precision)
        expected = {name: values[0] for name, values in alone.items()}
        found = {name: values[i] for name, values in mixed.items()}
        assert found == pytest.approx(expected, rel=1e-12)
    assert hwnas.costs(space, genes[:0])["params"].shape == (0,)


def test_an_unknown_precision_is_answered_with_the_nearest():
    space = load_space("mbv3_small_32")
    with pytest.raises(InputError, match="Did you mean 'int8'"):
        hwnas.costs(space, space.sample(1, np.random.default_rng(0)), precision="in8")
