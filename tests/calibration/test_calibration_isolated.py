import dataclasses

import numpy as np
import pytest

from hwnas.calibration import Layout, one_hot
from hwnas.calibration.isolated import (
    PARTS,
    Evidence,
    calibrated,
    calibration,
    error_parts,
    expected_covariance,
)
from hwnas.calibration.layer_layout import layer_layout
from hwnas.errors import InputError
from hwnas.layers import EMPTY, LayerSpec

CARDINALITIES = np.full(8, 6)
LAYOUT = Layout.of_choices(CARDINALITIES)
ALONE = np.random.default_rng(0).gamma(4, 0.25, len(LAYOUT))
# a device that takes 30 % longer than layers alone, and half as long again for one kind
TRUE = ALONE * np.where(LAYOUT.kinds == 2, 1.95, 1.3)


def networks(count: int, seed: int) -> np.ndarray:
    genes = np.random.default_rng(seed).integers(0, CARDINALITIES, (count, 8))
    return one_hot(genes, CARDINALITIES)


def evidence(count: int = 30, *, noise: float = 0.01, seed: int = 1) -> Evidence:
    counts = networks(count, seed)
    spread = 1 + noise * np.random.default_rng(seed).standard_normal(count)
    return Evidence(LAYOUT, ALONE, 0.5, counts, (0.5 + counts @ TRUE) * spread)


def test_unseen_networks_are_predicted_better_than_by_scaled_sums() -> None:
    given, unseen = evidence(), networks(300, 2)
    truth = 0.5 + unseen @ TRUE
    found = calibrated(given, calibration(given)).posterior
    scale = np.median(given.measured_ms / given.expected_ms)
    scaled = np.abs(scale * (0.5 + unseen @ ALONE) / truth - 1).mean()
    assert np.abs(found.means(unseen) / truth - 1).mean() < 0.4 * scaled


@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_intervals_cover_about_what_they_state(noise: float) -> None:
    inside = []
    for seed in range(4):
        given, unseen = evidence(noise=noise, seed=seed), networks(300, 90 + seed)
        found = calibrated(given, calibration(given))
        spread = 1 + noise * np.random.default_rng(seed).standard_normal(300)
        truth = (0.5 + unseen @ TRUE) * spread
        means = found.posterior.means(unseen)
        deviations = np.hypot(found.posterior.deviations(unseen), found.noise * means)
        inside.append(np.abs(truth - means) <= 1.645 * deviations)
    assert 0.82 < np.mean(inside) < 0.995  # cautious where hardly anything is left unexplained


def test_deviations_are_as_wide_as_leaving_each_network_out_shows() -> None:
    given = evidence(noise=0.03)
    found = calibrated(given, calibration(given))
    away = np.abs(given.measured_ms - found.left_out_ms) / found.left_out_std_ms
    # a normal error is 0.8 deviations away on average; what was stated before counts 16 networks
    assert 0.7 < away.mean() < 0.9


def test_another_unit_of_time_changes_nothing_but_the_unit() -> None:
    given, unseen = evidence(), networks(20, 3)
    fast = Evidence(LAYOUT, 1e-3 * ALONE, 0.5e-3, given.counts, 1e-3 * given.measured_ms)
    slow_found, fast_found = (calibrated(one, calibration(one)) for one in (given, fast))
    assert fast_found.noise == pytest.approx(slow_found.noise, rel=1e-2)
    assert fast_found.posterior.means(unseen) == pytest.approx(
        1e-3 * slow_found.posterior.means(unseen), rel=1e-3
    )
    assert fast_found.posterior.deviations(unseen) == pytest.approx(
        1e-3 * slow_found.posterior.deviations(unseen), rel=2e-2
    )


