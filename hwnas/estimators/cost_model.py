"""Costs that follow from the layers alone: exact counts, and energy as a model."""

from dataclasses import dataclass

from hwnas.catalog import FloatArray, IntArray, LayerCatalog, largest, total
from hwnas.devices import Device
from hwnas.errors import InputError
from hwnas.estimators import EstimatorContext
from hwnas.problem import Objective
from hwnas.protocols import Estimate, SearchSpace
from hwnas.units import BYTES_PER_FP32, PJ_PER_MJ

MACS = Objective("macs", "", "multiply-accumulates")
PARAMS = Objective("params", "", "parameters")
MODEL_SIZE = Objective("model_size_bytes", "bytes", "model size")
PEAK_MEMORY = Objective("peak_memory_bytes", "bytes", "peak activation memory")
ENERGY = Objective("energy_mj", "mJ", "energy", model=True)

OBJECTIVES = (MACS, PARAMS, MODEL_SIZE, PEAK_MEMORY, ENERGY)


def layer_costs(objective: str, catalog: LayerCatalog, device: Device | None = None) -> FloatArray:
    """One cost of every layer of a catalog, shape (layers,), fp32, one image.

    - ``macs``: multiply-accumulates without biases.
    - ``params``: trained parameters, batch-norm's scale and shift included.
    - ``model_size_bytes``: weights and biases as exported, batch-norm folded; without the few
      kilobytes that describe the graph.
    - ``peak_memory_bytes``: activations alive at once (`hwnas.layers.peak_activations`), without
      weights. A network's peak is the maximum over its layers, not their sum.
    - ``energy_mj``: MACs and bytes moved (every step reads its inputs and weights and writes its
      output) times the device file's coefficients. A model: caches and leakage are not in it.

    Raises:
        InputError: Energy is asked for without a device.
    """
    if objective == MACS.name:
        return catalog.macs
    if objective == PARAMS.name:
        return catalog.params
    if objective == MODEL_SIZE.name:
        return catalog.weights * BYTES_PER_FP32
    if objective == PEAK_MEMORY.name:
        return catalog.peak_activations * BYTES_PER_FP32
    if device is None:
        raise InputError("energy_mj needs a device, whose file holds the energy coefficients.")
    energy = device.energy
    picojoules = catalog.macs * energy.pj_per_fp32_mac + catalog.moved * (
        BYTES_PER_FP32 * energy.pj_per_byte
    )
    return picojoules / PJ_PER_MJ


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


def create(objective: Objective, context: EstimatorContext) -> CostModel:
    """The estimator of one cost for the context's space."""
    values = layer_costs(objective.name, context.space.catalog, context.device)
    return CostModel(objective, context.space, values)
