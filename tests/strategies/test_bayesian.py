import subprocess
import sys
from math import gamma, pi

import numpy as np
import pytest

from hwnas import extras, strategies
from hwnas.pareto import hypervolume
from hwnas.protocols import KnownLosses, StrategyProblem
from hwnas.strategies._hypervolume_reach import greedy, random_directions, reach

PROBLEM = StrategyProblem(np.array([3, 4, 3, 4]), np.asarray, 2, 1, seed=0, batch=8)

needs_botorch = pytest.mark.skipif(
    not extras.installed("botorch"), reason="botorch is not installed: pip install hwnas[bayesian]"
)


def losses_of(genes):
    total = genes.sum(axis=1).astype(float)
    return np.stack([-total + (genes[:, 0] != genes[:, 2]), total], axis=1)


def volume(gains):
    """Hypervolume of what is so much better than the reference, shape (points, objectives)."""
    return hypervolume(-gains, np.zeros(gains.shape[1]))


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_the_mean_reach_over_directions_is_the_hypervolume(objectives):
    rng = np.random.default_rng(objectives)
    gains = rng.uniform(-0.2, 1.0, size=(12, objectives))
    directions = random_directions(20_000, objectives, rng)
    # volume of the part of the unit ball that has no negative coordinate
    unit = pi ** (objectives / 2) / gamma(objectives / 2 + 1) / 2**objectives
    reached = reach(gains, directions).max(axis=0).mean() * unit
    assert reached == pytest.approx(volume(gains), rel=0.05)


def test_points_are_picked_for_what_they_add_to_those_picked_before():
    gains = np.array([[0.9, 0.5], [0.89, 0.5], [0.1, 1.0], [0.4, 0.4]])
    reached = reach(gains, random_directions(2_000, 2, np.random.default_rng(0)))[None]
    nothing = np.zeros((1, 2_000))
    assert greedy(reached, nothing, 2).tolist() == [0, 2]
    assert greedy(reached, reached[:, 0], 1).tolist() == [2]
    assert sorted(greedy(reached, nothing, 9)) == [0, 1, 2, 3]


def test_listing_strategies_imports_no_torch():
    code = (
        "import sys; from hwnas import strategies; strategies.names(); "
        "strategies.plugins.load(strategies.__name__, 'bayesian', what='strategy'); "
        "sys.exit('torch' in sys.modules or 'botorch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_searching_without_botorch_says_which_extra_brings_it():
    code = (
        "import sys; sys.modules['botorch'] = None\n"  # as if it were not installed
        "import numpy as np; from hwnas import errors, protocols, strategies\n"
        "problem = protocols.StrategyProblem(np.array([3, 4]), np.asarray, 2, 0, seed=0, batch=8)\n"
        "try: strategies.create('bayesian', problem)\n"
        "except errors.ExtraMissingError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'hwnas[bayesian]'" in said.stdout


@needs_botorch
@pytest.mark.parametrize(
    "known", [None, KnownLosses((1,), (), lambda g: (losses_of(g)[:, 1:], np.zeros((len(g), 0))))]
)
def test_a_budget_known_only_by_evaluation_is_learned(known):
    def violations(genes):
        return np.maximum(genes.sum(axis=1, keepdims=True) - 7.0, 0.0)

    problem = StrategyProblem(PROBLEM.cardinalities, np.asarray, 2, 1, seed=0, batch=8, known=known)
    strategy = strategies.create("bayesian", problem)
    for _ in range(4):
        genes = strategy.ask()
        strategy.tell(genes, losses_of(genes), violations(genes))
    assert (violations(genes)[:, 0] == 0).mean() > 0.7
