from pathlib import Path

import numpy as np

from hwnas.layers import macs
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.plan import (
    BATCH_BYTES,
    BATCH_MODELS,
    CANARY,
    OVERHEAD,
    Plan,
    choose_canary,
    make_batch,
    make_plan,
    with_canary,
)
from hwnas.protocols import SearchSpace, architecture_layers
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")


def plan(space: SearchSpace = SPACE, known: int = 0, seed: int = 0, networks: int = 3) -> Plan:
    return make_plan(
        space,
        space.catalog.layers[1 : known + 1],
        canary=(),
        networks=networks - 1,
        held_out=1,
        seed=seed,
        discipline=Discipline(layer_rounds=2, network_rounds=4, canary_every=3),
    )


def test_every_layer_is_visited_in_every_round_and_every_network_in_its_rounds() -> None:
    made = plan()
    models = [model for batch in made.batches for _, model in batch.visits]
    assert len(made.layers) == len(SPACE.catalog) - 1
    assert all(models.count(f"layer{i}") == 2 for i in range(len(made.layers)))
    assert all(models.count(f"network{i}") == 4 for i in range(3))


def test_networks_are_visited_in_several_stretches_of_time_each_beside_others() -> None:
    made = plan(load_space("mbv3_small_32"), networks=BATCH_MODELS + 2)
    whole = [batch for batch in made.batches if any("network" in name for name in batch.models)]
    company = [
        frozenset(batch.models) for batch in whole if "network0" in batch.models
    ]  # fmt: skip
    assert len(company) == Discipline().network_passes == len(set(company)) == 2
    for batch in whole:
        assert all(
            sum(model == name for _, model in batch.visits) == 2
            for name in batch.models
            if "network" in name
        )


def test_visits_are_numbered_through_all_batches() -> None:
    made = plan()
    numbers = [number for batch in made.batches for number, _ in batch.visits]
    assert numbers == list(range(made.visits))


def test_the_same_request_gives_the_same_plan() -> None:
    assert plan() == plan()
    assert plan().digest() == plan().digest()


def test_another_seed_or_request_gives_another_plan() -> None:
    digests = {plan().digest(), plan(seed=1).digest(), plan(known=1).digest()}
    assert len(digests | {plan(networks=2).digest()}) == 4


def test_known_layers_are_left_out() -> None:
    assert plan(known=4).layers == SPACE.catalog.layers[5:]


def test_every_batch_holds_the_canary_and_the_empty_model() -> None:
    for batch in plan().batches:
        assert batch.models[CANARY]
        assert batch.models[OVERHEAD] == ()
        assert {model for _, model in batch.visits} == set(batch.models)


def test_batches_are_bounded() -> None:
    space = load_space("ofa_mbv3_w1.0", resolutions=[128, 160])
    for batch in plan(space, networks=8).batches:
        models = set(batch.models) - {CANARY, OVERHEAD}
        assert len(models) <= BATCH_MODELS
        weights = sum(
            4 * layer.in_channels * layer.out_channels
            for name in models
            for layer in batch.models[name]
        )
        assert weights <= BATCH_BYTES


def test_the_canary_stands_at_both_ends_and_in_between() -> None:
    assert with_canary(["a", "b", "c"], 2) == [CANARY, "a", "b", CANARY, "c", CANARY]


def test_each_round_has_its_own_order() -> None:
    models = {f"m{i}": () for i in range(20)}
    batch = make_batch(
        models, canary=(), rounds=2, rng=np.random.default_rng(0), first=0, canary_every=1
    )
    order = [model for _, model in batch.visits]
    assert sorted(order[:20]) == sorted(order[20:]) == sorted(models)
    assert order[:20] != order[20:] != list(models)


def test_the_canary_is_a_middling_network_of_the_space() -> None:
    canary = choose_canary(SPACE, np.random.default_rng(0))
    rows = SPACE.sample(100, np.random.default_rng(1))
    costs = [sum(macs(layer) for layer in architecture_layers(SPACE, row)) for row in rows]
    low, high = np.quantile(costs, [0.25, 0.75])
    assert low <= sum(macs(layer) for layer in canary) <= high


def test_the_first_networks_are_fitted_on_and_the_others_held_out() -> None:
    assert [held_out for _, held_out in plan(networks=5).roles] == [False] * 4 + [True]


def test_no_network_is_planned_twice() -> None:
    networks = plan(networks=20).networks
    assert len(set(networks)) == len(networks)
