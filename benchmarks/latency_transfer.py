"""How good is the table of a new device after ten or twenty measurements?

Question: given files of latencies on known devices, and a new device on which few whole networks
are measured: rank correlation on 2,500 other networks, its share of what additive costs fitted on
every network of the new device reach (the ceiling), mean absolute error, and the share that 90 %
intervals cover; beside ridge regression on the known devices' latencies, and calibration without
known devices by costs that kinds of layers share. Where library and target name the same physical
device, all its columns are left out of the library, those of other batch sizes too: ``1080ti_32``
is no known device for ``1080ti_1``. Networks are chosen to tell most from a pool of 800, or are its
first; what is predicted is never in the pool. Every figure is a mean over draws, whose seeds decide
the pool.

    python -m benchmarks.latency_transfer --library FILE.npz --target FILE.npz --samples 10 20

A file holds `genes` (N, G), `cardinalities` (G,), `latency_ms` (N, D), `devices` (D,); both files
are of one space, and may be one file.

Hardware: any; the figures do not depend on the machine. HELP (Lee and others, 2021) publishes a
rank correlation of 0.932 for ten measurements on unseen devices of NAS-Bench-201.

Expected, of the ceiling with 10 and 20 chosen networks: every GPU 0.975 and 0.985 or more, and on
NAS-Bench-201 the CPU and the phone too. Devices that no mix of known ones resembles stay below: the
CPU and the phone of the FBNet file, the edge GPU of NAS-Bench-201 at 0.90 to 0.94. There a fit of
the known devices to all networks reaches 0.94, 0.98 and 0.93: the rest is in no known device.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from benchmarks import _latency_files  # noqa: E402
from benchmarks._latency_files import Measured  # noqa: E402
from hwnas.calibration import (  # noqa: E402
    KnownDevices,
    additive_costs,
    calibrate,
    layout_mixture,
    posterior,
    transfer,
)
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.errors import HwnasError, InputError  # noqa: E402

_BATCH = re.compile(r"_(1|2|4|8|16|32|64|128|256|512)$")
_TYPICAL = 1000  # networks in whose latencies known devices are compared


def physical(device: str) -> str:
    """Name of a device without the batch size it was measured at."""
    return _BATCH.sub("", device)


def library_costs(library: Measured) -> FloatArray:
    """What each choice costs on each known device, shape (choices, devices)."""
    if len(library.counts) > library.counts.shape[1]:
        return additive_costs(library.counts, library.latency_ms)
    fitted = [
        calibrate(library.counts, column, layout=library.layout).costs_ms
        for column in library.latency_ms.T
    ]
    return np.stack(fitted, axis=1)


class NewDevice:
    """One column of the target, and the library without its device."""

    def __init__(
        self, library: Measured, target: Measured, device: int, *, costs: FloatArray
    ) -> None:
        name = target.devices[device]
        kept = [i for i, other in enumerate(library.devices) if physical(other) != physical(name)]
        if not kept:
            raise InputError(f"The library knows no device but {name} itself; give another.")
        self.known = KnownDevices(costs[:, kept], library.layout, library.counts[:_TYPICAL])
        same = np.array_equal(library.genes, target.genes)
        self.features = library.latency_ms[:, kept] if same else target.counts @ costs[:, kept]
        self.target = target
        self.latency = target.latency_ms[:, device]

    def picked(self, design: str, pool: IntArray, *, count: int) -> IntArray:
        """Networks to measure."""
        return _latency_files.measured_networks(
            design,
            self.target.counts,
            pool,
            count=count,
            covariance=self.known.expected_covariance(),
        )

    def one_draw(
        self, chosen: IntArray, held_out: IntArray, *, ceiling: float
    ) -> dict[str, dict[str, float]]:
        """Scores of ours and of both baselines, from the same measured networks."""
        counts, latency = self.target.counts, self.latency
        truth = latency[held_out]
        ours = transfer(counts[chosen], latency[chosen], known=self.known)
        shared = layout_mixture(self.target.layout, counts[chosen])
        alone = posterior(counts[chosen], latency[chosen], families=(shared,))
        predict = _latency_files.ridge(self.features[chosen], latency[chosen])
        return {
            "hwnas": _latency_files.posterior_scores(
                ours, counts[held_out], truth, ceiling=ceiling
            ),
            "ridge_on_known": _latency_files.scores(
                predict(self.features[held_out]), truth, ceiling=ceiling
            ),
            "without_library": _latency_files.scores(
                alone.means(counts[held_out]), truth, ceiling=ceiling
            ),
        }


def on_files(
    library: Measured,
    target: Measured,
    *,
    samples: list[int],
    draws: int,
    designs: list[str],
    devices: list[str],
) -> list[dict[str, Any]]:
    """One row for each new device, design and number of networks."""
    ceilings, costs = target.ceilings(), library_costs(library)
    rows: list[dict[str, Any]] = []
    for device, name in enumerate(target.devices):
        if name not in devices:
            continue
        new = NewDevice(library, target, device, costs=costs)
        for design in designs:
            for count in samples:
                found = []
                for draw in range(draws):
                    pool, held_out = _latency_files.split(len(target.counts), draw=draw)
                    chosen = new.picked(design, pool, count=count)
                    found.append(new.one_draw(chosen, held_out, ceiling=ceilings[device]))
                row = {
                    "device": name,
                    "design": design,
                    "networks": count,
                    "ceiling": round(float(ceilings[device]), 4),
                    "methods": {
                        method: _latency_files.averaged([draw[method] for draw in found])
                        for method in found[0]
                    },
                }
                _show(row)
                rows.append(row)
    return rows


def _show(row: dict[str, Any]) -> None:
    ours, ridge, alone = row["methods"].values()
    print(
        f"{row['design']:7s} {row['networks']:4d}  {row['device']:14s} {row['ceiling']:.3f}  "
        f"{ours['spearman']:.3f} {ours['of_ceiling']:.3f} {ours['mape']:7.2f} "
        f"{ours['coverage_90']:5.1f}   {ridge['of_ceiling']:.3f} {ridge['mape']:7.2f}   "
        f"{alone['of_ceiling']:.3f} {alone['mape']:7.2f}",
        flush=True,
    )


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    _latency_files.arguments(parser, samples=(10, 20), draws=20)
    given = parser.parse_args()
    try:
        library, target = _latency_files.read(given.library), _latency_files.read(given.target)
        if library.counts.shape[1] != target.counts.shape[1]:
            raise InputError(f"{given.library} and {given.target} are not of one space.")
        print(
            "design  nets  device         ceil.  rank  share    MAPE cover   "
            "ridge on known    without library (share, MAPE)"
        )
        rows = on_files(
            library,
            target,
            samples=given.samples,
            draws=given.draws,
            designs=given.design,
            devices=given.devices or list(target.devices),
        )
    except HwnasError as error:
        raise SystemExit(str(error)) from error
    result = {"library": library.name, "target": target.name, "draws": given.draws, "rows": rows}
    print(f"written to {_results.write(f'latency_transfer-{target.name}', result)}")


if __name__ == "__main__":
    main()
