import numpy as np
import pytest

from hwnas.calibration import Layout
from hwnas.calibration.departures import departures

# four places with a choice of three kinds each, the empty layer first
LAYOUT = Layout(
    np.concatenate([[0.0], np.repeat(np.arange(4.0), 3)]),
    np.concatenate([[-1], np.tile(np.arange(3), 4)]),
)


def shown(by_place: list[list[float]]) -> np.ndarray:
    """Costs on one known device, a row of kinds for each place."""
    return np.concatenate([[0.0], np.ravel(by_place)])[:, None]


def test_covariances_are_positive_semidefinite_and_nothing_for_the_empty_layer():
    columns = np.random.default_rng(0).random((13, 4))
    covariance = departures(LAYOUT, columns)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    assert not covariance[0].any()
    assert not covariance[:, 0].any()
    assert (np.diag(covariance)[1:] > 0).all()


def test_kinds_that_departed_together_are_expected_to_do_so_again():
    # at the last place kinds 0 and 1 are dear and kind 2 is as everywhere
    covariance = departures(LAYOUT, shown([[1, 2, 3], [1, 2, 3], [1, 2, 3], [4, 5, 3]]))
    together, apart = covariance[10, 11], covariance[10, 12]
    assert together > 0.5 * np.sqrt(covariance[10, 10] * covariance[11, 11])
    assert apart == pytest.approx(0, abs=1e-9)
    assert covariance[10, 10] > covariance[12, 12]


def test_places_that_devices_treat_alike_depart_alike():
    covariance = departures(LAYOUT, shown([[1, 2, 3], [1, 2, 3], [2, 3, 3], [4, 5, 3]]))
    same, other = covariance[1, 4], covariance[1, 10]
    assert same == pytest.approx(covariance[1, 1])
    assert other < 0.5 * same


def test_devices_that_show_nothing_leave_every_kind_to_itself():
    covariance = departures(LAYOUT, shown([[1, 2, 3]] * 4))
    kinds = LAYOUT.kinds[1:]
    assert covariance[1:, 1:] == pytest.approx((kinds[:, None] == kinds).astype(float))
