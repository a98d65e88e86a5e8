"""A running average of weights, which generalises better than the weights of the last step."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of a module's parameters (Polyak and Juditsky 1992).

    Over the first steps it is nearly the plain mean, as its beginning would weigh too much
    otherwise.

    Args:
        module: Whose parameters; the average begins with them as they are.
        decay: What is kept of the average at each step, such as 0.9998.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module = module
        self._decay = decay
        self.steps = 0
        self.tensors = {name: p.detach().clone() for name, p in module.named_parameters()}

    def update(self) -> None:
        """Take in the weights as they are now."""
        self.steps += 1
        decay = min(self._decay, self.steps / (self.steps + 9))
        for name, weight in self._module.named_parameters():
            self.tensors[name].lerp_(weight.detach(), 1 - decay)

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Go on from an average of before, by parameter name."""
        self.steps = steps
        with torch.no_grad():
            for name, average in self.tensors.items():
                average.copy_(tensors[name])
