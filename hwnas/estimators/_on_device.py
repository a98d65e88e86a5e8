"""An objective on another device than the search's own."""

from hwnas.catalog import IntArray
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator


class OnDevice:
    """An estimator made for another device, under that device's name.

    Args:
        estimator: Made from what is known of the device.
        device: Its name.
    """

    def __init__(self, estimator: Estimator, device: str) -> None:
        self._estimator = estimator
        self._device = device

    @property
    def objective(self) -> Objective:
        """The estimator's, with the device in its name and label."""
        return self._estimator.objective.on(self._device)

    @property
    def cheap(self) -> bool:
        """Whether the estimator is."""
        return self._estimator.cheap

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for canonical genes, shape (architectures, genes)."""
        return self._estimator.estimate(genes)
