"""What whole networks say of a table's layers, and how good the table then is."""

import dataclasses
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from hwnas.calibration.isolated import Calibration, calibration
from hwnas.calibration.residual import residual
from hwnas.catalog import FloatArray
from hwnas.errors import HwnasWarning, InputError, UnstableError
from hwnas.latency_table import (
    LatencyTable,
    NetworkTiming,
    Quality,
    evidence_of,
    missed_by_sums,
    traits_of,
)
from hwnas.measurement import Measurement
from hwnas.profiling.energy import fit_energy
from hwnas.profiling.fit import fit
from hwnas.profiling.quality import mape, quality
from hwnas.table_predictor import padded

LEAST_HELD_OUT = 2  # networks; of fewer no error can be stated
_DIGITS = 6  # of figures that are computed


def fitted(table: LatencyTable) -> LatencyTable:
    """A table with what its whole networks say of its layers, and how good it then is.

    Boundary and scale, and what is learned of the errors of layers measured alone, are of the
    networks that are not held out; quality is of those that are.

    Raises:
        UnstableError: Predictions of a network are not above 0.

    Warns:
        HwnasWarning: The networks are too few, or too alike, to correct layers by.
    """
    scaled = _scaled(dataclasses.replace(table, calibration=None, residual=None))
    learned = _corrected(dataclasses.replace(scaled, calibration=_learned(scaled)))
    networks = _predicted(learned, scaled)
    if not all(network.predicted_ms > 0 for network in networks):
        raise _unexplained(table)
    done = dataclasses.replace(learned, networks=networks)
    return dataclasses.replace(
        done, quality=_quality(done, scaled), energy=fit_energy(done.networks)
    )


def _scaled(table: LatencyTable) -> LatencyTable:
    """A table with the boundary and scale that its networks ask for."""
    known = _known(table)
    if not known:
        return dataclasses.replace(table, boundary_ms=0.0, scale=1.0)
    boundary, scale = _fit(table, known)
    if not scale > 0:
        raise _unexplained(table)
    return dataclasses.replace(
        table, boundary_ms=round(boundary, _DIGITS), scale=round(scale, _DIGITS)
    )


def _learned(table: LatencyTable) -> Calibration | None:
    """Errors of layers measured alone; None where the networks cannot tell."""
    if not _known(table):
        return None
    try:
        return calibration(evidence_of(table))
    except InputError as error:
        warnings.warn(
            f"Layers of {table.device} are not corrected by whole networks, and latencies have no "
            f"stated uncertainty: {error}",
            HwnasWarning,
            stacklevel=2,
        )
        return None


def _corrected(table: LatencyTable) -> LatencyTable:
    """A table with a second model beside its sums, where they fail and it does better."""
    if table.calibrated is None:
        return table
    rows, missed = missed_by_sums(table)
    halves = np.array([Measurement(network.samples).halves_ms for network in _known(table)])
    found = residual(
        rows, missed, traits=traits_of(table), repeatability=mape(halves[:, 0], halves[:, 1])
    )
    return dataclasses.replace(table, residual=found)


def _predicted(table: LatencyTable, scaled: LatencyTable) -> tuple[NetworkTiming, ...]:
    """All networks, each with what the table says without having seen it."""
    known = iter(_without_each(table, scaled))
    unseen = [n.layers for n in table.networks if n.held_out]
    means, stds = _latencies(table, unseen)
    others = iter(zip(means, stds if stds is not None else [None] * len(means), strict=True))
    found = []
    for network in table.networks:
        mean, std = next(others if network.held_out else known)
        rounded = None if std is None else round(float(std), _DIGITS)
        found.append(
            dataclasses.replace(
                network, predicted_ms=round(float(mean), _DIGITS), predicted_std_ms=rounded
            )
        )
    return tuple(found)


def _without_each(
    table: LatencyTable, scaled: LatencyTable
) -> Iterator[tuple[float, float | None]]:
    """What is expected of each network that the table is fitted on, from the others alone."""
    found = table.calibrated
    if found is not None:
        means, stds = found.left_out_ms, found.left_out_std_ms
        if table.predictor.correction is not None:
            missed, deviation = table.predictor.correction.left_out(missed_by_sums(table)[1])
            means, stds = means * (1 + missed), means * deviation
        yield from zip(means, stds, strict=True)
        return
    known = _known(table)
    for i, network in enumerate(known):
        boundary, scale = _fit(scaled, known[:i] + known[i + 1 :] or known)
        alone = dataclasses.replace(scaled, boundary_ms=boundary, scale=scale)
        yield float(_latencies(alone, [network.layers])[0][0]), None


def _quality(table: LatencyTable, scaled: LatencyTable) -> Quality | None:
    held_out = [network for network in table.networks if network.held_out]
    if len(held_out) < LEAST_HELD_OUT:
        return None
    layers = [network.layers for network in held_out]
    plain = dataclasses.replace(scaled, boundary_ms=0.0, scale=1.0)
    return quality(
        held_out, calibrated_on=len(table.networks) - len(held_out),
        sums=_latencies(plain, layers)[0], scaled=_latencies(scaled, layers)[0],
    )  # fmt: skip


def _latencies(
    table: LatencyTable, networks: Sequence[Sequence[int]]
) -> tuple[FloatArray, FloatArray | None]:
    """Means and deviations of networks given as positions in the table."""
    indices = padded(networks)
    return table.predictor.means(indices), table.predictor.deviations(indices)


def _fit(table: LatencyTable, known: Sequence[NetworkTiming]) -> tuple[float, float]:
    alone = np.array([timing.median_ms - table.empty_ms for timing in table.layers])
    costs = [alone[list(network.layers)] for network in known]
    return fit(costs, np.array([network.measured_ms for network in known]) - table.empty_ms)


def _known(table: LatencyTable) -> list[NetworkTiming]:
    return [network for network in table.networks if not network.held_out]


def _unexplained(table: LatencyTable) -> UnstableError:
    measured = [network.measured_ms for network in table.networks]
    empty = Measurement(table.overhead).median_ms
    return UnstableError(
        f"{len(measured)} whole networks on {table.device} took {np.median(measured):.4g} ms "
        f"(median) and a model without layers {empty:.4g} ms, which no sum of layers "
        "explains: was it busy or throttled? Delete what is left of this profile (its .work "
        "folder) and run the same command again."
    )
