"""A table of a new device from few whole networks and the tables of other devices."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwnas.calibration import choose_networks, layer_counts
from hwnas.calibration.regression import LEAST_NETWORKS
from hwnas.catalog import FloatArray, IntArray
from hwnas.devices import Device
from hwnas.errors import InputError
from hwnas.imported_table import AnyTable
from hwnas.latency_table import (
    LatencyTable,
    LayerTiming,
    NetworkTiming,
    profile_command,
    table_path,
)
from hwnas.measurement import Measurement
from hwnas.profiling.choice import distinct
from hwnas.profiling.discipline import Discipline
from hwnas.profiling.networks import NETWORK_DISCIPLINE
from hwnas.profiling.plan import choose_canary
from hwnas.profiling.sample_log import exclusive
from hwnas.profiling.table import HELD_OUT, empty_table
from hwnas.profiling.target import Target
from hwnas.profiling.transfer_batches import Batches
from hwnas.profiling.transfer_quality import with_quality
from hwnas.progress import Progress, silent
from hwnas.protocols import SearchSpace
from hwnas.table_transfer import Donor, Transferred, known_devices, transferred_posterior

LEAST_MEASUREMENTS = LEAST_NETWORKS + 2
MEASUREMENTS = 10
"""Whole networks that a table is transferred by, unless another number is asked for."""

_CANDIDATES = 512
_REFERENCES = 256  # in which the mean variance is lowered
_TYPICAL = 128
_EXPECTED_NOISE = 0.1  # of the variance of latencies
_DIGITS = 6


def transfer_table(
    device: Device,
    space: SearchSpace,
    donors: Sequence[tuple[Path, AnyTable]],
    *,
    folder: Path,
    runtime: str = "onnxruntime",
    precision: str = "fp32",
    threads: int = 1,
    measurements: int = MEASUREMENTS,
    held_out: int = HELD_OUT,
    seed: int = 0,
    discipline: Discipline = NETWORK_DISCIPLINE,
    on_progress: Progress = silent,
) -> LatencyTable:
    """Measure a few whole networks, and write a table whose layers come from other tables.

    Half of the networks are those that tell most beforehand; the others tell most given what was
    measured until then. Further random ones are measured with the first to state the table's
    error. Interrupted, the same call goes on where it was. The table that an earlier transfer
    wrote is replaced.

    Args:
        device: The new device.
        space: Whose layers the table shall hold.
        donors: Files and tables of other devices, runtimes or precisions that hold these layers.
        folder: The ``latency_tables`` folder that the table belongs to.
        runtime: File name of the runtime.
        precision: Of the models.
        threads: Of every operator.
        measurements: Whole networks to learn from.
        held_out: Random whole networks to state the table's quality by.
        seed: Of the weights, the order and the choice of networks.
        discipline: How thoroughly.
        on_progress: Told after each visit.

    Raises:
        InputError: There is no donor, too few networks are asked for or are in the space, or
            layers were measured on this device already.
        DeviceError: The device was lost or cannot run a network.
        RunInUseError: Another process measures the same table.
        StorageError: Something could not be written.
    """
    _check(measurements, held_out, donors)
    target = Target(device, runtime, precision, threads)
    path = table_path(
        folder, device.name, space=space.name, runtime=runtime, precision=precision, threads=threads
    )
    _check_not_measured(path)
    rng = np.random.default_rng(seed)
    unseen, pool = _candidates(space, rng, held_out=held_out, measurements=measurements)
    transferred = _transferred(space, donors, typical=pool[:_TYPICAL])
    table = dataclasses.replace(
        empty_table(target),
        space=json.loads(json.dumps(space.definition())),  # as it will be read back
        canary=choose_canary(space, rng),
        layers=tuple(LayerTiming(layer, ()) for layer in space.catalog.layers[1:]),
        transferred=transferred,
    )
    work = path.with_suffix(".transfer")
    command = profile_command(
        device.name, space=space.name, runtime=runtime, precision=precision, threads=threads
    )
    with exclusive(work):
        batches = Batches(
            target, work, seed=seed, discipline=discipline, on_progress=on_progress,
            command=f"{command} --transfer --measurements {measurements}",
        )  # fmt: skip
        counts = layer_counts(pool + 1, len(table.layers) + 1)[:, 1:]
        left = np.arange(len(pool))
        for size in _sizes(measurements):
            chosen = left[_informative(table, transferred, counts[left], size)]
            left = np.setdiff1d(left, chosen)
            held_out_now = () if table.networks else tuple(unseen)
            table = _extended(table, batches, told=pool[chosen], held_out=held_out_now)
        table = with_quality(table, transferred)
        table.write(path)
    shutil.rmtree(work, ignore_errors=True)
    return table


def _check(measurements: int, held_out: int, donors: Sequence[tuple[Path, AnyTable]]) -> None:
    if measurements < LEAST_MEASUREMENTS:
        raise InputError(
            f"{measurements} whole networks cannot tell a device from others; measure "
            f"{LEAST_MEASUREMENTS} or more, better {MEASUREMENTS}."
        )
    if held_out < 0 or held_out == 1:
        raise InputError(
            f"{held_out} held-out networks cannot tell an error; ask for none, or for 2 and more."
        )
    if not donors:
        raise InputError("Without a table of another device nothing can be transferred.")


def _check_not_measured(path: Path) -> None:
    if path.exists() and LatencyTable.read(path).transferred is None:
        raise InputError(
            f"{path} holds layers that were measured on this device, which needs no transfer; "
            "move it away to have one from other devices."
        )


def _candidates(
    space: SearchSpace, rng: np.random.Generator, *, held_out: int, measurements: int
) -> tuple[IntArray, IntArray]:
    """Networks to hold out and others to choose from, as places in the table, -1 for no layer."""
    count = held_out + max(_CANDIDATES, measurements)
    places = np.asarray(space.layer_indices(distinct(space.sample(count, rng), count))) - 1
    if len(places) < held_out + measurements:
        raise InputError(
            f"Space {space.name} has hardly more than {len(places)} networks, fewer than "
            f"{measurements} measurements and {held_out} held out; ask for fewer."
        )
    return places[:held_out], places[held_out:]


def _transferred(
    space: SearchSpace, donors: Sequence[tuple[Path, AnyTable]], *, typical: IntArray
) -> Transferred:
    """What the donors say of a space's layers."""
    tables = [table for _, table in donors]
    costs = [table.layer_ms(space.catalog, space_name=space.name)[1:] for table in tables]
    return Transferred(
        donors=tuple(_donor(path, table) for path, table in donors),
        costs_ms=tuple(tuple(float(f"{ms:.6g}") for ms in row) for row in np.stack(costs, axis=1)),
        typical=tuple(map(_present, typical)),
    )


