"""What is known of populations of architectures without training or measuring them."""

from collections.abc import Mapping, Sequence

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.devices import Device, load_device
from hwnas.errors import InputError, UnknownNameError
from hwnas.estimators.cost_model import ENERGY, OBJECTIVES, layer_costs, population_cost
from hwnas.estimators.latency_table import LATENCY
from hwnas.imported_table import AnyTable
from hwnas.latency_table import LatencyTable
from hwnas.protocols import SearchSpace
from hwnas.spaces.precision_choice import PrecisionSpace
from hwnas.units import PRECISIONS

_BLOCK = 4096
"""Architectures costed at once: their layer indices stay in a core's cache."""


def costs(
    space: SearchSpace,
    genes: IntArray,
    *,
    table: AnyTable | None = None,
    device: Device | str | None = None,
    precision: str = "fp32",
    others: Sequence[AnyTable | Device | str] = (),
) -> dict[str, FloatArray]:
    """Everything that is known of architectures without training or measuring them.

    Args:
        space: Whose architectures they are.
        genes: Shape (architectures, genes), or one row.
        table: Adds ``latency_ms``, predicted for the table's device, and ``energy_mj`` when a
            meter was read there.
        device: Adds ``energy_mj``; without such a table it is a model with the coefficients of
            this device's file.
        precision: Of weights and activations; not used where the space has a gene for it.
        others: Of further devices: a table adds ``latency_ms@NAME``, a device, or its name,
            ``energy_mj@NAME``.

    Returns:
        By objective name, arrays of shape (architectures,): ``macs``, ``params``,
        ``model_size_bytes``, ``peak_memory_bytes`` (see `hwnas.estimators.cost_model`), and what
        the arguments add.

    Raises:
        InputError: Genes are not integers within the space's cardinalities; a precision is
            unknown, or not a table's.
        SpaceMismatchError: A table lacks layers of the space.
    """
    genes = _checked(space, np.atleast_2d(genes))
    tables: dict[str, AnyTable] = {} if table is None else {LATENCY.name: table}
    devices = {} if device is None else {ENERGY.name: _loaded(device)}
    for other in others:
        if isinstance(other, str | Device):
            devices[ENERGY.on(_loaded(other).name).name] = _loaded(other)
        else:
            tables[LATENCY.on(other.device).name] = other
    if not isinstance(space, PrecisionSpace):
        return _costs(space, genes, tables, devices, precision)
    indices, base_genes = space.split(genes)
    result: dict[str, FloatArray] = {}
    for index in np.unique(indices) if len(indices) else (0,):
        rows = indices == index
        found = _costs(space.base, base_genes[rows], tables, devices, space.precisions[index])
        for name, values in found.items():
            result.setdefault(name, np.empty(len(genes)))[rows] = values
    return result


def _costs(
    space: SearchSpace,
    genes: IntArray,
    tables: Mapping[str, AnyTable],
    devices: Mapping[str, Device],
    precision: str,
) -> dict[str, FloatArray]:
    """Costs at one precision, with tables and devices by the names of what they add."""
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    catalog = space.catalog
    values = {
        cost.name: layer_costs(cost.name, catalog, precision=precision)
        for cost in OBJECTIVES
        if cost.name != ENERGY.name
    }
    for name, device in devices.items():
        values[name] = layer_costs(ENERGY.name, catalog, device, precision=precision)
    bound = {}
    for name, table in tables.items():
        _check_precision(table, precision)
        bound[name] = table.bind(space)
    result = {name: np.empty(len(genes)) for name in (*values, *bound)}
    for start in range(0, len(genes), _BLOCK):
        block = slice(start, start + _BLOCK)
        indices = space.layer_indices(genes[block])
        for name, layer_values in values.items():
            result[name][block] = population_cost(name, layer_values, indices)
        for name, predicting in bound.items():
            result[name][block] = predicting.sums_ms(indices)
    return result | _metered(tables, devices, result)


def _metered(
    tables: Mapping[str, AnyTable], devices: Mapping[str, Device], known: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Energies by the tables whose device has a meter, instead of the model."""
    found = {}
    for name, table in tables.items():
        energy = f"{ENERGY.name}{name.removeprefix(LATENCY.name)}"
        of_same = energy not in devices or devices[energy].name == table.device
        if of_same and isinstance(table, LatencyTable) and table.energy is not None:
            found[energy] = table.energy.energy_mj(known[name])
    return found


def _loaded(device: Device | str) -> Device:
    return load_device(device) if isinstance(device, str) else device


def _checked(space: SearchSpace, genes: IntArray) -> IntArray:
    expected = len(space.cardinalities)
    if genes.ndim != 2 or genes.shape[1] != expected or genes.dtype.kind not in "iu":
        raise InputError(
            f"Expected integer genes of shape (architectures, {expected}) for space {space.name}; "
            f"got {genes.dtype} of shape {genes.shape}."
        )
    if len(genes) and (genes.min() < 0 or (genes.max(axis=0) >= space.cardinalities).any()):
        raise InputError(
            f"Genes are out of range for space {space.name}: gene i must be at least 0 and less "
            "than space.cardinalities[i]."
        )
    return genes


def _check_precision(table: AnyTable, precision: str) -> None:
    if table.precision != precision:
        raise InputError(
            f"The latency table of {table.device} was measured at {table.precision}, and costs at "
            f"{precision} were asked for: give a table of that precision."
        )
