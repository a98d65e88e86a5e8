import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas import strategies
from hwnas.catalog import largest, total
from hwnas.errors import InputError
from hwnas.pareto import non_dominated, normalised
from hwnas.protocols import KnownLosses, StrategyProblem
from hwnas.spaces import load_space
from hwnas.strategies.exact import exact_front


def problem_of(cardinalities, minimised, *, objectives=2, budgets=(), canonical=np.asarray):
    """All known: columns of a function of genes; budgets are (column, bound)."""

    def margins(genes):
        values = minimised(genes)
        return np.stack(
            [values[:, column] - bound for column, bound in budgets] or [np.zeros(0)], axis=1
        )[: len(genes)].reshape(len(genes), len(budgets))

    def of(genes):
        return minimised(genes)[:, :objectives], np.maximum(margins(genes), 0.0)

    known = KnownLosses(tuple(range(objectives)), tuple(range(len(budgets))), of, margins)
    return StrategyProblem(
        np.array(cardinalities), canonical, objectives, len(budgets), 0, 10, known
    )


def every(problem):
    rows = np.array(list(itertools.product(*map(range, problem.cardinalities))))
    return np.unique(problem.canonical(rows), axis=0)


def brute_force(problem):
    """The distinct losses of the feasible front, ascending."""
    losses, violations = problem.known.of(every(problem))
    feasible = (violations == 0).all(axis=1)
    return np.unique(losses[non_dominated(losses, feasible=feasible)], axis=0)


def entangled(seed, columns, *, whole):
    """A sum of parts of a chain of genes, of a gene that all share, and of gated ones."""
    rng = np.random.default_rng(seed)
    cardinalities = rng.integers(1, 4, size=7)
    numbers = rng.integers(-20, 20, size=(7, 4, 4, 4, columns))
    tables = numbers.astype(float) if whole else numbers + rng.random(numbers.shape)

    def canonical(genes):
        genes = np.array(genes)
        genes[genes[:, 1] == 0, 5] = 0
        return genes

    def minimised(genes):
        return sum(
            tables[i, genes[:, i], genes[:, (i + 1) % 6 if i < 5 else i], genes[:, 6]]
            for i in range(6)
        )

    return cardinalities, minimised, canonical


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), objectives=st.integers(1, 3), whole=st.booleans(),
    budgets=st.integers(0, 2),
)  # fmt: skip
def test_the_front_is_that_of_all_architectures(seed, objectives, whole, budgets):
    cardinalities, minimised, canonical = entangled(seed, 4, whole=whole)
    problem = problem_of(cardinalities, minimised, objectives=objectives, canonical=canonical)
    values = minimised(every(problem))
    # of an objective, and of something that is none
    bounds = [(0, np.median(values[:, 0])), (3, np.median(values[:, 3]))][:budgets]
    problem = problem_of(
        cardinalities, minimised, objectives=objectives, budgets=bounds, canonical=canonical
    )
    expected = brute_force(problem)
    if len(expected) == 0:
        return
    found = exact_front(problem)
    assert found.losses.shape == expected.shape
    assert np.allclose(np.unique(found.losses, axis=0), expected, rtol=1e-9, atol=1e-9)
    assert (found.gap == 0).all()
    assert (canonical(found.genes) == found.genes).all()


def test_a_front_by_hand():
    # each gene adds (0, 3), (1, 1) or (3, 0); the best sums of two of them
    choices = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0]])
    problem = problem_of([3, 3], lambda genes: choices[genes].sum(axis=1))
    assert exact_front(problem).losses.tolist() == [[0, 6], [1, 4], [2, 2], [4, 1], [6, 0]]


@pytest.mark.parametrize("seed", range(8))
def test_no_architecture_is_better_than_a_thinned_front_by_more_than_its_gap(seed):
    cardinalities, minimised, canonical = entangled(seed, 3, whole=False)
    problem = problem_of(cardinalities, minimised, objectives=3, canonical=canonical)
    expected, found = brute_force(problem), exact_front(problem, pairs=16)
    assert (found.gap > 0).all() == (len(expected) > len(found.losses))
    covered = (found.losses[None] <= expected[:, None] + found.gap + 1e-9).all(axis=2)
    assert covered.any(axis=1).all()


@pytest.fixture(scope="module")
def space():
    return load_space(__file__.replace("strategies/test_exact.py", "data/search_space.toml"))


