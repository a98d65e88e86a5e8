"""BoTorch's Gaussian processes; imported only when the extra is installed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

with warnings.catch_warnings():
    # what BoTorch is made of calls functions that torch gives up
    warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.models import SingleTaskGP
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from botorch.sampling import SobolQMCNormalSampler
    from gpytorch.mlls import ExactMarginalLogLikelihood

from hwnas.catalog import FloatArray

_STEPS = 25
_REFIT_GROWTH = 1.2
_AT_ONCE = 250


class Processes:
    """One process for each of some quantities, all over the same inputs.

    Hyper-parameters are those of BoTorch's `SingleTaskGP`, whose priors suit inputs from 0 to 1.
    They are learned anew only when there is a good deal more to learn from than last time.
    """

    def __init__(self) -> None:
        self._learned: dict[str, Any] = {}
        self._learned_from = 0

    def fit(self, inputs: FloatArray, values: FloatArray) -> None:
        """Learn from all that is known so far.

        Args:
            inputs: From 0 to 1, shape (evaluations, inputs).
            values: Shape (evaluations, quantities), as many quantities as last time or others.
        """
        self._mean, spread = values.mean(axis=0), values.std(axis=0)
        # of what does not vary, rounding is all that is left
        self._scale = np.where(spread > 1e-9 * np.abs(self._mean), spread, 1.0)
        scaled = torch.from_numpy((values - self._mean) / self._scale)
        with _quietly():
            self._model = SingleTaskGP(torch.from_numpy(inputs), scaled, outcome_transform=None)
            self._learn(len(inputs))
        self._model.eval()

    def forecast(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected values and standard deviations, both of shape (rows, quantities)."""
        starts = range(0, len(inputs), _AT_ONCE)
        parts = [torch.from_numpy(inputs[i : i + _AT_ONCE]) for i in starts]
        with _quietly(), torch.no_grad():
            found = [self._model.posterior(part) for part in parts]
            mean = torch.cat([posterior.mean for posterior in found]).numpy()
            std = torch.cat([posterior.variance for posterior in found]).sqrt().numpy()
        return mean * self._scale + self._mean, std * self._scale

    def draws(self, inputs: FloatArray, count: int, *, seed: int) -> FloatArray:
        """What the values together may be, shape (draws, rows, quantities)."""
        sampler = SobolQMCNormalSampler(torch.Size([count]), seed=seed)
        with _quietly(), torch.no_grad():
            drawn = sampler(self._model.posterior(torch.from_numpy(inputs))).numpy()
        return np.asarray(drawn * self._scale + self._mean)

    def _learn(self, evaluations: int) -> None:
        shapes = {name: value.shape for name, value in self._model.state_dict().items()}
        if shapes == {name: value.shape for name, value in self._learned.items()}:
            self._model.load_state_dict(self._learned)
        else:
            self._learned_from = 0
        if evaluations >= _REFIT_GROWTH * self._learned_from:
            likelihood = ExactMarginalLogLikelihood(self._model.likelihood, self._model)
            fit_gpytorch_mll_scipy(likelihood.train(), options={"maxiter": _STEPS})
            self._learned, self._learned_from = self._model.state_dict(), evaluations


@contextmanager
def _quietly() -> Iterator[None]:
    """One thread, so that sums do not depend on how many there are; and no warnings.

    BoTorch warns of fits that end early, which still are models, and of covariances to which it
    adds a little noise because rows are much alike.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)
