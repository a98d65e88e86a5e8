from collections.abc import Mapping
from dataclasses import replace

import pytest

from hwnas.errors import UnstableError, UnsteadyWarning
from hwnas.layers import LayerSpec
from hwnas.measurement import Samples
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.profiling.plan import CANARY, OVERHEAD, Batch, Plan
from hwnas.profiling.stability import in_turn, review, settled

LIMITS = Steadiness()
LAYERS = tuple(LayerSpec("linear", 1, 4, 4 + i) for i in range(4))
MODELS = {**{f"layer{i}": (layer,) for i, layer in enumerate(LAYERS)}, CANARY: LAYERS, OVERHEAD: ()}


def ms(*values: float) -> Samples:
    return Samples(tuple(round(value * 1e6) for value in values))


def batch_of(*models: str, first: int = 0) -> Batch:
    return Batch(MODELS, tuple(enumerate(models, start=first)))


def canary_took(*times: Samples) -> tuple[Batch, dict[int, Samples]]:
    """One layer between every two visits to the canary."""
    order = [name for i in range(len(times)) for name in (CANARY, f"layer{i}")][:-1]
    return batch_of(*order), {n: times[n // 2] if n % 2 == 0 else ms(3) for n in range(len(order))}


def drifted(*times: Samples) -> set[int]:
    """Numbers of the drifted stretches."""
    batch, visits = canary_took(*times)
    return {number // 2 for number in review([batch], visits, LIMITS).drifted_visits}


def test_a_steady_canary_leaves_nothing_drifted() -> None:
    assert drifted(ms(2), ms(2.1), ms(1.9)) == set()


def test_a_stretch_has_drifted_when_its_ends_differ() -> None:
    assert drifted(ms(2), ms(2), ms(2.6), ms(2.6)) == {1}


def test_a_stretch_has_drifted_when_the_canary_scatters_at_either_end() -> None:
    assert drifted(ms(2), ms(2), ms(2, 2, 2, 3, 3), ms(2), ms(2)) == {1, 2}


def test_one_outlier_among_the_samples_is_no_scatter() -> None:
    assert drifted(ms(2), ms(2, 2, 2, 2, 2, 40), ms(2)) == set()


def test_scatter_that_is_usual_on_a_device_is_no_drift() -> None:
    assert drifted(*[ms(2, 2, 3, 3, 2.4)] * 4) == set()


def test_a_stretch_has_drifted_when_the_device_is_evenly_slower_than_usual() -> None:
    assert drifted(ms(2), ms(2), ms(2), ms(4), ms(4)) == {2, 3}


def test_what_is_usual_is_that_of_steady_stretches() -> None:
    batch, visits = canary_took(ms(2), ms(2), ms(9), ms(30), ms(11), ms(60))
    assert review([batch], visits, LIMITS).usual_ms == 2.0


def test_without_a_steady_stretch_all_visits_say_what_is_usual() -> None:
    batch, visits = canary_took(ms(1), ms(2), ms(9))
    assert review([batch], visits, LIMITS).usual_ms == 2.0


def test_stretches_do_not_reach_from_one_batch_into_the_next() -> None:
    batches = [
        batch_of(CANARY, "layer0", CANARY),
        batch_of(CANARY, "layer1", CANARY, first=3),
    ]
    visits = {0: ms(2), 1: ms(1), 2: ms(2), 3: ms(2.4), 4: ms(1), 5: ms(2.4)}
    found = review(batches, visits, LIMITS)
    assert [stretch.visits for stretch in found.stretches] == [((1, "layer0"),), ((4, "layer1"),)]
    assert found.drifted == ()


def plan_of(batch: Batch) -> Plan:
    return Plan(LAYERS, (), 0, LAYERS, (batch,))


def run(plan: Plan, canary_ms: Mapping[int, float], *, tries: int = 3, stop: int = 10**6,
        visits: dict[int, Samples] | None = None) -> list[Batch]:  # fmt: skip
    """Batches that are measured on a device with a given canary; other visits take 2 ms."""
    visits = {} if visits is None else visits
    discipline = Discipline(canary_every=1, steadiness=replace(LIMITS, tries=tries))
    begun = []
    for batch in in_turn(plan, visits, seed=0, discipline=discipline):
        begun.append(batch)
        for number, _ in batch.visits:
            if len(visits) == stop:
                return begun
            visits.setdefault(number, ms(canary_ms.get(number, 2)))
    return begun


PLAN = plan_of(canary_took(*[ms(2)] * 5)[0])
LAST_TWO = {6: 5.0, 8: 11.0}
"""Visits to the canary that spoil layer 2 and layer 3."""


def test_a_steady_profile_measures_its_plan_alone() -> None:
    assert run(PLAN, {}) == list(PLAN.batches)


def test_what_lies_in_drifted_stretches_is_measured_again_beside_the_canary() -> None:
    _, again = run(PLAN, LAST_TWO)
    assert sorted(model for _, model in again.visits) == [CANARY] * 3 + ["layer2", "layer3"]
    assert [number for number, _ in again.visits] == [9, 10, 11, 12, 13]
    assert again.visits[0][1] == again.visits[-1][1] == CANARY


def test_it_is_measured_again_until_it_is_steady() -> None:
    begun = run(PLAN, {**LAST_TWO, 13: 5.0})
    assert [len(batch.visits) for batch in begun] == [9, 5, 3]


def test_it_ends_after_some_tries() -> None:
    later = dict.fromkeys(range(13, 100), 5.0)
    assert len(run(PLAN, {**LAST_TWO, **later}, tries=1)) == 2


def test_a_try_spent_in_drifted_stretches_is_the_last() -> None:
    assert len(run(PLAN, {number: 2.0 * number for number in range(6, 100)})) == 2


def test_an_interrupted_profile_goes_on_with_the_same_batches() -> None:
    canary = {**LAST_TWO, 13: 5.0}
    whole = run(PLAN, canary)
    for stop in range(1, 17):
        visits: dict[int, Samples] = {}
        run(PLAN, canary, stop=stop, visits=visits)
        assert run(PLAN, canary, visits=visits) == whole


def test_run_again_after_a_refusal_there_are_new_tries() -> None:
    visits: dict[int, Samples] = {}
    always = {number: 2.0 * number for number in range(6, 14)}
    assert len(run(PLAN, always, visits=visits)) == 2
    begun = run(PLAN, {}, visits=visits)
    assert len(begun) == 3
    assert sorted(model for _, model in begun[2].visits if model != CANARY) == ["layer2", "layer3"]


def test_a_model_keeps_its_steady_visits_alone() -> None:
    batch, visits = canary_took(*[ms(2)] * 4, ms(5))
    more = batch_of(CANARY, "layer3", CANARY, first=9)
    visits |= {9: ms(2), 10: ms(7), 11: ms(2)}
    found = review([batch, more], visits, LIMITS)
    kept, stability = settled(PLAN, [batch, more], found, limits=LIMITS, device="d")
    assert [number for one in kept for number, model in one.visits if model == "layer3"] == [10]
    assert (stability.stretches, stability.drifted, stability.unsettled) == (5, 1, 0)
    assert [one.visits[-1] for one in kept] == [(8, CANARY), (11, CANARY)]


def test_a_model_without_steady_visits_keeps_what_there_is() -> None:
    batch, visits = canary_took(*[ms(2)] * 4, ms(5))
    lenient = replace(LIMITS, max_unsettled=0.25)
    found = review([batch], visits, LIMITS)
    with pytest.warns(UnsteadyWarning, match=r"1 of 4 stretches.*1 of 4 layers"):
        kept, stability = settled(PLAN, [batch], found, limits=lenient, device="d")
    assert kept == (batch,)
    assert stability.unsettled == 1
    assert stability.canary_low == 1.0
    assert 1.0 < stability.canary_high < 2.5


def test_too_many_unsettled_layers_are_refused_with_numbers() -> None:
    batch, visits = canary_took(ms(2), ms(2), ms(6), ms(13), ms(40))
    found = review([batch], visits, LIMITS)
    with pytest.raises(UnstableError, match=r"3 of 4 stretches.*usual 2 ms.*3 of 4 layers"):
        settled(PLAN, [batch], found, limits=LIMITS, device="d")


def test_unsettled_whole_networks_are_refused_even_where_layers_are_steady() -> None:
    order = [CANARY, "layer0", CANARY, "layer1", CANARY, "network0", CANARY, "network1", CANARY]
    batch = batch_of(*order)
    visits = {n: ms(2) for n in range(len(order))} | {6: ms(5), 8: ms(9)}
    plan = Plan(LAYERS[:2], (LAYERS, LAYERS[:2]), 2, LAYERS, (batch,))
    found = review([batch], visits, LIMITS)
    with pytest.raises(UnstableError, match=r"0 of 2 layers and 2 of 2 whole networks"):
        settled(plan, [batch], found, limits=LIMITS, device="d")
