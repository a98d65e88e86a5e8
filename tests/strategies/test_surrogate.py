from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from hwnas import strategies
from hwnas.pareto import hypervolume, non_dominated
from hwnas.protocols import KnownLosses, StrategyProblem
from hwnas.spaces import load_space
from hwnas.strategies._surrogate_candidates import evolved, whole_space
from hwnas.strategies._surrogate_improvement import expected_improvement
from hwnas.strategies._surrogate_kernel import ChoiceKernel
from hwnas.strategies._surrogate_process import ChoiceProcess

CARDINALITIES = np.array([3, 4, 3, 2, 4, 3])
PROBLEM = StrategyProblem(CARDINALITIES, np.asarray, 2, 0, seed=0, batch=8)
LARGE = StrategyProblem(np.full(30, 4), np.asarray, 2, 0, seed=0, batch=8)


def cost(genes):
    return genes.sum(axis=1).astype(float)


def losses_of(genes):
    """A quality with interactions of genes, and the cost that it takes."""
    quality = -np.sqrt(cost(genes)) + 0.5 * (genes[:, 0] != genes[:, 2]) + 0.2 * (genes[:, 1] == 1)
    return np.stack([quality, cost(genes)], axis=1)


def cost_known(genes):
    return cost(genes)[:, None], np.zeros((len(genes), 0))


def told(problem, *, asks, losses=losses_of, violations=None):
    """Everything proposed, in one array."""
    strategy = strategies.create("surrogate", problem)
    batches = []
    for _ in range(asks):
        genes = strategy.ask()
        outside = np.zeros((len(genes), 0)) if violations is None else violations(genes)
        strategy.tell(genes, losses(genes), outside)
        batches.append(genes)
    return np.concatenate(batches)


def random_rows(count, seed=0):
    return np.random.default_rng(seed).integers(CARDINALITIES, size=(count, len(CARDINALITIES)))


def test_derivatives_of_the_covariance_are_those_of_finite_differences():
    kernel = ChoiceKernel(CARDINALITIES)
    rows = kernel.encode(random_rows(12)).exact()
    slope = np.random.default_rng(1).normal(size=(12, 12))
    slope += slope.T

    def weighted(parameters):
        own = np.exp(parameters[2]) * np.eye(12)
        return (slope * (kernel.covariance(parameters, rows, rows) + own)).sum()

    start = kernel.start()
    numeric = approx_fprime(start, weighted, 1e-6)
    assert kernel.gradient(start, rows, slope) == pytest.approx(numeric, abs=1e-4)


def test_a_row_varies_with_itself_as_much_as_any_and_more_than_with_others():
    kernel = ChoiceKernel(CARDINALITIES)
    rows = kernel.encode(whole_space(PROBLEM)[:50]).exact()
    covariance = kernel.covariance(kernel.start(), rows, rows)
    assert covariance.diagonal() == pytest.approx(kernel.variance(kernel.start()))
    assert (covariance - np.diag(covariance.diagonal()) < covariance[0, 0] - 1e-3).all()
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_a_process_predicts_a_sum_over_genes_from_a_few_rows():
    process = ChoiceProcess(ChoiceKernel(CARDINALITIES))
    process.fit(random_rows(60), cost(random_rows(60)))
    unseen = random_rows(200, seed=1)
    errors = process.mean(process.encode(unseen)) - cost(unseen)
    assert np.abs(errors).mean() < 0.2 * cost(unseen).std()


def test_deviations_are_as_large_as_errors_are():
    def rough(genes):
        return cost(genes) + 2 * np.sin(7.0 * genes @ np.arange(1, 7) ** 2)

    process = ChoiceProcess(ChoiceKernel(CARDINALITIES))
    process.fit(random_rows(80), rough(random_rows(80)))
    unseen = random_rows(300, seed=1)
    beliefs = process.beliefs(process.encode(unseen))
    within = np.abs(beliefs.mean - rough(unseen)) < beliefs.std
    assert 0.5 < within.mean() < 0.85


def test_a_picked_row_is_known_but_for_what_is_its_own():
    process = ChoiceProcess(ChoiceKernel(CARDINALITIES))
    process.fit(random_rows(20), np.random.default_rng(0).normal(size=20))
    beliefs = process.beliefs(process.encode(random_rows(30, seed=1)))
    before = beliefs.std
    for _ in range(200):
        beliefs.pick(3)
    # what a row has of its own stays, as evaluating it again would say
    assert beliefs.std[3] < before[3]
    assert (beliefs.std <= before + 1e-12).all()
    assert beliefs.std.min() == pytest.approx(beliefs.std[3])


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_without_deviation_the_improvement_is_the_gain_in_hypervolume(objectives):
    rng = np.random.default_rng(objectives)
    front, candidates = rng.random((7, objectives)), 1.2 * rng.random((20, objectives))
    reference = np.full(objectives, 0.9)
    gains = [
        hypervolume(np.vstack([front, candidate]), reference) - hypervolume(front, reference)
        for candidate in candidates
    ]
    found = expected_improvement(candidates, np.zeros_like(candidates), front, reference)
    assert found == pytest.approx(gains, abs=1e-12)


