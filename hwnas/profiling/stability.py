"""Which stretches of a profile can be believed, what is measured again, and when to give up."""

import statistics
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwnas.errors import UnstableError, UnsteadyWarning
from hwnas.measurement import Samples, Stability
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.profiling.plan import CANARY, OVERHEAD, Batch, Plan, further_batches, is_layer_model

_DIGITS = 6  # of milliseconds, as in a table
_ENOUGH = 0.5  # of the visits that were planned for a model
_MOSTLY = 0.5  # of the visits of a try


@dataclass(frozen=True, slots=True)
class Stretch:
    """The visits between two visits to the canary.

    Attributes:
        visits: Number of each visit, and name of its model.
        ends_ms: What the canary took before and after.
        scatter: Interquartile range of its samples relative to their median, at the worse end.
    """

    visits: tuple[tuple[int, str], ...]
    ends_ms: tuple[float, float]
    scatter: float

    @property
    def step(self) -> float:
        """Ratio of the slower end to the faster one."""
        return max(self.ends_ms) / min(self.ends_ms)


@dataclass(frozen=True, slots=True)
class Review:
    """What the canary says of everything measured so far.

    Attributes:
        usual_ms: What the canary takes in steady stretches; their median.
        stretches: All stretches, in order.
        drifted: Those among them that have drifted.
        canary_ms: What each visit to the canary took.
    """

    usual_ms: float
    stretches: tuple[Stretch, ...]
    drifted: tuple[Stretch, ...]
    canary_ms: tuple[float, ...]

    @property
    def drifted_visits(self) -> frozenset[int]:
        """Numbers of the visits in drifted stretches."""
        return frozenset(number for stretch in self.drifted for number, _ in stretch.visits)


def review(batches: Sequence[Batch], visits: Mapping[int, Samples], limits: Steadiness) -> Review:
    """What the canary says of batches that were measured.

    What is usual is taken from stretches that are steady in themselves, so that a device which is
    shared half of the time still has the usual time of its quiet half.

    Args:
        batches: The batches, each with the canary at both ends.
        visits: Timings by visit number, all of the batches'.
        limits: What counts as drifted.
    """
    watched = [visits[n] for batch in batches for n, model in batch.visits if model == CANARY]
    allowed = max(limits.max_scatter, 2 * statistics.median(map(_scatter, watched)))
    found = tuple(stretch for batch in batches for stretch in _stretches(batch, visits))
    steady = {s for s in found if s.step <= limits.max_step and s.scatter <= allowed}
    canary_ms = tuple(samples.median_ms for samples in watched)
    usual = statistics.median([ms for stretch in steady for ms in stretch.ends_ms] or canary_ms)
    drifted = tuple(
        stretch
        for stretch in found
        if stretch not in steady or max(stretch.ends_ms) > usual * limits.max_level
    )
    return Review(round(usual, _DIGITS), found, drifted, canary_ms)


def in_turn(
    plan: Plan,
    visits: Mapping[int, Samples],
    *,
    seed: int,
    discipline: Discipline,
) -> Iterator[Batch]:
    """Batches to measure: a plan's, then further ones for what lies in drifted stretches.

    Further ones depend on nothing but what was measured before, so that an interrupted profile goes
    on with the same batches; they count as a try where any of it is not measured yet. After a try
    that was mostly spent in drifted stretches it is no use to go on now.

    Args:
        plan: The plan.
        visits: Timings by visit number; those of a batch must be there before the next is asked
            for.
        seed: Of the order.
        discipline: What counts as drifted, and how often it is measured again.
    """
    yield from plan.batches
    begun, limits = plan.batches, discipline.steadiness
    tries = 0
    while tries < limits.tries:
        drifted = review(begun, visits, limits).drifted_visits
        first = sum(len(batch.visits) for batch in begun)
        further = further_batches(
            plan, _lacking(plan, begun, drifted), seed=seed, first=first, discipline=discipline
        )
        made = [number for batch in further for number, model in batch.visits if model != CANARY]
        fresh = any(number not in visits for number in made)
        yield from further
        begun += further
        tries += fresh
        bad = review(begun, visits, limits).drifted_visits.intersection(made)
        if not further or (fresh and len(bad) > _MOSTLY * len(made)):
            return


