import dataclasses
import itertools
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from hwnas.errors import HwnasWarning, UnstableError
from hwnas.latency_table import LatencyTable, LayerTiming, NetworkTiming
from hwnas.layers import LayerSpec, weights
from hwnas.measurement import Samples
from hwnas.profiling.fitting import fitted

BLOCKS, CHOICES = 8, 6
LAYERS = tuple(
    LayerSpec(
        "mbconv", 56 // (1 + block // 2), 16 + 8 * block, 24 + 8 * block,
        hidden_channels=(16 + 8 * block) * (2 + choice // 2), kernel_size=(3, 5)[choice % 2],
    )
    for block in range(BLOCKS) for choice in range(CHOICES)
)  # fmt: skip
COSTS = np.random.default_rng(0).gamma(6, 0.1, len(LAYERS))
OVERHEAD = 0.2

SIZES = [weights(layer) for layer in LAYERS]
MEMORY = 0.6 * sum(SIZES) / CHOICES

Network = tuple[int, ...]


def ms(*values: float) -> tuple[Samples, ...]:
    return tuple(Samples((round(value * 1e6),)) for value in values)


def additive(network: Network) -> float:
    """A device on which a layer takes 1.2 times as long as alone, and 0.05 ms beyond."""
    return OVERHEAD + sum(1.2 * COSTS[i] + 0.05 for i in network)


def fusing(network: Network) -> float:
    """A device that saves half of a layer with a kernel of 5 that follows one of 3."""
    pairs = itertools.pairwise(network)
    saved = sum(
        0.5 * COSTS[b] for a, b in pairs
        if LAYERS[a].kernel_size == 3 and LAYERS[b].kernel_size == 5
    )  # fmt: skip
    return additive(network) - 1.2 * saved


def overflowing(network: Network) -> float:
    """A device that is 40 % slower on networks that do not fit into its memory."""
    return additive(network) * (1.4 if sum(SIZES[i] for i in network) > MEMORY else 1.0)


def random_networks(count: int, seed: int) -> list[Network]:
    """At every block a choice or none."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, CHOICES, (count, BLOCKS)) + CHOICES * np.arange(BLOCKS)
    absent = rng.random(rows.shape) < 0.25
    return [tuple(int(i) for i in row[~gone]) for row, gone in zip(rows, absent, strict=True)]


def profiled(
    device: Callable[[Network], float], known: int = 80, held_out: int = 60, noise: float = 0.005
) -> LatencyTable:
    """A table of the layers, not fitted yet, each network measured in two halves."""
    rng = np.random.default_rng(3)
    networks = []
    for i, layers in enumerate(random_networks(known + held_out, 1)):
        halves = device(layers) * (1 + noise * rng.standard_normal(2))
        measured = round(float(np.median(halves)), 6)
        networks.append(NetworkTiming(layers, measured, measured, ms(*halves), i >= known))
    alone = OVERHEAD + COSTS * (1 + noise * rng.standard_normal(len(COSTS)))
    return LatencyTable(
        device="d", runtime="r", precision="fp32", threads=1, space={}, sessions=(), canary=(),
        canary_ms=0.0, boundary_ms=0.0, scale=1.0, quality=None, overhead=ms(OVERHEAD),
        layers=tuple(LayerTiming(a, ms(b)) for a, b in zip(LAYERS, alone, strict=True)),
        networks=tuple(networks),
    )  # fmt: skip


def test_an_additive_device_is_predicted_within_what_its_measurements_repeat() -> None:
    table = fitted(profiled(additive))
    assert table.residual is None
    quality = table.quality
    assert quality is not None
    assert (quality.networks, quality.calibrated_on) == (60, 80)
    assert quality.mape <= 1.1 * quality.repeatability_mape
    assert quality.mape < quality.unscaled_mape
    assert quality.coverage_90 is not None
    assert 80 <= quality.coverage_90 <= 100


@pytest.mark.parametrize("device", [fusing, overflowing])
def test_a_second_model_is_chosen_where_sums_fail(device: Callable[[Network], float]) -> None:
    table = fitted(profiled(device))
    sums = fitted(profiled(device, known=19))  # too few for a second model
    assert table.residual is not None
    assert sums.residual is None
    assert table.residual.error < table.residual.additive_error
    assert table.quality is not None
    assert sums.quality is not None
    assert table.quality.mape < 0.8 * sums.quality.mape
    assert table.quality.coverage_90 is not None
    assert 75 <= table.quality.coverage_90 <= 100


def test_networks_held_out_have_no_part_in_the_fit() -> None:
    table = profiled(additive)
    spoilt = tuple(
        dataclasses.replace(one, measured_ms=3 * one.measured_ms) if one.held_out else one
        for one in table.networks
    )
    first, second = fitted(table), fitted(dataclasses.replace(table, networks=spoilt))
    assert (first.calibration, first.scale) == (second.calibration, second.scale)
    expected = [one.predicted_ms for one in first.networks if one.held_out]
    assert [one.predicted_ms for one in second.networks if one.held_out] == expected


def test_a_network_is_predicted_without_itself() -> None:
    table = profiled(additive)
    first, *others = table.networks
    spoilt = dataclasses.replace(first, measured_ms=3 * first.measured_ms)
    again = fitted(dataclasses.replace(table, networks=(spoilt, *others)))
    assert again.networks[0].predicted_ms == pytest.approx(first.measured_ms, rel=0.05)


def test_a_table_fitted_twice_is_the_same() -> None:
    once = fitted(profiled(fusing))
    assert fitted(once) == once


def test_without_networks_nothing_is_stated() -> None:
    table = fitted(dataclasses.replace(profiled(additive), networks=()))
    assert (table.quality, table.scale, table.calibration) == (None, 1.0, None)
    np.testing.assert_allclose(list(table.cost_ms.values()), COSTS, rtol=0.03)


def test_only_networks_held_out_state_the_error_of_plain_sums() -> None:
    table = fitted(profiled(additive, known=0))
    assert table.quality is not None
    assert table.quality.mape == table.quality.unscaled_mape
    assert table.quality.coverage_90 is None


@pytest.mark.parametrize("layers", [[(0, 7)] * 6, [(0, 7), (1, 8)] * 3])
def test_networks_that_are_too_alike_give_a_scale_and_a_warning(layers: list[Network]) -> None:
    networks = tuple(NetworkTiming(one, additive(one), 1.0, ms(additive(one))) for one in layers)
    with pytest.warns(HwnasWarning, match="different networks cannot tell what their layers cost"):
        table = fitted(dataclasses.replace(profiled(additive), networks=networks))
    assert table.calibration is None
    assert table.scale > 1
    assert all(one.predicted_std_ms is None for one in table.networks)


def test_networks_of_one_latency_give_a_scale_and_a_warning() -> None:
    table = profiled(additive, known=6, held_out=0)
    same = tuple(dataclasses.replace(one, measured_ms=3.0) for one in table.networks)
    with pytest.warns(HwnasWarning, match=r"took 3\.0 ms"):
        assert fitted(dataclasses.replace(table, networks=same)).calibration is None


def test_three_networks_are_enough_to_state_an_uncertainty() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = fitted(profiled(additive, known=3, held_out=2))
    assert all(one.predicted_std_ms for one in table.networks)


def test_networks_that_take_no_longer_than_nothing_are_refused() -> None:
    table = profiled(additive, known=6, held_out=0)
    networks = tuple(dataclasses.replace(one, measured_ms=0.1) for one in table.networks)
    with pytest.raises(UnstableError, match=r"0\.1 ms .* without layers 0\.2 ms"):
        fitted(dataclasses.replace(table, networks=networks))
