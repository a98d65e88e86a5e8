"""What a profile measures, in which batches, and in which order: the same for the same request."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from hwnas import files
from hwnas.layers import LayerSpec, macs, weights
from hwnas.profiling.choice import choose_whole
from hwnas.profiling.discipline import Discipline
from hwnas.protocols import SearchSpace, architecture_layers
from hwnas.units import BYTES_PER_FP32

CANARY = "canary"
OVERHEAD = "overhead"

BATCH_MODELS = 64
BATCH_BYTES = 128 * 2**20
_LAYER = "layer"
_CANARY_CANDIDATES = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """Models that are sent to the device together, and the order in which they are visited.

    Attributes:
        models: Layers of each model, by its name.
        visits: Visit number, unique in the plan, and name of the model.
    """

    models: Mapping[str, tuple[LayerSpec, ...]]
    visits: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole profile.

    Attributes:
        layers: The layers to measure; layer ``i`` is model ``layer<i>``.
        networks: Whole networks to measure; network ``i`` is model ``network<i>``.
        calibrating: How many of them, the first ones, the table will be fitted on; the others are
            held out.
        canary: The network whose time shows drift; in every batch, like the empty model.
        batches: All of the work.
    """

    layers: tuple[LayerSpec, ...]
    networks: tuple[tuple[LayerSpec, ...], ...]
    calibrating: int
    canary: tuple[LayerSpec, ...]
    batches: tuple[Batch, ...]

    @property
    def roles(self) -> tuple[tuple[tuple[LayerSpec, ...], bool], ...]:
        """Each whole network, and whether it is held out."""
        return tuple((one, i >= self.calibrating) for i, one in enumerate(self.networks))

    @property
    def visits(self) -> int:
        """Number of visits in all batches."""
        return sum(len(batch.visits) for batch in self.batches)

    def digest(self) -> str:
        """Fingerprint: an unfinished profile is continued only by the same plan."""
        return files.digest({"batches": [asdict(batch) for batch in self.batches]})


def layer_model(index: int) -> str:
    """Name of the model of a plan's layer."""
    return f"{_LAYER}{index}"


def is_layer_model(name: str) -> bool:
    """Whether a model of a plan is a single layer, not a whole network or the empty one."""
    return name.startswith(_LAYER)


def network_model(index: int) -> str:
    """Name of the model of a plan's whole network."""
    return f"network{index}"


def metered_visits(batch: Batch, blocks: int) -> frozenset[int]:
    """Numbers of the first visits to each whole network, the canary aside."""
    seen: Counter[str] = Counter()
    chosen = []
    for number, model in batch.visits:
        seen[model] += 1
        if seen[model] <= blocks and not (is_layer_model(model) or model in (CANARY, OVERHEAD)):
            chosen.append(number)
    return frozenset(chosen)


def make_plan(
    space: SearchSpace,
    known: Iterable[LayerSpec],
    *,
    canary: Sequence[LayerSpec],
    networks: int,
    held_out: int,
    seed: int,
    discipline: Discipline,
) -> Plan:
    """The plan for what a table lacks of a space.

    Args:
        space: The space.
        known: Layers that need not be measured.
        canary: The canary of the table that is extended; none to choose one.
        networks: Number of whole networks to fit the table on.
        held_out: Number of random whole networks to see how good it is.
        seed: Of order and choice.
        discipline: How thoroughly.
    """
    have = {*known}
    # another seed for a table that grows: its further networks shall be other ones
    rng = np.random.default_rng([seed, len(have)])
    chosen = tuple(canary) if canary else choose_canary(space, rng)
    layers = tuple(
        layer for layer in space.catalog.layers if layer.kind != "empty" and layer not in have
    )
    told, unseen = choose_whole(space, rng, networks=networks, held_out=held_out)
    whole_networks = tuple(architecture_layers(space, row) for row in (*told, *unseen))
    models = [(layer_model(i), (layers[i],)) for i in rng.permutation(len(layers))]
    work = [(group, discipline.layer_rounds) for group in groups(models)]
    work += network_work(whole_networks, rng, discipline=discipline)
    batches = []
    first = 0
    for group, rounds in work:
        batch = make_batch(
            {**group, OVERHEAD: ()}, canary=chosen, rounds=rounds, rng=rng, first=first,
            canary_every=discipline.canary_every,
        )  # fmt: skip
        first += len(batch.visits)
        batches.append(batch)
    return Plan(layers, whole_networks, len(told), chosen, tuple(batches))


