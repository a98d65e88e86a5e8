"""Asking an estimator, and believing it only when every answer is a number."""

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError
from hwnas.protocols import Estimator, SearchSpace


def values_of(estimator: Estimator, genes: IntArray, space: SearchSpace) -> FloatArray:
    """What an estimator says of canonical genes, shape (architectures,).

    Raises:
        InputError: A value is NaN or infinite; names estimator, objective and architecture.
    """
    values = np.asarray(estimator.estimate(genes).mean, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(
            f"Estimator {type(estimator).__module__.rpartition('.')[2]} gave "
            f"{values[wrong[0]]} as {estimator.objective.name} of architecture "
            f"{space.describe(genes[wrong[0]])}; expected a finite number."
        )
    return values
