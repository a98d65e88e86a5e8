"""Latency from a table of layers that were measured on the device, by hwnas or by others."""

from hwnas.catalog import IntArray
from hwnas.errors import InputError
from hwnas.estimators import EstimatorContext
from hwnas.imported_table import AnyBoundTable
from hwnas.latency_table import profile_command
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator

LATENCY = Objective("latency_ms", "ms", "latency", per_device=True)

OBJECTIVES = (LATENCY,)


def create(objective: Objective, context: EstimatorContext) -> Estimator:
    """An estimator that sums the layers of the context's table of its precision.

    Raises:
        InputError: There is no table.
        SpaceMismatchError: The table lacks layers of the space.
    """
    del objective  # there is only one
    if context.table is None:
        device = "host" if context.device is None else context.device.name
        command = profile_command(
            device, space=context.space.name, runtime="onnxruntime", precision=context.precision,
            threads=1,
        )  # fmt: skip
        raise InputError(
            f"latency_ms needs a latency table of {device} for space {context.space.name} at "
            f"{context.precision}; it is measured by: {command}."
        )
    return TableLatency(context.table.bind(context.space))


class TableLatency:
    """Predicted latency of architectures, in milliseconds."""

    def __init__(self, table: AnyBoundTable) -> None:
        self._table = table

    @property
    def objective(self) -> Objective:
        """latency_ms."""
        return LATENCY

    @property
    def cheap(self) -> bool:
        """True: a gather and a sum."""
        return True

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for genes of shape (architectures, genes)."""
        return Estimate(self._table.latency_ms(genes), lambda: self._table.latency_std_ms(genes))
