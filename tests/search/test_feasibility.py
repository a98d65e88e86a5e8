from dataclasses import dataclass

import numpy as np
import pytest

from hwnas.catalog import FloatArray, total
from hwnas.errors import BudgetError, InputError
from hwnas.problem import Budget, Objective
from hwnas.protocols import Estimate
from hwnas.search import check_budgets, extremes
from hwnas.search.feasibility import _ENUMERABLE
from hwnas.spaces import from_definition, load_space

LATENCY = Objective("latency_ms", "ms", "latency")


@dataclass
class Additive:
    """Any cost of layers that adds up, as a measured latency does; cheap."""

    space: object
    layer_ms: FloatArray
    objective: Objective = LATENCY
    cheap: bool = True

    def estimate(self, genes):
        return Estimate(total(self.layer_ms, self.space.layer_indices(genes)))


def every_row(space):
    sizes = tuple(space.cardinalities)
    return space.canonical(np.indices(sizes).reshape(len(sizes), -1).T)


def test_the_test_space_is_too_large_to_be_enumerated_when_searched(space):
    assert np.prod(space.cardinalities) > _ENUMERABLE


@pytest.mark.parametrize("name", ["macs", "params", "model_size_bytes", "peak_memory_bytes"])
def test_extremes_equal_those_of_an_enumeration(space, costs, name):
    values = costs[name].estimate(every_row(space)).mean
    bounds = extremes(space, costs[name])
    assert (bounds.minimum, bounds.maximum) == (values.min(), values.max())


@pytest.mark.parametrize("seed", range(5))
def test_extremes_of_random_layer_latencies_equal_those_of_an_enumeration(space, seed):
    layer_ms = np.random.default_rng(seed).uniform(0.1, 1.0, len(space.catalog))
    layer_ms[0] = 0.0
    estimator = Additive(space, layer_ms)
    values = estimator.estimate(every_row(space)).mean
    bounds = extremes(space, estimator)
    assert (bounds.minimum, bounds.maximum) == (values.min(), values.max())


def test_a_small_space_is_enumerated(space):
    small = from_definition(
        {**space.definition(), "resolutions": [32], "name": "small"}, source="test"
    )
    layer_ms = np.random.default_rng(0).uniform(-1.0, 1.0, len(small.catalog))
    estimator = Additive(small, layer_ms)
    values = estimator.estimate(every_row(small)).mean
    assert extremes(small, estimator).minimum == values.min()


def test_extremes_of_the_once_for_all_space_are_its_smallest_and_largest_network():
    space = load_space("ofa_mbv3_w1.0")
    estimator = Additive(space, space.catalog.macs)
    corners = space.canonical(np.stack([space.cardinalities * 0, space.cardinalities - 1]))
    bounds = extremes(space, estimator)
    assert [bounds.minimum, bounds.maximum] == estimator.estimate(corners).mean.tolist()


def test_a_budget_below_the_minimum_is_refused_with_the_bounds(space, costs):
    with pytest.raises(BudgetError, match=r"params<=4000: params goes from 4\.914 k to 32\.27 k"):
        check_budgets(space, list(costs.values()), [Budget("params", 4000)])


def test_a_lower_bound_above_the_maximum_is_refused(space, costs):
    with pytest.raises(BudgetError, match=r"macs>=1e\+06"):
        check_budgets(space, list(costs.values()), [Budget("macs", 1e6, at_most=False)])


def test_a_budget_that_only_the_smallest_network_meets_is_accepted(space, costs):
    (bounds,) = check_budgets(space, list(costs.values()), [Budget("params", 4914)])
    assert bounds.minimum == 4914


def test_budgets_that_exclude_each_other_are_refused_with_the_nearest(space, costs):
    budgets = [Budget("params", 5000), Budget("macs", 800_000, at_most=False)]
    with pytest.raises(BudgetError, match=r"meets all of params<=5000, macs>=800000.* nearest has"):
        check_budgets(space, list(costs.values()), budgets)


def test_budgets_that_few_networks_meet_together_are_accepted(space, costs):
    rows = every_row(space)
    macs, params = (costs[name].estimate(rows).mean for name in ("macs", "params"))
    # the network with the most MACs for its parameters
    best = (macs / params).argmax()
    budgets = [Budget("params", params[best]), Budget("macs", macs[best], at_most=False)]
    assert len(check_budgets(space, list(costs.values()), budgets)) == 2


def test_budgets_on_expensive_objectives_are_not_looked_at(space, costs, expensive):
    budget = Budget("accuracy", 1000, at_most=False)
    assert check_budgets(space, [expensive, *costs.values()], [budget]) == ()
    assert expensive.asked == 0


def test_nan_of_a_cheap_estimator_is_refused_with_its_name(space):
    estimator = Additive(space, np.full(len(space.catalog), np.nan))
    with pytest.raises(InputError, match="gave nan as latency_ms of architecture"):
        extremes(space, estimator)


def test_equal_bounds_are_found_for_a_constant_objective(space):
    estimator = Additive(space, np.zeros(len(space.catalog)))
    bounds = extremes(space, estimator)
    assert (bounds.minimum, bounds.maximum) == (0.0, 0.0)