def settled(
    plan: Plan, batches: Sequence[Batch], found: Review, *, limits: Steadiness, device: str
) -> tuple[tuple[Batch, ...], Stability]:
    """Batches without the visits that are not to be believed, and how steady the device was.

    A model with enough visits in steady stretches keeps these alone, another one keeps all.

    Args:
        plan: The plan.
        batches: All that were measured.
        found: What the canary says of them.
        limits: How much may be unsteady.
        device: Its name, for the error.

    Raises:
        UnstableError: Too many models lack visits in steady stretches.

    Warns:
        UnsteadyWarning: Some do.
    """
    drifted = found.drifted_visits
    wanted, lacks = _visits(plan.batches), _lacking(plan, batches, drifted)
    poor = {model for model, count in lacks.items() if count > _ENOUGH * wanted[model]}
    unsettled = poor - {OVERHEAD}
    low, high = np.quantile(found.canary_ms, (0.05, 0.95)) / found.usual_ms
    stability = Stability(
        len(found.stretches), len(found.drifted), len(unsettled), round(float(low), 3),
        round(float(high), 3),
    )  # fmt: skip
    layers = sum(map(is_layer_model, unsettled))
    counts = ((layers, len(plan.layers)), (len(unsettled) - layers, len(plan.networks)))
    if any(bad > limits.max_unsettled * count for bad, count in counts):
        raise UnstableError(
            f"Device {device} was too unsteady for a latency table: "
            f"{_in_numbers(stability, found.usual_ms, counts)}. Close other programs, let the "
            "device cool or pin its cores (measuring in its file), then run the same command "
            "again: steady visits are kept. --accept-unsteady takes the table as it is."
        )
    if unsettled:
        warnings.warn(
            f"Device {device} was unsteady: {_in_numbers(stability, found.usual_ms, counts)}; "
            "what was measured meanwhile counts for these.",
            UnsteadyWarning,
            stacklevel=3,
        )
    kept = tuple(
        replace(
            batch,
            visits=tuple(one for one in batch.visits if one[1] in poor or one[0] not in drifted),
        )
        for batch in batches
    )
    return kept, stability


def _in_numbers(found: Stability, usual_ms: float, counts: Sequence[tuple[int, int]]) -> str:
    (layers, all_layers), (networks, all_networks) = counts
    return (
        f"its speed changed, or something else ran, in {found.drifted} of {found.stretches} "
        "stretches between visits to the canary network, which took "
        f"{found.canary_low:.2f} to {found.canary_high:.2f} times its usual {usual_ms:.4g} ms, and "
        f"{layers} of {all_layers} layers and {networks} of {all_networks} whole networks lack "
        "steady visits"
    )


def _stretches(batch: Batch, visits: Mapping[int, Samples]) -> Iterator[Stretch]:
    between: list[tuple[int, str]] = []
    before: Samples | None = None
    for number, model in batch.visits:
        if model != CANARY:
            between.append((number, model))
            continue
        after = visits[number]
        if before is not None and between:
            yield Stretch(
                tuple(between),
                (before.median_ms, after.median_ms),
                max(_scatter(before), _scatter(after)),
            )
        before, between = after, []


def _scatter(samples: Samples) -> float:
    low, middle, high = np.quantile(samples.ns, (0.25, 0.5, 0.75))
    return float((high - low) / middle)


def _lacking(plan: Plan, batches: Sequence[Batch], drifted: frozenset[int]) -> dict[str, int]:
    """Visits in steady stretches that each model of a plan lacks."""
    steady = _visits(batches, drifted)
    return {model: max(0, count - steady[model]) for model, count in _visits(plan.batches).items()}


def _visits(batches: Sequence[Batch], without: frozenset[int] = frozenset()) -> Counter[str]:
    """Number of visits to each model, those to the canary aside."""
    return Counter(
        model
        for batch in batches
        for number, model in batch.visits
        if model != CANARY and number not in without
    )
