"""What tables of other devices say of layers that nobody measured on the device of a table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hwnas import files
from hwnas.calibration import KnownDevices, Posterior, layer_counts, transfer
from hwnas.calibration.layer_layout import layer_layout
from hwnas.catalog import FloatArray, LayerCatalog
from hwnas.layers import LayerSpec
from hwnas.table_entries import NetworkTiming
from hwnas.table_predictor import Predictor, padded


@dataclass(frozen=True, slots=True)
class Donor:
    """A table whose layers were measured, or published by others.

    Attributes:
        device: Name of its device.
        runtime: What ran the layers; empty where it is not known.
        precision: Of the layers.
        threads: Of the runtime; None where it is not known.
        mape: Its own held-out error in percent; None where it states none.
        sha256: Digest of its file.
    """

    device: str
    runtime: str
    precision: str
    threads: int | None
    mape: float | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """What layers cost elsewhere; with whole networks of a device it gives that device's costs.

    Attributes:
        donors: Where.
        costs_ms: Of each layer of the table on each donor, shape (layers, donors).
        typical: Random networks of the space, as positions in the table, in whose latencies the
            donors are compared.
        statement: What the table is, in words.
    """

    donors: tuple[Donor, ...]
    costs_ms: tuple[tuple[float, ...], ...]
    typical: tuple[tuple[int, ...], ...]
    statement: str = (
        "Transferred: no layer was measured on this device. Costs are those of layers on the "
        "donors, mixed and corrected as whole networks measured on this device ask for."
    )

    __pydantic_config__ = files.STRICT


def known_devices(transferred: Transferred, layers: Sequence[LayerSpec]) -> KnownDevices:
    """The donors, over a table's layers."""
    catalog = LayerCatalog(layers)
    quantities = [catalog.macs, catalog.weights, catalog.moved, np.ones(len(catalog))]
    return KnownDevices(
        np.array(transferred.costs_ms),
        layer_layout(layers),
        _counts(transferred.typical, len(layers)),
        np.stack(quantities, axis=1)[1:],  # a catalog begins with the empty layer
    )


def transferred_posterior(
    transferred: Transferred, layers: Sequence[LayerSpec], networks: Sequence[NetworkTiming]
) -> Posterior:
    """Costs of a table's layers after networks were measured, those held out aside."""
    known = [network for network in networks if not network.held_out]
    return transfer(
        _counts([network.layers for network in known], len(layers)),
        np.array([network.measured_ms for network in known]),
        known=known_devices(transferred, layers),
    )


def transferred_predictor(
    transferred: Transferred, layers: Sequence[LayerSpec], networks: Sequence[NetworkTiming]
) -> Predictor:
    """What predicts latencies of a device without layers of its own."""
    return Predictor.of(transferred_posterior(transferred, layers, networks), 0.0, None)


def transfer_faults(transferred: Transferred, layers: Sequence[LayerSpec]) -> Iterator[str]:
    """What no transfer can have written, in words."""
    donors = len(transferred.donors)
    if not donors or len(transferred.costs_ms) != len(layers):
        yield f"transferred holds costs of {len(transferred.costs_ms)} layers on {donors} donors"
    if not all(len(row) == donors and all(map(math.isfinite, row)) for row in transferred.costs_ms):
        yield "transferred holds costs that are not finite, or not of every donor"
    if not all(0 <= place < len(layers) for row in transferred.typical for place in row):
        yield "transferred.typical names a layer that the table does not hold"


def _counts(networks: Sequence[Sequence[int]], layers: int) -> FloatArray:
    return layer_counts(padded(networks), layers + 1)[:, 1:]
