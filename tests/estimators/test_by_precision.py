from dataclasses import dataclass

import numpy as np
import pytest

from hwnas import estimators
from hwnas.catalog import IntArray
from hwnas.devices import load_device
from hwnas.errors import InputError
from hwnas.estimators._by_precision import ByPrecision
from hwnas.problem import Objective
from hwnas.protocols import Estimate
from hwnas.spaces import load_space
from hwnas.spaces.precision_choice import PrecisionSpace

BASE = load_space("mbv3_small_32")
SPACE = PrecisionSpace(BASE, ("fp32", "fp16", "int8"))
GENES = SPACE.sample(40, np.random.default_rng(0))


ACCURACY = Objective("accuracy", "%", "accuracy", maximise=True)


@dataclass
class Constant:
    """The same value for every architecture."""

    value: float
    std: float | None = None
    cheap: bool = True
    objective: Objective = ACCURACY

    def estimate(self, genes: IntArray) -> Estimate:
        std = None if self.std is None else np.full(len(genes), self.std)
        return Estimate(np.full(len(genes), self.value), std)


@pytest.mark.parametrize("name", ["macs", "model_size_bytes", "peak_memory_bytes", "energy_mj"])
def test_each_architecture_is_estimated_at_its_own_precision(name):
    context = estimators.EstimatorContext(SPACE, load_device("host"))
    mixed = estimators.create(name, context).estimate(GENES)
    for row, value in zip(GENES, mixed.mean, strict=True):
        own = estimators.EstimatorContext(
            BASE, load_device("host"), precision=SPACE.precisions[row[0]]
        )
        alone = estimators.create(name, own).estimate(row[None, 1:]).mean[0]
        assert value == pytest.approx(alone, rel=1e-12)


def test_a_deviation_goes_with_the_value_of_its_architecture():
    estimate = ByPrecision(SPACE, [Constant(1, 0.1), Constant(2, 0.2), Constant(3, 0.3)])
    found = estimate.estimate(GENES)
    assert found.mean.tolist() == (GENES[:, 0] + 1).tolist()
    assert found.std.tolist() == ((GENES[:, 0] + 1) / 10).tolist()


def test_a_deviation_is_unknown_where_the_precision_has_none():
    found = ByPrecision(SPACE, [Constant(1, 0.1), Constant(2), Constant(3, 0.3)]).estimate(GENES)
    assert (np.isnan(found.std) == (GENES[:, 0] == 1)).all()
    assert set(found.std[GENES[:, 0] != 1]) == {0.1, 0.3}


def test_without_deviations_there_is_none():
    parts = [Constant(value) for value in (1, 2, 3)]
    assert ByPrecision(SPACE, parts).estimate(GENES).std is None


def test_it_is_cheap_only_if_all_are():
    assert ByPrecision(SPACE, [Constant(1), Constant(2)]).cheap
    assert not ByPrecision(SPACE, [Constant(1), Constant(2, cheap=False)]).cheap


@dataclass
class WithFidelities(Constant):
    """A value that is less by as much as the fidelity is below 1."""

    def estimate_at(self, genes: IntArray, fidelity: float) -> Estimate:
        return Estimate(np.full(len(genes), self.value - (1 - fidelity)))


def test_a_fidelity_is_asked_of_the_part_of_each_precision():
    parts = [WithFidelities(1), WithFidelities(2), WithFidelities(3)]
    found = ByPrecision(SPACE, parts).estimate_at(GENES, 0.25)
    assert found.mean.tolist() == (GENES[:, 0] + 0.25).tolist()


def test_a_part_without_fidelities_is_refused():
    with pytest.raises(InputError, match="accuracy has no fidelities"):
        ByPrecision(SPACE, [WithFidelities(1), Constant(2), Constant(3)]).estimate_at(GENES, 0.5)
