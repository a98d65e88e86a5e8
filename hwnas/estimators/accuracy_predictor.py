"""Accuracy predicted from architectures that somebody evaluated: no image is looked at."""

from hwnas.catalog import IntArray
from hwnas.errors import SpaceMismatchError
from hwnas.estimators import EstimatorContext
from hwnas.prediction import Predictor
from hwnas.prediction.imagenet import BoundImageNetPredictor, shipped_predictor
from hwnas.problem import Objective
from hwnas.protocols import Estimate, Estimator

OBJECTIVES = (Objective("accuracy", "%", "accuracy", maximise=True),)

IMAGENET = Objective("accuracy", "%", "predicted ImageNet accuracy", maximise=True)
OWN = Objective("accuracy", "%", "predicted accuracy", maximise=True)


def create(objective: Objective, context: EstimatorContext) -> Estimator:
    """The estimator of top-1 in percent, with the `Predictor` that the context has for it.

    Without one, ``context.resources["accuracy_predictor"]``, it is ImageNet's accuracy of
    Once-for-All's space, which needs no data and no training. Either is of fp32 weights, whatever
    the context's precision.

    Raises:
        SpaceMismatchError: The space is not Once-for-All's, or the predictor is of another one.
        InputError: The space has resolutions that the shipped predictor does not know.
    """
    del objective  # there is only one; how its values came about is in the estimator's own label
    predictor = context.resources.get("accuracy_predictor")
    if not isinstance(predictor, Predictor):
        return PredictedAccuracy(IMAGENET, shipped_predictor().bind(context.space))
    if (
        len(predictor.cardinalities) != len(context.space.cardinalities)
        or (predictor.cardinalities != context.space.cardinalities).any()
    ):
        raise SpaceMismatchError(
            f"The accuracy predictor was fitted in another space than {context.space.name}; fit "
            "one on evaluations of this space."
        )
    return PredictedAccuracy(OWN, predictor)


class PredictedAccuracy:
    """What a predictor says, as an estimator."""

    def __init__(self, objective: Objective, predictor: Predictor | BoundImageNetPredictor) -> None:
        self._objective = objective
        self._predictor = predictor

    @property
    def objective(self) -> Objective:
        """accuracy; its label says that it is predicted."""
        return self._objective

    @property
    def cheap(self) -> bool:
        """True: no network is built."""
        return True

    def estimate(self, genes: IntArray) -> Estimate:
        """Values for canonical genes, shape (architectures, genes)."""
        return Estimate(self._predictor.mean(genes), lambda: self._predictor.std(genes))
