"""From visits to a table: drift divided out, layers and whole networks put in their places."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from hwnas.latency_table import LatencyTable, LayerTiming, NetworkTiming
from hwnas.measurement import Measurement, Samples
from hwnas.profiling.fitting import fitted
from hwnas.profiling.plan import CANARY, OVERHEAD, Batch, Plan, layer_model, network_model

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
    measured = [
        _measured([positions[layer] for layer in layers], samples[network_model(i)], held_out)
        for i, (layers, held_out) in enumerate(plan.roles)
    ]
    return fitted(dataclasses.replace(grown, networks=(*table.networks, *measured)))


def _measured(layers: Sequence[int], samples: tuple[Samples, ...], held_out: bool) -> NetworkTiming:
    median = round(Measurement(samples).median_ms, _DIGITS)
    return NetworkTiming(tuple(layers), median, median, samples, held_out)
