"""From visits to a table: drift divided out, layers and whole networks put in their places."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from hwnas.errors import UnstableError
from hwnas.latency_table import LatencyTable, LayerTiming, NetworkTiming
from hwnas.measurement import Measurement, Samples
from hwnas.profiling.energy import fit_energy
from hwnas.profiling.fit import fit, sums
from hwnas.profiling.plan import CANARY, OVERHEAD, Batch, Plan, layer_model, network_model
from hwnas.profiling.quality import quality

_DIGITS = 6  # of figures that are computed; raw samples are whole nanoseconds


def without_drift(
    batch: Batch, visits: Mapping[int, Samples], canary_ms: float
) -> dict[str, tuple[Samples, ...]]:
    """Samples of each model of a batch, each visit with the drift around it.

    Drift is what the canary took, interpolated between the visits to it before and after, as
    a ratio to what it usually takes.

    Args:
        batch: The batch.
        visits: Timings by visit number, all of the batch's.
        canary_ms: What the canary takes when drift is 1.
    """
    watched = [number for number, model in batch.visits if model == CANARY]
    ratios = [visits[number].median_ms / canary_ms for number in watched]
    found: dict[str, list[Samples]] = defaultdict(list)
    for number, model in batch.visits:
        drift = round(float(np.interp(number, watched, ratios)), 5) if watched else 1.0
        found[model].append(dataclasses.replace(visits[number], drift=drift))
    return {model: tuple(samples) for model, samples in found.items()}


def extend(
    table: LatencyTable, plan: Plan, visits: Mapping[int, Samples], *, canary_ms: float
) -> LatencyTable:
    """A table with what a plan measured added, and its quality stated anew.

    Args:
        table: The table so far. Drift is relative to its own ``canary_ms`` once it has sessions.
        plan: What was measured.
        visits: Timings by visit number, all of the plan's.
        canary_ms: What the canary usually took now.
    """
    if not table.sessions:
        table = dataclasses.replace(table, canary=plan.canary, canary_ms=canary_ms)
    samples: dict[str, tuple[Samples, ...]] = {OVERHEAD: table.overhead}
    for batch in plan.batches:
        for model, seen in without_drift(batch, visits, table.canary_ms).items():
            samples[model] = (*samples.get(model, ()), *seen)
    added = [LayerTiming(layer, samples[layer_model(i)]) for i, layer in enumerate(plan.layers)]
    grown = dataclasses.replace(table, layers=(*table.layers, *added), overhead=samples[OVERHEAD])
    positions = {timing.layer: i for i, timing in enumerate(grown.layers)}
    networks = [(network.layers, network.samples) for network in table.networks]
    networks += [
        (tuple(positions[layer] for layer in layers), samples[network_model(i)])
        for i, layers in enumerate(plan.networks)
    ]
    return _with_networks(grown, networks)


def _with_networks(
    table: LatencyTable, networks: Sequence[tuple[tuple[int, ...], tuple[Samples, ...]]]
) -> LatencyTable:
    """A table with the boundary and scale that its whole networks ask for.

    Each network is predicted with what the other half of them (every other one) asks for, so
    that no prediction has seen what it is compared with.

    Raises:
        UnstableError: Predictions of a network are not above 0.
    """
    if len(networks) < 2:
        return dataclasses.replace(table, networks=(), quality=None, energy=None)
    measured = np.array([Measurement(samples).median_ms for _, samples in networks])
    measured = measured.round(_DIGITS)
    overhead = min(dataclasses.replace(table, networks=()).overhead_ms, float(measured.min()))
    alone = np.array([timing.median_ms - overhead for timing in table.layers])
    costs = [alone[list(layers)] for layers, _ in networks]
    predicted = np.empty_like(measured)
    for half in (0, 1):
        boundary, scale = fit(costs[1 - half :: 2], measured[1 - half :: 2] - overhead)
        predicted[half::2] = overhead + scale * sums(costs[half::2], boundary)
    timings = tuple(
        NetworkTiming(layers, float(ms), round(float(expected), _DIGITS), samples)
        for (layers, samples), ms, expected in zip(networks, measured, predicted, strict=True)
    )
    boundary, scale = fit(costs, measured - overhead)
    if not (scale > 0 and (predicted > 0).all()):
        empty = Measurement(table.overhead).median_ms
        raise UnstableError(
            f"{len(networks)} whole networks on {table.device} took {np.median(measured):.4g} ms "
            f"(median) and a model without layers {empty:.4g} ms, which no sum of layers "
            "explains: was it busy or throttled? Delete what is left of this profile (its .work "
            "folder) and run the same command again."
        )
    return dataclasses.replace(
        table,
        boundary_ms=round(boundary, _DIGITS),
        scale=round(scale, _DIGITS),
        networks=timings,
        quality=quality(timings, overhead + sums(costs, 0.0)),
        energy=fit_energy(timings),
    )
