import numpy as np

from hwnas.prediction.bayesian_ridge import fit_groups


def made(rows, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 8))
    weights = np.array([2.0, -1.0, 0.5, 1.5, 0.0, 0.0, 0.0, 0.0])
    return features, 3.0 + features @ weights + noise * rng.normal(size=rows), weights


def test_weights_and_noise_are_found_again():
    features, values, weights = made(500)
    posterior = fit_groups(features - features.mean(axis=0), values, (4, 4))
    np.testing.assert_allclose(posterior.weights, weights, atol=0.03)
    np.testing.assert_allclose(posterior.noise_std, 0.1, rtol=0.15)


def test_a_group_that_explains_nothing_is_held_at_nothing():
    features, values, _ = made(60, noise=0.5)
    posterior = fit_groups(features - features.mean(axis=0), values, (4, 4))
    one_group = fit_groups(features - features.mean(axis=0), values, (8,))
    assert np.abs(posterior.weights[4:]).sum() < np.abs(one_group.weights[4:]).sum()


def test_nine_of_ten_new_values_are_in_their_intervals():
    features, values, _ = made(60, noise=0.5)
    centre = features.mean(axis=0)
    posterior = fit_groups(features - centre, values, (4, 4))
    new, truth, _ = made(4_000, seed=1, noise=0.5)
    errors = np.abs(posterior.mean(new - centre) - truth)
    inside = errors <= 1.645 * posterior.std(new - centre)
    assert 0.85 < inside.mean() < 0.95
