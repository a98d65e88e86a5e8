"""How well do costs learned from few whole networks predict all others, without isolated layers?

Question: on files of measured latencies, calibrating from 10 to 500 whole networks: rank
correlation, its share of what additive costs fitted on every network reach (the ceiling), mean
absolute error, and the share that 90 % intervals cover; beside least squares of minimum norm,
ridge regression and boosted stumps, all on the same networks. Networks are chosen to tell most
from a pool of 800, or are its first; 2,500 others, never in the pool, are predicted. Every figure
is a mean over draws, whose seeds decide the pool.

    python -m benchmarks.latency_calibration --data FILE.npz [FILE.npz ...] --samples 10 20 50 100

A file holds `genes` (N, G), `cardinalities` (G,), `latency_ms` (N, D), `devices` (D,).

Hardware: any; the figures do not depend on the machine. Three draws of the FBNet file, chosen
networks alone (`--draws 3 --design chosen`, as its result), take a quarter of an hour of one core,
five of the NAS-Bench-201 file three minutes.

Expected, of the ceiling at 50 chosen networks: on the FBNet file 0.956 to 0.995 on the GPUs, 0.947
on the CPU and 0.943 on the phone, where least squares reaches 0.57 to 0.60, and 0.33 on the phone;
on the NAS-Bench-201 file 0.976 to 0.998. At 500 nothing is left to learn: 0.993 to 1.000 and 0.987
to 1.004, where least squares reaches 0.97 to 1.00, and 0.63 on the phone. 90 % intervals cover 83
to 99 % from 20 networks on; with 10, too few to learn how devices err, they may cover 60 %.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from benchmarks import _latency_files  # noqa: E402
from benchmarks._latency_files import Measured  # noqa: E402
from hwnas.calibration import calibrate, layout_mixture  # noqa: E402
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.errors import HwnasError  # noqa: E402

_ROUNDS = 300
_RATE = 0.1

Predictor = Callable[[FloatArray], FloatArray]


def least_squares(counts: FloatArray, latency: FloatArray) -> Predictor:
    """Of minimum norm, with an intercept."""
    mean, level = counts.mean(axis=0), latency.mean()
    weights, *_ = np.linalg.lstsq(counts - mean, latency - level, rcond=None)
    return lambda rows: level + (rows - mean) @ weights


def boosted_stumps(counts: FloatArray, latency: FloatArray) -> Predictor:
    """Gradient boosting (Friedman, 2001) with trees of one split, on one-hot choices."""
    present = counts > 0
    sizes = present.sum(axis=0)
    usable = (sizes > 0) & (sizes < len(counts))
    others = len(counts) - sizes
    weights, level = np.zeros(counts.shape[1]), float(latency.mean())
    residual = latency - level
    for _ in range(_ROUNDS if usable.any() else 0):
        within = residual @ present
        beyond = residual.sum() - within
        gains = within**2 / np.maximum(sizes, 1) + beyond**2 / np.maximum(others, 1)
        best = int(np.argmax(np.where(usable, gains, -np.inf)))
        inside, outside = within[best] / sizes[best], beyond[best] / others[best]
        weights[best] += _RATE * (inside - outside)
        level += _RATE * outside
        residual = residual - _RATE * np.where(present[:, best], inside, outside)
    return lambda rows: level + (rows > 0) @ weights


BASELINES = {
    "least_squares": least_squares,
    "ridge": _latency_files.ridge,
    "boosted_stumps": boosted_stumps,
}


def one_draw(
    data: Measured, device: int, *, chosen: IntArray, held_out: IntArray, ceiling: float
) -> dict[str, dict[str, float]]:
    """Scores of ours and of each baseline, from the same measured networks."""
    latency = data.latency_ms[:, device]
    start = time.process_time()
    ours = calibrate(data.counts[chosen], latency[chosen], layout=data.layout)
    seconds = time.process_time() - start
    rows, truth = data.counts[held_out], latency[held_out]
    found = {
        "hwnas": {
            **_latency_files.posterior_scores(ours, rows, truth, ceiling=ceiling),
            "cpu_s": seconds,
        }
    }
    for name, baseline in BASELINES.items():
        predicted = baseline(data.counts[chosen], latency[chosen])(rows)
        found[name] = _latency_files.scores(predicted, truth, ceiling=ceiling)
    return found


def on_file(
    data: Measured, *, samples: list[int], draws: int, designs: list[str], devices: list[int]
) -> list[dict[str, Any]]:
    """One row for each device, design and number of networks."""
    ceilings = data.ceilings()
    splits = [_latency_files.split(len(data.counts), draw=draw) for draw in range(draws)]
    rows: list[dict[str, Any]] = []
    for design in designs:
        for count in samples:
            picked = [_picked(data, design, pool, count=count) for pool, _ in splits]
            for device in devices:
                found = [
                    one_draw(
                        data, device, chosen=chosen, held_out=held_out, ceiling=ceilings[device]
                    )
                    for chosen, (_, held_out) in zip(picked, splits, strict=True)
                ]
                methods = {
                    method: _latency_files.averaged([draw[method] for draw in found])
                    for method in found[0]
                }
                row = {
                    "device": data.devices[device],
                    "design": design,
                    "networks": count,
                    "ceiling": _latency_files.rounded(float(ceilings[device])),
                    "methods": methods,
                }
                _show(row)
                rows.append(row)
    return rows


def _picked(data: Measured, design: str, pool: IntArray, *, count: int) -> IntArray:
    family = layout_mixture(data.layout, data.counts[pool])
    return _latency_files.measured_networks(
        design, data.counts, pool, count=count, covariance=family.covariance(family.start)
    )


def _show(row: dict[str, Any]) -> None:
    shown, ours = _latency_files.shown, row["methods"]["hwnas"]
    others = "".join(
        f" {shown(row['methods'][name]['of_ceiling'], 6, 3)} {row['methods'][name]['mape']:6.2f}"
        for name in BASELINES
    )
    print(
        f"{row['design']:7s} {row['networks']:4d}  {row['device']:14s} "
        f"{shown(row['ceiling'], 5, 3)}  "
        f"{ours['spearman']:.3f} {shown(ours['of_ceiling'], 5, 3)} {ours['mape']:6.2f} "
        f"{ours['coverage_90']:5.1f}  {others}",
        flush=True,
    )


def main() -> None:
    """Run the claim and write its results, one file for each file of latencies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="files of latencies")
    _latency_files.arguments(parser, samples=(10, 20, 50, 100, 500), draws=5)
    given = parser.parse_args()
    try:
        for path in given.data:
            data = _latency_files.read(path, space="none")
            print(
                f"{data.name}\ndesign  nets  device         ceil.  rank  share   MAPE cover   "
                "least squares         ridge        stumps (share, MAPE)"
            )
            rows = on_file(
                data,
                samples=given.samples,
                draws=given.draws,
                designs=given.design,
                devices=_latency_files.wanted_devices(data, given.devices),
            )
            result = {"data": data.name, "draws": given.draws, "rows": rows}
            path = _results.write(f"latency_calibration-{data.name}", result, folder=given.out)
            print(f"written to {path}")
    except HwnasError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
