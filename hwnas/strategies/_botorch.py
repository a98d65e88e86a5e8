"""BoTorch's qLogNEHVI over a list of candidates; imported only when the extra is installed.

Daulton, Balandat and Bakshy (2021), "Parallel Bayesian Optimization of Multiple Noisy Objectives
with Expected Hypervolume Improvement", in the logarithmic form of Ament et al. (2023).
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

with warnings.catch_warnings():
    # what BoTorch is made of calls functions that torch gives up
    warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.acquisition.multi_objective.objective import IdentityMCMultiOutputObjective
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelListGP, SingleTaskGP
    from botorch.models.transforms import Standardize
    from botorch.sampling import SobolQMCNormalSampler
    from gpytorch.mlls import ExactMarginalLogLikelihood

from hwnas.catalog import FloatArray, IntArray

_SAMPLES = 64
_STEPS = 50
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Evaluations as BoTorch is given them.

    Attributes:
        inputs: From 0 to 1, shape (evaluations, inputs).
        losses: Shape (evaluations, objectives).
        margins: Below 0 where a budget is met, shape (evaluations, budgets to be learned).
        reference: Shape (objectives,).
    """

    inputs: FloatArray
    losses: FloatArray
    margins: FloatArray
    reference: FloatArray


def most_promising(told: Told, candidates: FloatArray, count: int, *, seed: int) -> IntArray:
    """Indices of the candidates to evaluate next, one after the other, shape (count,).

    Args:
        told: What is known so far.
        candidates: Inputs of shape (candidates, inputs).
        count: How many are wanted.
        seed: Of the samples from the models.
    """
    with torch.random.fork_rng(), warnings.catch_warnings():
        # a fit that ends early still is a model; the search goes on with it
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        inputs = torch.from_numpy(told.inputs)
        model = _model(told, inputs)
        choices = torch.from_numpy(candidates)
        parts = [choices[i : i + _AT_ONCE] for i in range(0, len(choices), _AT_ONCE)]
        objectives, budgets = told.losses.shape[1], told.margins.shape[1]
        chosen: list[int] = []
        for _ in range(min(count, len(candidates))):
            acquisition = qLogNoisyExpectedHypervolumeImprovement(
                model=model,
                ref_point=(-told.reference).tolist(),
                X_baseline=inputs,
                X_pending=choices[chosen] if chosen else None,
                sampler=SobolQMCNormalSampler(torch.Size([_SAMPLES]), seed=seed),
                objective=IdentityMCMultiOutputObjective(outcomes=list(range(objectives))),
                constraints=[_outcome(objectives + i) for i in range(budgets)] or None,
                prune_baseline=True,
                cache_root=False,
            )
            with torch.no_grad():
                worth = torch.cat([acquisition(part[:, None]) for part in parts])
            worth[chosen] = -torch.inf
            chosen.append(int(worth.argmax()))
    return np.array(chosen, dtype=np.int64)


def _model(told: Told, inputs: torch.Tensor) -> Any:
    """One process for each objective, negated because BoTorch maximises, then for each budget."""
    return ModelListGP(*(_process(inputs, v) for v in (*-told.losses.T, *told.margins.T)))


def _outcome(index: int) -> Any:
    return lambda outcomes: outcomes[..., index]


def _process(inputs: torch.Tensor, values: FloatArray) -> Any:
    outputs = torch.from_numpy(np.array(values, dtype=np.float64))[:, None]
    model = SingleTaskGP(inputs, outputs, outcome_transform=Standardize(1))
    fit_gpytorch_mll(
        ExactMarginalLogLikelihood(model.likelihood, model),
        optimizer_kwargs={"options": {"maxiter": _STEPS}},
    )
    return model
