"""An estimator that is made when it is first asked: making it may cost more than all else."""

from collections.abc import Callable

from hwnas.catalog import IntArray
from hwnas.errors import InputError
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator, FidelityEstimator


class Later:
    """Stands for an expensive estimator that may never be asked.

    Args:
        objective: Its objective.
        make: Makes it.
    """

    cheap = False

    def __init__(self, objective: Objective, make: Callable[[], Estimator]) -> None:
        self.objective = objective
        self._make = make
        self._made: Estimator | None = None

    def estimate(self, genes: IntArray) -> Estimate:
        """What the estimator says of canonical genes, shape (architectures, genes)."""
        return self._now().estimate(genes)

    def estimate_at(self, genes: IntArray, fidelity: float) -> Estimate:
        """What it says at a fidelity, where it offers any."""
        made = self._now()
        if not isinstance(made, FidelityEstimator):
            raise InputError(f"{self.objective.name} has no fidelities; search without them.")
        return made.estimate_at(genes, fidelity)

    def _now(self) -> Estimator:
        if self._made is None:
            self._made = self._make()
        return self._made
