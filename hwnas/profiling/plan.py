"""What a profile measures, in which batches, and in which order: the same for the same request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from hwnas import files
from hwnas.layers import LayerSpec, macs, weights
from hwnas.protocols import SearchSpace, architecture_layers
from hwnas.units import BYTES_PER_FP32

CANARY = "canary"
OVERHEAD = "overhead"

BATCH_MODELS = 64
BATCH_BYTES = 128 * 2**20
_LAYER = "layer"
_CANARY_CANDIDATES = 32


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a visit to a model lasts.

    Attributes:
        warm_up_runs: Inferences before the first sample.
        min_samples: Least number of samples.
        max_samples: Most samples.
        visit_ms: Time after which a visit ends once it has ``min_samples``.
        min_sample_us: Models shorter than this run several times for each sample.
    """

    warm_up_runs: int = 2
    min_samples: int = 5
    max_samples: int = 20
    visit_ms: float = 10.0
    min_sample_us: float = 100.0


@dataclass(frozen=True, slots=True)
class Discipline:
    """How thoroughly a profile measures.

    Attributes:
        timing: Of each visit.
        layer_rounds: Visits to each layer.
        network_rounds: Visits to each whole network; even, for two interleaved halves.
        canary_every: Visits between two visits to the canary network.
    """

    timing: Timing = Timing()
    layer_rounds: int = 5
    network_rounds: int = 8
    canary_every: int = 6


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
        canary: The network whose time shows drift; in every batch, like the empty model.
        batches: All of the work.
    """

    layers: tuple[LayerSpec, ...]
    networks: tuple[tuple[LayerSpec, ...], ...]
    canary: tuple[LayerSpec, ...]
    batches: tuple[Batch, ...]

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


def make_plan(
    space: SearchSpace,
    known: Iterable[LayerSpec],
    *,
    canary: Sequence[LayerSpec],
    whole_networks: int,
    seed: int,
    discipline: Discipline,
) -> Plan:
    """The plan for what a table lacks of a space.

    Args:
        space: The space.
        known: Layers that need not be measured.
        canary: The canary of the table that is extended; none to choose one.
        whole_networks: Number of random networks to measure as a whole.
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
    networks = tuple(architecture_layers(space, row) for row in space.sample(whole_networks, rng))
    models = [(layer_model(i), (layers[i],)) for i in rng.permutation(len(layers))]
    whole = [(network_model(i), network) for i, network in enumerate(networks)]
    work = [(group, discipline.layer_rounds) for group in _groups(models)]
    work += [(group, discipline.network_rounds) for group in _groups(whole)]
    batches = []
    first = 0
    for group, rounds in work:
        batch = make_batch(
            {**group, OVERHEAD: ()}, canary=chosen, rounds=rounds, rng=rng, first=first,
            canary_every=discipline.canary_every,
        )  # fmt: skip
        first += len(batch.visits)
        batches.append(batch)
    return Plan(layers, networks, chosen, tuple(batches))


def make_batch(
    models: Mapping[str, tuple[LayerSpec, ...]],
    *,
    canary: tuple[LayerSpec, ...],
    rounds: int,
    rng: np.random.Generator,
    first: int,
    canary_every: int,
) -> Batch:
    """Every model once a round, in random order, the canary in between, first and last.

    Args:
        models: Layers of each model, by its name.
        canary: Layers of the canary; without any there is none.
        rounds: Visits to each model.
        rng: Of the order.
        first: Number of the first visit.
        canary_every: Visits between two to the canary.
    """
    names = list(models)
    order = [names[i] for _ in range(rounds) for i in rng.permutation(len(names))]
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
    """The network with the fewest MACs of some random ones: it is timed most often of all."""
    rows = space.sample(_CANARY_CANDIDATES, rng)
    networks = [architecture_layers(space, row) for row in rows]
    return min(networks, key=lambda layers: sum(macs(layer) for layer in layers))


def _groups(
    models: Sequence[tuple[str, tuple[LayerSpec, ...]]],
) -> list[dict[str, tuple[LayerSpec, ...]]]:
    """Models in groups that fit into a batch, in number and in bytes."""
    groups: list[dict[str, tuple[LayerSpec, ...]]] = []
    size = 0
    for name, layers in models:
        grown = BYTES_PER_FP32 * sum(weights(layer) for layer in layers)
        if not groups or size + grown > BATCH_BYTES or len(groups[-1]) == BATCH_MODELS:
            groups.append({})
            size = 0
        groups[-1][name] = layers
        size += grown
    return groups
