import dataclasses

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
    plan = Plan(LAYERS[:1], (), 0, LAYERS, (batch,))
    fast = {0: ms(1), 1: ms(3), 2: ms(0.5), 3: ms(1)}
    table = extend(EMPTY_TABLE, plan, fast, canary_ms=1.0)
    slow = {number: Samples((visit.ns[0] * 2,)) for number, visit in fast.items()}
    known = dataclasses.replace(table, sessions=(None,), layers=())  # type: ignore[arg-type]
    later = extend(known, plan, slow, canary_ms=2.0)
    assert later.cost_ms == table.cost_ms == {LAYERS[0]: 2.5}
