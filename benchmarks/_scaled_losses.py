"""Losses of a real space that cost nothing, from 0 to 1."""

from collections.abc import Callable, Sequence

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.estimators import EstimatorContext, create
from hwnas.search.feasibility import extremes


def between_extremes(
    context: EstimatorContext, names: Sequence[str]
) -> Callable[[IntArray], FloatArray]:
    """Losses of genes, shape (architectures, objectives), by the extremes of the space.

    Args:
        context: Of the space.
        names: Cheap objectives. The first is maximised, and stands in for accuracy.
    """
    estimators = [create(name, context) for name in names]
    bounds = [extremes(context.space, estimator) for estimator in estimators]

    def losses(genes: IntArray) -> FloatArray:
        columns = [
            (estimator.estimate(genes).mean - bound.minimum) / (bound.maximum - bound.minimum)
            for estimator, bound in zip(estimators, bounds, strict=True)
        ]
        columns[0] = 1 - columns[0]
        return np.stack(columns, axis=1)

    return losses
