"""What a meter said of whole networks, as a power that turns latencies into energies."""

import statistics
import warnings
from collections.abc import Sequence

import numpy as np

from hwnas.errors import HwnasWarning
from hwnas.latency_table import EnergyFit, NetworkTiming
from hwnas.measurement import EnergyBlock
from hwnas.profiling.quality import mape, spearman
from hwnas.units import MS_PER_S

_DIGITS = 3


def fit_energy(networks: Sequence[NetworkTiming]) -> EnergyFit | None:
    """The power that networks draw, with the error of energies predicted from latencies.

    Each network is predicted with the power of the other half of them (every other one), times
    its latency as it was predicted with what that half asks for.

    Args:
        networks: Of a table, in its order.

    Returns:
        None where a half has no network that a meter was read for. Of several meters the last
        counts.
    """
    blocks = {i: _blocks(network) for i, network in enumerate(networks)}
    meter = next((found[-1].meter for found in reversed(blocks.values()) if found), None)
    ours = {i: [one for one in found if one.meter == meter] for i, found in blocks.items()}
    rows = np.array([i for i, found in ours.items() if found], dtype=int)
    if meter is None or len({*(rows % 2)}) < 2:
        return None
    energies = np.array([_median_mj(ours[i]) for i in rows])
    if (energies <= 0).any():
        warnings.warn(
            f"Meter {meter} saw {(energies <= 0).sum()} of {len(rows)} networks take no more power "
            "than the idle device, so that energy stays a model: make energy.block_s in the "
            "device's file longer, or leave the device alone while it is measured.",
            HwnasWarning,
            stacklevel=2,
        )
        return None
    powers = MS_PER_S * energies / np.array([networks[i].measured_ms for i in rows])
    predicted = np.array([networks[i].predicted_ms for i in rows]) / MS_PER_S
    for half in (0, 1):
        predicted[rows % 2 == half] *= np.median(powers[rows % 2 != half])
    return EnergyFit(
        meter=meter,
        active_mw=round(float(np.median(powers)), _DIGITS),
        networks=len(rows),
        mape=round(100 * mape(predicted, energies), _DIGITS),
        bias=round(100 * float(np.mean(predicted / energies - 1)), _DIGITS),
        spearman=round(spearman(predicted, energies), 4),
        repeatability_mape=_repeatability([ours[i] for i in rows]),
    )


def _blocks(network: NetworkTiming) -> list[EnergyBlock]:
    return [visit.energy for visit in network.samples if visit.energy is not None]


def _median_mj(blocks: Sequence[EnergyBlock]) -> float:
    return statistics.median(block.inference_mj for block in blocks)


def _repeatability(networks: Sequence[Sequence[EnergyBlock]]) -> float | None:
    if min(map(len, networks)) < 2:
        return None
    first, second = (np.array([_median_mj(found[i::2]) for found in networks]) for i in (0, 1))
    return round(100 * mape(first, second), _DIGITS) if (second != 0).all() else None