def network_work(
    networks: Sequence[tuple[LayerSpec, ...]],
    rng: np.random.Generator,
    *,
    discipline: Discipline,
) -> list[tuple[dict[str, tuple[LayerSpec, ...]], int]]:
    """Groups of whole networks, grouped anew in each pass, and the visits to each in a group.

    Args:
        networks: Layers of each; network ``i`` is model ``network<i>``.
        rng: Of the groups.
        discipline: How often, and in how many passes.
    """
    shares = [len(part) for part in np.array_split(
        np.arange(discipline.network_rounds), discipline.network_passes
    )]  # fmt: skip
    return [
        (group, rounds)
        for rounds in shares
        if rounds
        for group in groups(
            [(network_model(i), networks[i]) for i in rng.permutation(len(networks))]
        )
    ]


def further_batches(
    plan: Plan, visits: Mapping[str, int], *, seed: int, first: int, discipline: Discipline
) -> tuple[Batch, ...]:
    """Batches that visit some of a plan's models again, the same for the same arguments.

    Args:
        plan: Whose models they are.
        visits: Further visits to each model, by its name.
        seed: Of the order.
        first: Number of the first visit.
        discipline: How often the canary is visited.
    """
    rng = np.random.default_rng([seed, first])
    known = {name: layers for batch in plan.batches for name, layers in batch.models.items()}
    batches = []
    for group in groups([(name, known[name]) for name, count in visits.items() if count]):
        batch = make_batch(
            group, canary=plan.canary, rounds=visits, rng=rng, first=first,
            canary_every=discipline.canary_every,
        )  # fmt: skip
        first += len(batch.visits)
        batches.append(batch)
    return tuple(batches)


def make_batch(
    models: Mapping[str, tuple[LayerSpec, ...]],
    *,
    canary: tuple[LayerSpec, ...],
    rounds: int | Mapping[str, int],
    rng: np.random.Generator,
    first: int,
    canary_every: int,
) -> Batch:
    """Every model once a round, in random order, the canary in between, first and last.

    Args:
        models: Layers of each model, by its name.
        canary: Layers of the canary; without any there is none.
        rounds: Visits to each model; one number for all, or each model's by its name.
        rng: Of the order.
        first: Number of the first visit.
        canary_every: Visits between two to the canary.
    """
    names = list(models)
    wanted = dict.fromkeys(names, rounds) if isinstance(rounds, int) else rounds
    order = [
        names[i]
        for done in range(max(wanted[name] for name in names))
        for i in rng.permutation(len(names))
        if wanted[names[i]] > done
    ]
    if canary:
        order = with_canary(order, canary_every)
        models = {**models, CANARY: canary}
    return Batch(models, tuple(enumerate(order, start=first)))


def with_canary(order: Sequence[str], every: int) -> list[str]:
    """An order of visits with the canary at both ends and after each ``every`` visits."""
    result = [CANARY]
    for start in range(0, len(order), every):
        result += [*order[start : start + every], CANARY]
    return result


def choose_canary(space: SearchSpace, rng: np.random.Generator) -> tuple[LayerSpec, ...]:
    """The network of median MACs among some random ones.

    What disturbs a device, such as a cache that others fill, slows small networks down less than
    large ones: one in the middle tells what becomes of most.
    """
    rows = space.sample(_CANARY_CANDIDATES, rng)
    networks = [architecture_layers(space, row) for row in rows]
    return sorted(networks, key=lambda layers: sum(macs(layer) for layer in layers))[
        len(networks) // 2
    ]


def groups(
    models: Sequence[tuple[str, tuple[LayerSpec, ...]]],
) -> list[dict[str, tuple[LayerSpec, ...]]]:
    """Models in groups that fit into a batch, in number and in bytes."""
    found: list[dict[str, tuple[LayerSpec, ...]]] = []
    size = 0
    for name, layers in models:
        grown = BYTES_PER_FP32 * sum(weights(layer) for layer in layers)
        if not found or size + grown > BATCH_BYTES or len(found[-1]) == BATCH_MODELS:
            found.append({})
            size = 0
        found[-1][name] = layers
        size += grown
    return found
