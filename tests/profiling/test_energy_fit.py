import numpy as np
import pytest

from hwnas.errors import HwnasWarning
from hwnas.latency_table import EnergyFit, NetworkTiming
from hwnas.measurement import EnergyBlock, Measurement, Samples
from hwnas.profiling.energy import fit_energy
from hwnas.profiling.plan import CANARY, OVERHEAD, Batch, metered_visits


def block(inference_mj: float, *, idle_mw: float = 500.0, meter: str = "rapl") -> EnergyBlock:
    """Two seconds and 100 runs, idle power on top of what the runs take."""
    return EnergyBlock(meter, 100, 2.0, 2.0 * idle_mw + 100 * inference_mj, idle_mw)


def network(ms: float, predicted_ms: float, *blocks: EnergyBlock | None) -> NetworkTiming:
    samples = tuple(Samples((round(ms * 1e6),), energy=one) for one in blocks)
    return NetworkTiming((0,), ms, predicted_ms, samples)


def test_an_inference_takes_what_the_idle_device_does_not() -> None:
    assert block(3.0).inference_mj == pytest.approx(3.0)
    assert block(3.0, idle_mw=0.0).inference_mj == pytest.approx(3.0)


def test_energy_of_a_measurement_is_the_median_of_its_blocks() -> None:
    found = (block(1.0), None, block(4.0), block(3.0))
    assert Measurement(tuple(Samples((1,), energy=one) for one in found)).energy_mj == 3.0
    assert Measurement((Samples((1,)),)).energy_mj is None


def test_networks_of_one_power_are_predicted_exactly() -> None:
    # 2 W: 2 mJ for each millisecond
    fit = fit_energy([network(ms, ms, block(2 * ms), block(2 * ms)) for ms in (1.0, 3.0, 5.0)])
    assert fit == EnergyFit("rapl", 2000.0, 3, 0.0, 0.0, 1.0, 0.0)
    assert fit.energy_mj(np.array([1.5, 4.0])).tolist() == [3.0, 8.0]


def test_each_half_is_predicted_with_the_power_of_the_other() -> None:
    # half 0 at 1 W, half 1 at 2 W: predictions are 2 and 0.5 times what was measured
    fit = fit_energy([network(1.0, 1.0, block(1.0)), network(1.0, 1.0, block(2.0))])
    assert fit is not None
    assert fit.active_mw == 1500.0
    assert fit.mape == pytest.approx((100 + 50) / 2)
    assert fit.bias == pytest.approx((100 - 50) / 2)
    assert fit.repeatability_mape is None


def test_predictions_start_from_the_predicted_latency() -> None:
    fit = fit_energy([network(1.0, 1.1, block(1.0)), network(2.0, 2.2, block(2.0))])
    assert fit is not None
    assert [fit.mape, fit.bias] == pytest.approx([10.0, 10.0])


def test_two_halves_of_the_blocks_say_how_far_the_meter_repeats() -> None:
    fit = fit_energy([network(1.0, 1.0, block(1.1), block(1.0)) for _ in range(2)])
    assert fit is not None
    assert fit.repeatability_mape == pytest.approx(10.0)


@pytest.mark.parametrize("networks", [
    [],
    [network(1.0, 1.0, None), network(1.0, 1.0, None)],
    [network(1.0, 1.0, block(1.0))],
    # of one half only
    [network(1.0, 1.0, block(1.0)), network(1.0, 1.0, None), network(1.0, 1.0, block(1.0))],
])  # fmt: skip
def test_without_meter_or_networks_enough_there_is_no_fit(networks: list[NetworkTiming]) -> None:
    assert fit_energy(networks) is None


def test_of_two_meters_the_last_counts() -> None:
    old = [network(1.0, 1.0, block(9.0, meter="battery")) for _ in range(2)]
    fit = fit_energy([*old, *(network(1.0, 1.0, block(1.0)) for _ in range(2))])
    assert fit is not None
    assert (fit.meter, fit.active_mw, fit.networks) == ("rapl", 1000.0, 2)


def test_a_meter_that_sees_no_difference_is_told_and_not_used() -> None:
    with pytest.warns(HwnasWarning, match="1 of 2 networks take no more power than the idle"):
        assert fit_energy([network(1.0, 1.0, block(1.0)), network(1.0, 1.0, block(-0.1))]) is None


def test_whole_networks_are_metered_in_their_first_visits() -> None:
    order = [CANARY, "network0", OVERHEAD, "layer0", "network1", "network0", "network0", CANARY]
    batch = Batch({}, tuple(enumerate(order, start=10)))
    assert metered_visits(batch, 2) == {11, 14, 15}
    assert metered_visits(batch, 0) == frozenset()