def of_layers(space, *combined):
    """Losses from costs of layers, each with what combines them: `total` or `largest`."""
    return lambda genes: np.stack(
        [combine(values, space.layer_indices(genes)) for combine, values in combined], axis=1
    )


def test_the_front_of_a_space_is_that_of_all_its_networks(space):
    catalog = space.catalog
    capacity = np.log1p(catalog.params) + catalog.filters**0.5
    minimised = of_layers(space, (total, -capacity), (total, catalog.macs))
    problem = problem_of(space.cardinalities, minimised, canonical=space.canonical)
    assert np.allclose(exact_front(problem).losses, brute_force(problem))


def test_what_does_not_add_up_is_enumerated(space):
    catalog = space.catalog
    minimised = of_layers(space, (total, -catalog.params), (largest, catalog.peak_activations))
    problem = problem_of(space.cardinalities, minimised, canonical=space.canonical)
    assert exact_front(problem).losses.tolist() == brute_force(problem).tolist()


def test_what_does_not_add_up_in_a_large_space_is_refused_with_other_strategies():
    space = load_space("ofa_mbv3_w1.0")
    costs = of_layers(space, (total, space.catalog.params), (total, space.catalog.macs))
    problem = problem_of(
        space.cardinalities, lambda genes: costs(genes) ** [1, -0.5], canonical=space.canonical
    )
    with pytest.raises(InputError, match="choose nsga2 or surrogate"):
        strategies.create("exact", problem).ask()


def test_expensive_objectives_are_refused_with_other_strategies():
    problem = problem_of([3, 3], lambda genes: genes.astype(float))
    for known in (None, replace(problem.known, objectives=(0,))):
        with pytest.raises(InputError, match="not; choose surrogate"):
            strategies.create("exact", replace(problem, known=known))


def test_losses_known_in_another_order_are_put_in_order():
    problem = problem_of([3, 3], lambda genes: genes.astype(float) * [1, -10])
    swapped = replace(problem.known, objectives=(1, 0))
    assert exact_front(replace(problem, known=swapped)).losses.tolist() == [[-20, 0]]


def convex(genes):
    """A front of 300 points that bends."""
    steps = genes[:, 0] * 10 + genes[:, 1] + 1.0
    return np.stack([steps, 1000 / steps], axis=1)


def test_every_member_is_proposed_once_and_then_nothing():
    strategy = strategies.create("exact", problem_of([30, 10], convex))
    proposed = []
    while len(genes := strategy.ask()):
        proposed.append(genes)
        strategy.tell(genes, convex(genes), np.zeros((len(genes), 0)))
    rows = np.concatenate(proposed)
    assert len(np.unique(rows, axis=0)) == len(rows) == 300
    assert max(map(len, proposed)) == 10


def test_the_first_proposals_are_spread_over_the_front():
    problem = problem_of([30, 10], convex)
    front = normalised(convex(every(problem)))
    proposed = strategies.create("exact", problem).ask()
    taken = front[(every(problem)[:, None] == proposed).all(axis=2).any(axis=1)]
    distances = np.abs(front[:, None] - taken).max(axis=2).min(axis=1)
    assert distances.max() <= 0.2  # ten cannot do better than 0.1 on a front that bends sharply


def test_what_was_told_before_is_not_proposed():
    problem = problem_of([30, 10], convex)
    known = every(problem)[::3]
    strategy = strategies.create("exact", replace(problem, batch=1000, archive=known))
    strategy.tell(known, convex(known), np.zeros((len(known), 0)))
    assert len(strategy.ask()) == 200


def test_a_budget_that_nothing_meets_leaves_the_nearest():
    problem = problem_of([30, 10], convex, budgets=[(0, -5.0)])
    assert strategies.create("exact", problem).ask().tolist() == [[0, 0]]


@pytest.mark.parametrize("cardinalities", [[], [1], [1, 1, 3], [2]])
def test_a_space_of_few_choices_or_none_has_a_front(cardinalities):
    def minimised(genes):
        return np.stack([genes.sum(axis=1), -genes.sum(axis=1)], axis=1) * 1.0

    problem = problem_of(np.array(cardinalities, dtype=int), minimised)
    assert len(exact_front(problem).genes) == np.prod(cardinalities)
