import dataclasses

import numpy as np
import pytest

from hwnas.errors import UnstableError
from hwnas.latency_table import LatencyTable
from hwnas.layers import LayerSpec
from hwnas.measurement import Samples
from hwnas.profiling.assembly import extend, without_drift
from hwnas.profiling.plan import CANARY, OVERHEAD, Batch, Plan

LAYERS = tuple(LayerSpec("linear", 1, 4, 4 + i) for i in range(3))
EMPTY_TABLE = LatencyTable(
    device="d", runtime="r", precision="fp32", threads=1, space={}, sessions=(), canary=(),
    canary_ms=0.0, boundary_ms=0.0, scale=1.0, quality=None, overhead=(), layers=(), networks=(),
)  # fmt: skip


def ms(value: float) -> Samples:
    return Samples((round(value * 1e6),))


def batch_of(*models: str) -> Batch:
    return Batch({}, tuple(enumerate(models)))


def test_drift_is_interpolated_between_visits_to_the_canary() -> None:
    batch = batch_of(CANARY, "a", "b", "c", CANARY)
    visits = {0: ms(2), 1: ms(5), 2: ms(6), 3: ms(7), 4: ms(4)}
    found = without_drift(batch, visits, 2.0)
    assert [found[name][0].drift for name in "abc"] == [1.25, 1.5, 1.75]
    assert [found[name][0].median_ms for name in "abc"] == [4.0, 4.0, 4.0]


def test_without_a_canary_there_is_no_drift() -> None:
    assert without_drift(batch_of("a"), {0: ms(3)}, 1.0)["a"][0].drift == 1.0


def test_a_slow_machine_gives_the_table_of_a_fast_one() -> None:
    batch = batch_of(CANARY, "layer0", OVERHEAD, CANARY)
    plan = Plan(LAYERS[:1], (), LAYERS, (batch,))
    fast = {0: ms(1), 1: ms(3), 2: ms(0.5), 3: ms(1)}
    table = extend(EMPTY_TABLE, plan, fast, canary_ms=1.0)
    slow = {number: Samples((visit.ns[0] * 2,)) for number, visit in fast.items()}
    known = dataclasses.replace(table, sessions=(None,), layers=())  # type: ignore[arg-type]
    later = extend(known, plan, slow, canary_ms=2.0)
    assert later.cost_ms == table.cost_ms == {LAYERS[0]: 2.5}


def made_with_networks(measured: list[float]) -> LatencyTable:
    """Overhead 1 ms, layers 2, 3 and 4 ms beyond it; network i is layers 0 and 1."""
    names = [f"network{i}" for i in range(len(measured))]
    batch = batch_of(CANARY, OVERHEAD, "layer0", "layer1", "layer2", *names, CANARY)
    times = [1, 1, 3, 4, 5, *measured, 1]
    plan = Plan(LAYERS, (LAYERS[:2],) * len(measured), LAYERS, (batch,))
    visits = {i: ms(time) for i, time in enumerate(times)}
    return extend(EMPTY_TABLE, plan, visits, canary_ms=1.0)


def test_the_scale_is_the_ratio_of_networks_to_sums_without_overhead() -> None:
    # sums are 1 + 2 + 3 = 6 ms
    assert made_with_networks([11, 11]).scale == pytest.approx(2.0)


def test_a_network_is_predicted_with_what_the_other_half_asks_for() -> None:
    table = made_with_networks([11, 6])
    assert [network.predicted_ms for network in table.networks] == [6.0, 11.0]
    assert table.scale == pytest.approx(1.5)


def test_quality_states_the_plain_sums_too() -> None:
    quality = made_with_networks([11, 11, 11]).quality
    assert quality is not None
    assert quality.networks == 3
    assert quality.mape == pytest.approx(0.0)
    assert quality.unscaled_bias == pytest.approx(100 * (6 / 11 - 1), abs=1e-3)


def test_without_networks_nothing_is_stated() -> None:
    table = made_with_networks([])
    assert (table.quality, table.scale) == (None, 1.0)
    np.testing.assert_allclose(list(table.cost_ms.values()), [2, 3, 4])


def test_networks_that_take_no_longer_than_nothing_are_refused() -> None:
    with pytest.raises(UnstableError, match=r"0\.5 ms .* without layers 1 ms"):
        made_with_networks([0.5, 0.5])
