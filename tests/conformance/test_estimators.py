import contextlib

import numpy as np
import pytest

from hwnas import estimators, plugins
from hwnas.devices import load_device
from hwnas.errors import HwnasError
from hwnas.estimators import EstimatorContext
from hwnas.spaces import load_space
from hwnas.spaces.precision_choice import PrecisionSpace

NAMES = plugins.names("hwnas.estimators")
SPACE = load_space("mbv3_small_32")
MIXED = PrecisionSpace(SPACE, ("fp32", "fp16", "int8"))


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_of_an_estimator_is_well_named(name):
    for objective in plugins.load("hwnas.estimators", name, what="estimator").OBJECTIVES:
        assert objective.label
        unit = {"bytes": "_bytes", "ms": "_ms", "mJ": "_mj"}.get(objective.unit, "")
        assert objective.name.endswith(unit)
        assert estimators.objective(objective.name) == objective


def made_from_a_bare_context(name, space=SPACE):
    """Estimators that need no more than a space and a device."""
    context = EstimatorContext(space, load_device("host"))
    for objective in plugins.load("hwnas.estimators", name, what="estimator").OBJECTIVES:
        with contextlib.suppress(HwnasError):
            yield estimators.create(objective.name, context, estimator=name)


@pytest.mark.parametrize("space", [SPACE, MIXED], ids=["fp32", "mixed precisions"])
@pytest.mark.parametrize("name", NAMES)
def test_equal_questions_have_equal_finite_answers(name, space):
    genes = space.sample(7, np.random.default_rng(0))
    for estimator in made_from_a_bare_context(name, space):
        first, again = estimator.estimate(genes), estimator.estimate(genes)
        assert first.mean.shape == (7,)
        assert np.isfinite(first.mean).all()
        np.testing.assert_array_equal(first.mean, again.mean)
        if first.std is not None:
            assert first.std.shape == (7,)
            assert (first.std >= 0).all()
            np.testing.assert_array_equal(first.std, again.std)


def test_only_what_has_to_be_measured_or_trained_needs_more_than_a_device():
    made = {e.objective.name for name in NAMES for e in made_from_a_bare_context(name)}
    assert set(estimators.objectives()) - made == {"latency_ms", "accuracy"}


def test_an_unknown_objective_is_answered_with_the_nearest():
    with pytest.raises(HwnasError, match="Did you mean 'accuracy'"):
        estimators.objective("acuracy")


def test_an_objective_may_be_named_without_its_unit():
    assert estimators.objective("latency").name == "latency_ms"
    assert estimators.objective("peak_memory").name == "peak_memory_bytes"