def _donor(path: Path, table: AnyTable) -> Donor:
    quality = table.quality if isinstance(table, LatencyTable) else None
    return Donor(
        table.device, table.runtime, table.precision, table.threads,
        None if quality is None else quality.mape,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )  # fmt: skip


def _sizes(count: int) -> list[int]:
    """Of batches: half of all, then the others in two parts."""
    first = max(LEAST_NETWORKS, (count + 1) // 2)
    second = (count - first + 1) // 2
    return [size for size in (first, second, count - first - second) if size]


def _informative(
    table: LatencyTable, transferred: Transferred, counts: FloatArray, size: int
) -> IntArray:
    """Which candidates to measure next."""
    layers = [timing.layer for timing in table.layers]
    if table.networks:
        known = transferred_posterior(transferred, layers, table.networks)
        covariance, noise = known.covariance[:-1, :-1], known.noise_ms**2
    else:
        covariance = known_devices(transferred, layers).expected_covariance()
        noise = _EXPECTED_NOISE
    centred = counts - counts.mean(axis=0)
    return choose_networks(
        centred, size, covariance=covariance, noise=noise, criterion="A",
        reference=centred[:_REFERENCES],
    )  # fmt: skip


def _extended(
    table: LatencyTable, batches: Batches, *, told: IntArray, held_out: Sequence[IntArray]
) -> LatencyTable:
    """The table with networks to learn from and networks held out, just measured."""
    networks = [(_present(row), False) for row in told] + [
        (_present(row), True) for row in held_out
    ]
    specs = [tuple(table.layers[i].layer for i in layers) for layers, _ in networks]
    measured, canary_ms = batches.measure(specs, table)
    added = [
        _timing(layers, one, unseen)
        for (layers, unseen), one in zip(networks, measured, strict=True)
    ]
    origin = measured[0].provenance
    return dataclasses.replace(
        table,
        canary_ms=canary_ms,
        sessions=table.sessions if origin is None else (*table.sessions, origin),
        networks=(*table.networks, *added),
    )


def _timing(layers: tuple[int, ...], measured: Measurement, held_out: bool) -> NetworkTiming:
    median = round(measured.median_ms, _DIGITS)
    return NetworkTiming(layers, median, median, measured.samples, held_out)


def _present(places: IntArray) -> tuple[int, ...]:
    return tuple(int(place) for place in places if place >= 0)
