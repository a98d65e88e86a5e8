"""How good a transferred table is, by networks that it was not fitted on."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.latency_table import LatencyTable, NetworkTiming, Quality
from hwnas.profiling.energy import fit_energy
from hwnas.profiling.fitting import LEAST_HELD_OUT
from hwnas.profiling.quality import mape, quality
from hwnas.table_predictor import Predictor, padded
from hwnas.table_transfer import Transferred, transferred_predictor

_DIGITS = 6
_LEAST = 0.01  # of what was measured: latencies below 0 are none


def with_quality(table: LatencyTable, transferred: Transferred) -> LatencyTable:
    """A transferred table with what it predicts of each network, unseen, and its error by these."""
    layers = [timing.layer for timing in table.layers]
    found = []
    for network in table.networks:
        predictor = table.predictor
        if not network.held_out:
            rest = [one for one in table.networks if one is not network]
            predictor = transferred_predictor(transferred, layers, rest)
        found.append(_predicted(network, predictor))
    done = dataclasses.replace(table, networks=tuple(found))
    return dataclasses.replace(
        done, quality=_quality(done, transferred), energy=fit_energy(done.networks)
    )


def _predicted(network: NetworkTiming, predictor: Predictor) -> NetworkTiming:
    indices = padded([network.layers])
    mean, std = float(predictor.means(indices)[0]), predictor.deviations(indices)
    return dataclasses.replace(
        network,
        predicted_ms=round(max(mean, _LEAST * network.measured_ms), _DIGITS),
        predicted_std_ms=None if std is None else round(float(std[0]), _DIGITS),
    )


def _quality(table: LatencyTable, transferred: Transferred) -> Quality | None:
    held_out = [network for network in table.networks if network.held_out]
    known = [network for network in table.networks if not network.held_out]
    if len(held_out) < LEAST_HELD_OUT:
        return None
    seen, measured = _on_donors(transferred, known), np.array([one.measured_ms for one in known])
    # one factor for each donor, with which its sums err least in relative terms
    factors = (seen / measured[:, None]).sum(axis=0) / ((seen / measured[:, None]) ** 2).sum(axis=0)
    errors = [mape(factor * sums, measured) for factor, sums in zip(factors, seen.T, strict=True)]
    nearest = int(np.argmin(errors))
    sums = _on_donors(transferred, held_out)[:, nearest]
    return quality(held_out, calibrated_on=len(known), sums=sums, scaled=factors[nearest] * sums)


def _on_donors(transferred: Transferred, networks: Sequence[NetworkTiming]) -> FloatArray:
    """What layers of networks sum up to on each donor, shape (networks, donors)."""
    costs = np.array(transferred.costs_ms)
    return np.stack([costs[list(network.layers)].sum(axis=0) for network in networks])