def test_the_posterior_is_that_of_the_formula_written_out() -> None:
    given = evidence(12)
    learned = dataclasses.replace(calibration(given), precisions=(1.0,) * 12)
    covariance = sum(v * p for v, p in zip(learned.variances, error_parts(given), strict=True))
    rows, target = given.relative_counts, given.relative_ms
    centred = rows - rows.mean(axis=0)
    # the intercept is all but flat: 100 times the variance of the targets
    marginal = centred @ covariance @ centred.T + 100 * target.var()
    marginal += learned.noise**2 * np.eye(12)
    unseen = networks(5, 4)
    expected = 0.5 + unseen @ ALONE
    across = (unseen / expected[:, None] - rows.mean(axis=0)) @ covariance @ centred.T
    across += 100 * target.var()
    mean = expected * (target.mean() + across @ np.linalg.solve(marginal, target - target.mean()))
    assert calibrated(given, learned).posterior.means(unseen) == pytest.approx(mean, rel=1e-6)


def test_what_is_left_out_is_what_the_others_predict() -> None:
    given = evidence(12)
    learned = dataclasses.replace(calibration(given), precisions=(1.0,) * 12)
    found = calibrated(given, learned)
    unit, level = given.relative_ms.std(), given.relative_ms.mean()
    rows = given.relative_counts - given.relative_counts.mean(axis=0)
    covariance = sum(v * p for v, p in zip(learned.variances, error_parts(given), strict=True))
    marginal = rows @ covariance @ rows.T + 100 * unit**2 + learned.noise**2 * np.eye(12)
    inverse = np.linalg.inv(marginal)
    errors = inverse @ (given.relative_ms - level) / np.diag(inverse)
    expected = given.measured_ms - errors * given.expected_ms
    assert found.left_out_ms == pytest.approx(expected, rel=1e-6)


def test_an_outlier_has_little_weight() -> None:
    given = evidence(30)
    spoilt = given.measured_ms.copy()
    spoilt[4] *= 2
    learned = calibration(dataclasses.replace(given, measured_ms=spoilt))
    assert learned.precisions[4] < 0.1 * np.median(learned.precisions)


def test_parts_of_errors_are_covariances() -> None:
    parts = list(error_parts(evidence()))
    assert len(parts) == PARTS
    for part in parts:
        np.testing.assert_allclose(part, part.T)
        assert np.linalg.eigvalsh(part).min() > -1e-9


def test_what_is_expected_before_does_not_depend_on_measurements() -> None:
    given = evidence()
    other = dataclasses.replace(given, measured_ms=2 * given.measured_ms)
    np.testing.assert_array_equal(expected_covariance(given)[0], expected_covariance(other)[0])


@pytest.mark.parametrize(("changes", "message"), [
    ({"isolated_ms": np.full(48, np.nan)}, "negative or not finite"),
    ({"isolated_ms": -ALONE}, "negative or not finite"),
    ({"isolated_ms": ALONE[1:]}, "same layers"),
    ({"measured_ms": np.full(30, np.nan)}, "cannot have been measured"),
    ({"measured_ms": np.full(30, -1.0)}, "cannot have been measured"),
    ({"measured_ms": np.full(30, 2.0)}, r"took 2\.0 ms"),
    ({"counts": np.zeros((30, 48))}, "1 different networks"),
    ({"isolated_ms": 0 * ALONE, "overhead_ms": 0.0}, "take no time when measured alone"),
])  # fmt: skip
def test_what_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(evidence(), **changes)


def test_layers_stand_by_their_channels_and_are_of_a_kind_by_their_steps() -> None:
    narrow = LayerSpec("mbconv", 28, 16, 16, hidden_channels=32, kernel_size=3)
    wide = dataclasses.replace(narrow, hidden_channels=64)
    other = dataclasses.replace(narrow, kernel_size=5, in_channels=32, resolution=14)
    layout = layer_layout([EMPTY, narrow, wide, other])
    assert layout.kinds.tolist() == [-1, 0, 0, 1]
    assert layout.positions.tolist() == [0.0, 4.0, 4.0, 5.0]
