import numpy as np
import pytest

from hwnas.calibration import Layout, layout_mixture, one_hot, scaled_mixture
from hwnas.calibration.priors import Coregional
from hwnas.errors import InputError

CARDINALITIES = np.array([3, 3, 2, 3])
LAYOUT = Layout.of_choices(CARDINALITIES)


def networks(count: int) -> np.ndarray:
    return one_hot(np.random.default_rng(0).integers(0, CARDINALITIES, (count, 4)), CARDINALITIES)


def families() -> dict:
    rng = np.random.default_rng(1)
    isolated = rng.random(len(LAYOUT))
    return {
        "kinds": layout_mixture(LAYOUT, networks(20)),
        "isolated": scaled_mixture(LAYOUT, networks(20), isolated_ms=isolated),
        "profiles": Coregional(LAYOUT, 0.3, rng.standard_normal((2, 3))),
    }


@pytest.mark.parametrize("name", families())
def test_gradients_are_those_of_finite_differences(name):
    rng = np.random.default_rng(2)
    design = networks(6)
    family = families()[name].over(design)
    slope = rng.standard_normal((6, 6))
    slope += slope.T
    at = family.start + 0.3 * rng.standard_normal(len(family.start))

    def value(parameters: np.ndarray) -> float:
        return float(np.sum(slope * family.covariance(parameters)))

    steps = 1e-5 * np.eye(len(at))
    differences = [(value(at + step) - value(at - step)) / 2e-5 for step in steps]
    assert family.gradient(at, slope) == pytest.approx(differences, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", families())
def test_covariances_are_positive_semidefinite_and_sum_over_networks(name):
    family, design = families()[name], networks(7)
    covariance = family.covariance(family.start)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    summed = family.over(design).covariance(family.start)
    assert summed == pytest.approx(design @ covariance @ design.T)
    assert family.over(design).over(design[:, :7].T).covariance(family.start) == pytest.approx(
        design[:, :7].T @ summed @ design[:, :7]
    )


@pytest.mark.parametrize("name", families())
def test_a_hyper_prior_has_a_mean_and_a_deviation_for_each_parameter(name):
    means, deviations = families()[name].prior
    assert means.shape == deviations.shape == families()[name].start.shape
    assert (deviations > 0).all()


def test_the_empty_layer_costs_nothing_under_any_prior():
    layout = Layout(np.array([0.0, 0, 1, 1]), np.array([-1, 0, 0, 1]))
    design = np.array([[0.0, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]])
    isolated = np.array([0.0, 1, 2, 3])
    for family in (
        layout_mixture(layout, design),
        scaled_mixture(layout, design, isolated_ms=isolated),
        Coregional(layout, 1.0, np.ones((1, 2))),
    ):
        covariance = family.covariance(family.start)
        assert not covariance[0].any()
        assert not covariance[:, 0].any()


def test_components_of_a_mixture_have_a_mean_variance_of_one_over_the_networks():
    design = networks(30)
    mixture = layout_mixture(LAYOUT, design)
    centred = design - design.mean(axis=0)
    for component in mixture.components:
        assert np.diag(centred @ component @ centred.T).mean() == pytest.approx(1)


def test_networks_that_do_not_differ_are_refused():
    with pytest.raises(InputError, match="do not differ"):
        layout_mixture(LAYOUT, np.ones((4, len(LAYOUT))))


def test_a_component_under_which_networks_do_not_differ_is_left_out():
    # every network holds each kind as often, so that kinds alone tell nothing
    layout = Layout(np.array([0.0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    design = np.array([[1.0, 0, 0, 1], [0, 1, 1, 0]])
    assert len(layout_mixture(layout, design).components) == 3
