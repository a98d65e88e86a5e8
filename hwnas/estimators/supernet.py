"""Accuracy on the validation part, with weights from a trained supernet."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwnas.catalog import IntArray
from hwnas.errors import InputError
from hwnas.estimators import EstimatorContext
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator

if TYPE_CHECKING:
    from hwnas.training.data import DataSet
    from hwnas.training.evaluation import Evaluator

_LEAST_IMAGES = 32
"""Of a part of the images, for whatever fidelity."""

OBJECTIVES = (Objective("accuracy", "%", "accuracy", maximise=True),)


@dataclass(frozen=True, slots=True)
class SupernetSource:
    """What this estimator takes from ``context.resources["supernet"]``.

    Attributes:
        directory: Where `hwnas.training.supernet.train_supernet` left its checkpoint.
        data: The data set it was trained on.
        threads: Of torch; None for all cores. Accuracies are the same only at the same number.
    """

    directory: Path
    data: "DataSet"
    threads: int | None = None


def create(objective: Objective, context: EstimatorContext) -> Estimator:
    """The estimator of validation accuracy at the context's precision.

    Raises:
        InputError: The context has no `SupernetSource`.
        SpaceMismatchError: The supernet is of another space.
    """
    # torch takes seconds to import
    from hwnas.training.evaluation import RECALIBRATION_IMAGES, Evaluator, recalibration_part
    from hwnas.training.supernet import load_supernet

    source = context.resources.get("supernet")
    if not isinstance(source, SupernetSource):
        raise InputError("Accuracy by supernet needs a trained supernet; none was given.")
    supernet = load_supernet(context.space, source.directory)

    def evaluator(fidelity: float) -> "Evaluator":
        part = recalibration_part(source.data.validation, _images(source, fidelity))
        recalibration = max(_LEAST_IMAGES, round(fidelity * RECALIBRATION_IMAGES))
        data = replace(source.data, validation=part)
        return Evaluator(supernet, data, recalibration_images=recalibration)

    return _SupernetAccuracy(objective, context, source, cache(evaluator))


def _images(source: SupernetSource, fidelity: float) -> int:
    """How many of the validation images are judged on."""
    images = len(source.data.validation)
    return min(images, max(_LEAST_IMAGES, round(fidelity * images)))


class _SupernetAccuracy:
    """Each network is cut out, its batch-norm recalibrated, its errors at a precision counted."""

    cheap = False

    def __init__(
        self,
        objective: Objective,
        context: EstimatorContext,
        source: SupernetSource,
        evaluator: Callable[[float], "Evaluator"],
    ) -> None:
        self.objective = objective
        self._space = context.space
        self._precision = context.precision
        self._source = source
        self._evaluator = evaluator

    def estimate(self, genes: IntArray) -> Estimate:
        """Top-1 in percent; the deviation is the binomial one of so many validation images."""
        return self.estimate_at(genes, 1.0)

    def estimate_at(self, genes: IntArray, fidelity: float) -> Estimate:
        """The same on such a part of the images, of recalibration and of validation."""
        from hwnas.training.recipe import torch_threads
        from hwnas.training.supernet import slot_layers_of

        with torch_threads(self._source.threads):
            evaluator = self._evaluator(fidelity)
            networks = slot_layers_of(self._space, genes)
            accuracies = [evaluator.accuracy(one, self._precision) for one in networks]
        mean = np.array(accuracies)
        images = _images(self._source, fidelity)
        return Estimate(mean, np.sqrt(mean * (100.0 - mean) / images))