def test_the_improvement_is_the_mean_over_normal_losses():
    rng = np.random.default_rng(0)
    front, mean, std = rng.random((6, 2)), np.array([[0.4, 0.3]]), np.array([[0.2, 0.1]])
    drawn = mean + std * rng.standard_normal((100_000, 2))
    gains = expected_improvement(drawn, np.zeros_like(drawn), front, np.ones(2))
    assert expected_improvement(mean, std, front, np.ones(2))[0] == pytest.approx(
        gains.mean(), rel=0.02
    )


def test_the_improvement_of_a_single_loss_is_the_textbook_one():
    found = expected_improvement(np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1)), np.ones(1))
    assert found[0] == pytest.approx(1 / np.sqrt(2 * np.pi))


def test_a_front_beyond_the_grid_is_thinned_to_at_most_what_it_dominates():
    angles = np.linspace(0, np.pi / 2, 500)
    front = 1 - np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside = expected_improvement(np.full((1, 2), 0.9), np.zeros((1, 2)), front, np.ones(2))
    beyond = expected_improvement(np.full((1, 2), 0.2), np.zeros((1, 2)), front, np.ones(2))
    assert inside[0] == pytest.approx(0.0, abs=1e-3)
    assert beyond[0] > 1e-3


def test_a_whole_space_is_every_network_once():
    assert len(whole_space(PROBLEM)) == CARDINALITIES.prod()
    halved = replace(PROBLEM, canonical=lambda genes: genes // 2 * 2)
    assert len(whole_space(halved)) == 2 * 2 * 2 * 1 * 2 * 2
    assert whole_space(LARGE) is None


def test_evolution_finds_the_best_of_a_large_space():
    def judge(genes):
        return np.stack([cost(genes), -cost(genes)], axis=1), -cost(genes)

    rng = np.random.default_rng(0)
    found = evolved(LARGE, rng.integers(4, size=(10, 30)), judge, rng)
    # random ones cost 45, plus or minus 6
    assert cost(found[:1])[0] <= 15
    assert len(np.unique(found, axis=0)) == len(found)


@pytest.mark.parametrize("known", [None, KnownLosses((1,), (), cost_known)])
def test_few_evaluations_find_most_of_the_front(known):
    genes = told(replace(PROBLEM, known=known), asks=7)
    everything = losses_of(whole_space(PROBLEM))
    reference = np.quantile(everything, [0.5, 0.9], axis=0).diagonal()
    share = hypervolume(losses_of(genes), reference) / hypervolume(everything, reference)
    assert share > 0.9


def test_when_all_is_known_only_the_front_is_proposed():
    known = KnownLosses((0, 1), (), lambda genes: (losses_of(genes), np.zeros((len(genes), 0))))
    genes = told(replace(PROBLEM, known=known), asks=5)
    everything = losses_of(whole_space(PROBLEM))
    front = {tuple(row) for row in everything[non_dominated(everything)]}
    chosen = [tuple(row) in front for row in losses_of(genes[16:])]
    assert sum(chosen) > 8


def test_losses_made_up_for_broken_budgets_are_not_learned_from():
    def known(genes):
        return np.zeros((len(genes), 0)), np.maximum(cost(genes) - 8.0, 0.0)[:, None]

    def made_up(genes):
        return np.where(cost(genes)[:, None] > 8, 0.0, losses_of(genes))

    problem = replace(PROBLEM, budgets=1, known=KnownLosses((), (0,), known))
    genes = told(problem, asks=5, losses=made_up, violations=lambda g: known(g)[1])
    assert (cost(genes) <= 8).all()


def test_a_known_budget_that_hardly_any_architecture_meets_is_met():
    def known(genes):
        return np.zeros((len(genes), 0)), np.maximum(cost(genes) - 12.0, 0.0)[:, None]

    # a random one costs 45, plus or minus 6
    problem = replace(LARGE, budgets=1, known=KnownLosses((), (0,), known))
    genes = told(problem, asks=3, violations=lambda g: known(g)[1])
    assert (cost(genes) <= 12).all()


def test_a_budget_known_only_by_evaluation_is_learned():
    def violations(genes):
        return np.maximum(3.0 - (genes == 2).sum(axis=1, keepdims=True), 0.0)

    genes = told(replace(PROBLEM, budgets=1), asks=7, violations=violations)
    met = violations(genes)[:, 0] == 0
    assert met[24:].mean() > 2 * (violations(whole_space(PROBLEM)) == 0).mean()


def test_what_was_told_before_the_first_ask_is_not_proposed_again():
    archive = random_rows(40)
    strategy = strategies.create("surrogate", replace(PROBLEM, archive=archive))
    strategy.tell(archive, losses_of(archive), np.zeros((40, 0)))
    genes = strategy.ask()
    assert not {tuple(row) for row in genes} & {tuple(row) for row in archive}
    assert len(genes) == 8


def test_a_space_of_real_size_is_searched_by_evolution():
    space = load_space("ofa_mbv3_w1.0")
    problem = StrategyProblem(space.cardinalities, space.canonical, 2, 0, seed=0, batch=16)
    genes = told(problem, asks=3)
    assert len(np.unique(genes, axis=0)) == 48
    assert (space.canonical(genes) == genes).all()
    found, drawn = losses_of(genes), losses_of(space.sample(48, np.random.default_rng(0)))
    reference = np.quantile(drawn, [0.5, 0.9], axis=0).diagonal()
    assert hypervolume(found, reference) > 1.2 * hypervolume(drawn, reference)
