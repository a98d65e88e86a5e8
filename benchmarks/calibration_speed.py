"""How long do calibration of a large catalog, and predictions with deviations, take?

Question: CPU seconds, one thread, to calibrate a catalog of 2,341 layers (26 slots of 90 choices)
from 200 whole networks, with and without layers measured alone; and for a million means and
100,000 deviations of its networks.

    python -m benchmarks.calibration_speed

Hardware: whatever it runs on; the result file says which. Expected on one x86-64 core: 2 to 4 s for
either calibration, under half a second for the means and for the deviations.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from hwnas.calibration import Layout, Posterior, calibrate, layer_counts  # noqa: E402

Result = TypeVar("Result")

_SLOTS, _CHOICES, _KINDS, _NETWORKS = 26, 90, 10, 200
_MEANS, _DEVIATIONS = 1_000_000, 100_000


def networks(count: int, rng: np.random.Generator) -> np.ndarray:
    """Random ones as layer indices, shape (networks, slots)."""
    return 1 + np.arange(_SLOTS) * _CHOICES + rng.integers(0, _CHOICES, (count, _SLOTS))


def cpu_s(work: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds of one call, and its result."""
    start = time.process_time()
    result = work()
    return round(time.process_time() - start, 3), result


def calibrated(rng: np.random.Generator) -> tuple[dict[str, float], Posterior]:
    """CPU seconds of both calibrations, and the first's result."""
    layers = 1 + _SLOTS * _CHOICES
    layout = Layout(
        positions=np.concatenate([[0.0], np.repeat(np.arange(_SLOTS), _CHOICES)]),
        kinds=np.concatenate([[-1], np.tile(np.arange(_CHOICES) % _KINDS, _SLOTS)]),
    )
    isolated = np.concatenate([[0.0], rng.gamma(3, 0.1, layers - 1)])
    counts = layer_counts(networks(_NETWORKS, rng), layers)
    own = 1.2 * isolated * (1 + 0.1 * rng.standard_normal(layers))
    latency = (1 + counts @ own) * (1 + 0.01 * rng.standard_normal(_NETWORKS))
    with_isolated, posterior = cpu_s(
        lambda: calibrate(counts, latency, layout=layout, isolated_ms=isolated)
    )
    without, _ = cpu_s(lambda: calibrate(counts, latency, layout=layout))
    return {"calibrate_with_isolated": with_isolated, "calibrate_without": without}, posterior


def main() -> None:
    """Run the claim and write its result."""
    rng = np.random.default_rng(0)
    seconds, posterior = calibrated(rng)
    population = networks(_MEANS, rng)
    seconds["million_means"], _ = cpu_s(lambda: posterior.means_of(population))
    seconds["100000_deviations"], _ = cpu_s(
        lambda: posterior.deviations_of(population[:_DEVIATIONS])
    )
    for name, value in seconds.items():
        print(f"{name:24s} {value:6.2f} CPU s")
    result = {"layers": 1 + _SLOTS * _CHOICES, "networks": _NETWORKS, "cpu_s": seconds}
    print(f"written to {_results.write('calibration_speed', result)}")


if __name__ == "__main__":
    main()
