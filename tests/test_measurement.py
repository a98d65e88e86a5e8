import numpy as np
import pytest

from hwnas.measurement import Measurement, Samples


def visits(medians_ms):
    return Measurement(tuple(Samples((round(ms * 1e6),)) for ms in medians_ms))


def test_one_visit_states_no_error():
    assert visits([2.0]).error_ms == 0.0


def test_the_error_of_a_median_shrinks_with_the_root_of_the_visits():
    few, many = visits([1.0, 2.0, 3.0, 4.0]), visits([1.0, 2.0, 3.0, 4.0] * 100)
    assert few.error_ms == pytest.approx(1.2533 * (1.5 / 1.349) / 2, rel=1e-3)
    assert many.error_ms == pytest.approx(few.error_ms / 10)


def test_the_error_is_how_far_medians_of_normal_visits_scatter():
    rng = np.random.default_rng(0)
    measurements = [visits(rng.normal(100.0, 5.0, 24)) for _ in range(300)]
    scatter = np.std([one.median_ms for one in measurements])
    assert np.mean([one.error_ms for one in measurements]) == pytest.approx(scatter, rel=0.15)


def test_one_wild_visit_hardly_changes_the_error():
    calm = [1.0 + 0.01 * i for i in range(20)]
    assert visits([*calm, 50.0]).error_ms < 1.2 * visits(calm).error_ms
