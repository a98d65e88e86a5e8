from pathlib import Path

import numpy as np
import pytest

from hwnas import estimators
from hwnas.devices import load_device
from hwnas.devices.descriptor import Device, EnergyModel
from hwnas.errors import InputError, UnknownNameError
from hwnas.estimators import EstimatorContext
from hwnas.spaces import load_space
from hwnas.spaces.precision_choice import PrecisionSpace

SPACE = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")
THRIFTY = Device("thrifty", "x", energy=EnergyModel(pj_per_fp32_mac=1.0, pj_per_byte=0.0))


def context(space=SPACE):
    others = {"thrifty": EstimatorContext(space, THRIFTY)}
    return EstimatorContext(space, load_device("host"), others=others)


def test_an_objective_on_another_device_is_estimated_with_that_devices_context():
    genes = SPACE.sample(9, np.random.default_rng(0))
    there = estimators.create("energy@thrifty", context())
    here = estimators.create("energy_mj", context().others["thrifty"])
    np.testing.assert_array_equal(there.estimate(genes).mean, here.estimate(genes).mean)
    assert there.objective == here.objective.on("thrifty")
    assert there.objective.name == "energy_mj@thrifty"
    assert there.cheap


def test_a_precision_gene_counts_on_another_device_too():
    space = PrecisionSpace(SPACE, ("fp32", "int8"))
    genes = space.sample(9, np.random.default_rng(0))
    there = estimators.create("energy_mj@thrifty", context(space))
    here = estimators.create("energy_mj", context(space).others["thrifty"])
    np.testing.assert_array_equal(there.estimate(genes).mean, here.estimate(genes).mean)


def test_a_device_that_nothing_is_known_of_is_refused():
    with pytest.raises(UnknownNameError, match=r"'thrify'. Did you mean 'thrifty'"):
        estimators.create("energy_mj@thrify", context())


@pytest.mark.parametrize("name", ["params@thrifty", "accuracy@thrifty"])
def test_what_is_the_same_on_every_device_has_none(name):
    with pytest.raises(InputError, match="is the same on every one; of a device can be: energy_mj"):
        estimators.objective(name)
    with pytest.raises(InputError, match="is the same on every one"):
        estimators.create(name, context())


def test_the_latency_of_another_device_needs_that_devices_table():
    with pytest.raises(InputError, match="hwnas profile thrifty --space profile_space"):
        estimators.create("latency_ms@thrifty", context())
