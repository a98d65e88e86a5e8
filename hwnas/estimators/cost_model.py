"""Costs that follow from the layers alone: exact counts, and energy as a model.

Where the device's tables hold the energy of networks that a meter measured, energy is theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hwnas.catalog import FloatArray, IntArray, LayerCatalog, largest, total
from hwnas.devices import Device
from hwnas.errors import InputError
from hwnas.estimators import EstimatorContext
from hwnas.imported_table import AnyTable
from hwnas.latency_table import BoundLatencyTable, LatencyTable
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator, SearchSpace
from hwnas.units import BYTES_PER_FP32, BYTES_PER_INT32, BYTES_PER_WEIGHT, PJ_PER_MJ

MACS = Objective("macs", "", "multiply-accumulates")
PARAMS = Objective("params", "", "parameters")
MODEL_SIZE = Objective("model_size_bytes", "bytes", "model size")
PEAK_MEMORY = Objective("peak_memory_bytes", "bytes", "peak activation memory")
ENERGY = Objective("energy_mj", "mJ", "energy", model=True, per_device=True)

_BYTES_PER_CHANNEL = 2 * (4 + 8)
"""Of an int8 file: fp32 scale and int64 zero point of a channel's weights, and of its bias."""

OBJECTIVES = (MACS, PARAMS, MODEL_SIZE, PEAK_MEMORY, ENERGY)


def layer_costs(
    objective: str, catalog: LayerCatalog, device: Device | None = None, *, precision: str = "fp32"
) -> FloatArray:
    """One cost of every layer of a catalog, shape (layers,), one image.

    - ``macs``: multiply-accumulates without biases.
    - ``params``: trained parameters, batch-norm's scale and shift included.
    - ``model_size_bytes``: weights and biases as exported, batch-norm folded; without the few
      kilobytes that describe the graph. fp16: 2 bytes for each. int8: 1 byte for a weight, 4 for
      a bias (int32), and 4 for the scale of each output channel. What formats add to describe
      quantization is not in it: in TFLite some 20 bytes more for each output channel, in ONNX
      some 9, and two nodes for each tensor.
    - ``peak_memory_bytes``: activations alive at once (`hwnas.layers.peak_activations`), without
      weights. A network's peak is the maximum over its layers, not their sum. fp32 and fp16: 4
      bytes for each, because fp16 networks are computed in fp32 on CPUs. int8: 1 byte, but more
      around a hard-swish (`hwnas.layers.int8_peak_bytes`).
    - ``energy_mj``: MACs and bytes moved (every step reads its inputs and weights and writes its
      output) times the device file's coefficients. Weights are moved as they are stored. In an
      int8 network a hard-swish takes two steps more, to fp32 and back, and may cost more than
      int8 saves. A model: caches and leakage are not in it.

    Raises:
        InputError: Energy is asked for without a device.
    """
    if objective == MACS.name:
        return catalog.macs
    if objective == PARAMS.name:
        return catalog.params
    if objective == MODEL_SIZE.name:
        return _stored_bytes(catalog, precision)
    if objective == PEAK_MEMORY.name:
        if precision == "int8":
            return catalog.int8_peak_bytes
        return catalog.peak_activations * BYTES_PER_FP32
    if device is None:
        raise InputError("energy_mj needs a device, whose file holds the energy coefficients.")
    energy = device.energy
    pj_per_mac = energy.pj_per_int8_mac if precision == "int8" else energy.pj_per_fp32_mac
    moved = _stored_bytes(catalog, precision) + _moved_activation_bytes(catalog, precision)
    return (catalog.macs * pj_per_mac + moved * energy.pj_per_byte) / PJ_PER_MJ


def _stored_bytes(catalog: LayerCatalog, precision: str) -> FloatArray:
    """Bytes of the numbers that a model file stores, shape (layers,)."""
    stored = catalog.weights * BYTES_PER_WEIGHT[precision]
    if precision != "int8":
        return stored
    widened = BYTES_PER_INT32 - BYTES_PER_WEIGHT[precision]
    return stored + catalog.biases * widened + catalog.filters * _BYTES_PER_CHANNEL


def _moved_activation_bytes(catalog: LayerCatalog, precision: str) -> FloatArray:
    """Bytes of activations that are read and written, shape (layers,)."""
    elements = catalog.moved - catalog.weights
    if precision != "int8":
        return elements * BYTES_PER_FP32
    conversions = 2 * (1 + BYTES_PER_FP32)  # int8 read and fp32 written, and the reverse
    return elements + catalog.hard_swish_elements * conversions


def population_cost(objective: str, values: FloatArray, layer_indices: IntArray) -> FloatArray:
    """What one cost comes to for whole architectures, shape (architectures,).

    Args:
        objective: Its name, which says whether layers add up or the largest counts.
        values: Cost of each layer, shape (layers,).
        layer_indices: Shape (architectures, slots).
    """
    combine = largest if objective == PEAK_MEMORY.name else total
    return combine(values, layer_indices)


@dataclass(frozen=True, slots=True, eq=False)
class CostModel:
    """Estimator of one of the costs above; exact but for energy."""

    objective: Objective
    space: SearchSpace
    values: FloatArray
    cheap: bool = True

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for canonical genes, shape (architectures, genes)."""
        indices = self.space.layer_indices(genes)
        return Estimate(population_cost(self.objective.name, self.values, indices))


@dataclass(frozen=True, slots=True, eq=False)
class MeteredEnergy:
    """Estimator of energy from predicted latency, with the power that a meter measured."""

    objective: Objective
    table: BoundLatencyTable
    cheap: bool = True

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for canonical genes, shape (architectures, genes), in millijoules."""
        assert self.table.energy is not None
        return Estimate(self.table.energy.energy_mj(self.table.latency_ms(genes)))


def create(objective: Objective, context: EstimatorContext) -> Estimator:
    """The estimator of one cost for the context's space and precision."""
    if objective.name == ENERGY.name and is_metered(context.tables):
        table = context.tables.get(context.precision)
        if isinstance(table, LatencyTable):
            return MeteredEnergy(replace(objective, model=False), table.bind(context.space))
    values = layer_costs(
        objective.name, context.space.catalog, context.device, precision=context.precision
    )
    return CostModel(objective, context.space, values)


def is_metered(tables: Mapping[str, AnyTable]) -> bool:
    """Whether energies of the tables, by precision, can be compared: all by the same meter."""
    meters = {
        table.energy.meter if isinstance(table, LatencyTable) and table.energy else None
        for table in tables.values()
    }
    return len(meters) == 1 and None not in meters
