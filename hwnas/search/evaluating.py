"""Asking an estimator, and believing it only when every answer is a number."""

import numpy as np

from hwnas.catalog import BoolArray, FloatArray, IntArray
from hwnas.errors import InputError
from hwnas.problem import Budget
from hwnas.protocols import Estimate, Estimator, SearchSpace


def values_of(estimator: Estimator, genes: IntArray, space: SearchSpace) -> FloatArray:
    """What an estimator says of canonical genes, shape (architectures,).

    Raises:
        InputError: A value is NaN or infinite; names estimator, objective and architecture.
    """
    return estimate_of(estimator, genes, space).mean


def estimate_of(estimator: Estimator, genes: IntArray, space: SearchSpace) -> Estimate:
    """The same, with standard deviations where the estimator has them.

    A deviation that is no number is NaN: nothing is known of how far off that value is. It is
    checked when it is first asked for.

    Raises:
        InputError: As `values_of`; or a deviation is infinite or below 0.
    """
    estimate = estimator.estimate(genes)
    mean = np.asarray(estimate.mean, dtype=np.float64)
    _refuse(~np.isfinite(mean), mean, "", estimator, genes, space)

    def deviation() -> FloatArray | None:
        if estimate.std is None:
            return None
        std = np.asarray(estimate.std, dtype=np.float64)
        _refuse((std < 0) | np.isinf(std), std, "standard deviation of ", estimator, genes, space)
        return std

    return Estimate(mean, deviation)


def judged_values(
    budget: Budget, estimator: Estimator, genes: IntArray, space: SearchSpace
) -> FloatArray:
    """What is compared with a budget's bound: values, or their quantiles where it has confidence.

    Raises:
        InputError: As `estimate_of`; or there is a confidence, and no deviation.
    """
    estimate = estimate_of(estimator, genes, space)
    if budget.confidence is None:
        return estimate.mean
    return budget.quantile(estimate.mean, estimate.std)


def _refuse(
    wrong: BoolArray,
    values: FloatArray,
    what: str,
    estimator: Estimator,
    genes: IntArray,
    space: SearchSpace,
) -> None:
    if wrong.any():
        first = int(wrong.argmax())
        raise InputError(
            f"Estimator {type(estimator).__module__.rpartition('.')[2]} gave {values[first]} as "
            f"{what}{estimator.objective.name} of architecture {space.describe(genes[first])}; "
            f"expected a finite number{', not below 0' if what else ''}."
        )
