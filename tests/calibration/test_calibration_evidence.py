import numpy as np
import pytest
from scipy.stats import t as student

from hwnas.calibration import Layout, layout_mixture, one_hot
from hwnas.calibration.evidence import DEGREES_OF_FREEDOM, fit, stacking_weights

CARDINALITIES = np.full(6, 3)
LAYOUT = Layout.of_choices(CARDINALITIES)


def sample(networks: int, *, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = one_hot(rng.integers(0, 3, (networks, 6)), CARDINALITIES)
    kind = np.array([0.0, 1.0, 3.0])
    target = counts @ kind[LAYOUT.kinds] + noise * rng.standard_normal(networks)
    return counts - counts.mean(axis=0), (target - target.mean()) / target.std()


def test_a_model_that_predicts_better_weighs_more_and_equal_ones_the_same():
    better, worse = np.full(30, -1.0), np.full(30, -2.0)
    weights = stacking_weights(np.stack([better, worse]))
    assert weights[0] > 0.9
    assert weights.sum() == pytest.approx(1)
    assert stacking_weights(np.stack([better, better])) == pytest.approx([0.5, 0.5])


def test_one_model_has_all_the_weight():
    assert stacking_weights(np.zeros((1, 5))) == pytest.approx([1])


def test_little_noise_is_told_from_much():
    noises = []
    for level in (0.05, 2.0):
        design, target = sample(60, noise=level)
        noises.append(fit(layout_mixture(LAYOUT, design), design, target).noise)
    assert noises[0] < 0.02 < 0.2 < noises[1]


def test_an_outlier_hardly_moves_the_costs():
    design, target = sample(60, noise=0.2)
    family = layout_mixture(LAYOUT, design)
    clean = fit(family, design, target)
    target = target.copy()
    target[7] += 15
    spoiled = fit(family, design, target)
    rows = np.column_stack([design, np.ones(60)])
    assert np.abs(rows @ (spoiled.mean - clean.mean)).max() < 0.2


def test_a_left_out_density_is_that_of_a_fit_without_the_network():
    design, target = sample(40, noise=0.3)
    family = layout_mixture(LAYOUT, design)
    fitted = fit(family, design, target)
    rest = np.delete(np.arange(40), 5)
    without = fit(family, design[rest], target[rest])
    row = np.append(design[5], 1.0)
    scale = np.sqrt(row @ without.covariance @ row + without.noise)
    expected = student.logpdf((target[5] - row @ without.mean) / scale, DEGREES_OF_FREEDOM)
    # hyper-parameters and precisions are those with the network in one case only
    assert fitted.log_densities[5] == pytest.approx(expected - np.log(scale), abs=0.3)
