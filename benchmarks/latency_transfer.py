"""How good is the table of a new device after ten or twenty measurements?

Question: given files of latencies on known devices, and a new device on which few whole networks
are measured: rank correlation on 2,500 other networks, its share of what additive costs fitted on
every network of the new device reach (the ceiling), mean absolute error, and the share that 90 %
intervals cover. Where library and target name the same physical device, all its columns are left
out of the library, those of other batch sizes too: ``1080ti_32`` is no known device for
``1080ti_1``. Networks are chosen to tell most from a pool of 800, or are its first (``random``);
what is predicted is never in the pool. Every figure is a mean over draws, whose seeds decide the
pool.

    python -m benchmarks.latency_transfer --library FILE.npz --target FILE.npz --samples 10 20

A file holds `genes` (N, G), `cardinalities` (G,), `latency_ms` (N, D), `devices` (D,); both files
are of one space, and may be one file. FBNet and NAS-Bench-201 are told by their choices and
described further: sizes of operations, operations that the output does not depend on, which some
runtimes leave out, and nodes whose sum a skip or a pool reads as it is (``--space none`` for none
of it). The last was thought of after errors on the edge GPU were seen. Beside it,
from the same measurements: the same with choices alone, ridge regression on the known devices'
latencies, and calibration without known devices by costs that kinds of layers share. HELP (Lee and
others, 2021, table 2) publishes a rank correlation of 0.932 for ten measurements on unseen devices
of NAS-Bench-201.

Hardware: any; the figures do not depend on the machine. Twenty draws of both files take about
ten minutes of one core.

Expected, of the ceiling with 10 and 20 chosen networks: on FBNet at least 0.982 and 0.987 on every
GPU; on NAS-Bench-201, whose mean rank correlation over all six devices is 0.955 and 0.961, 0.979
and 0.992 on the edge GPU, 0.987 and 0.992 or more on all else. Two devices that no mix of known
ones resembles stay below 0.97 and 0.98: FBNet's CPU at 0.940 and 0.949, and FBNet's phone, whose
ceiling is 0.757, at 0.901 and 0.965. Random networks: 0.970 and 0.981 or more on FBNet's GPUs, 0.86
and 0.93 on its other two, 0.95 and 0.985 on NAS-Bench-201. 90 % intervals cover 89 to 100 %.
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
from benchmarks._latency_spaces import SPACES  # noqa: E402
from hwnas.calibration import (  # noqa: E402
    KnownDevices,
    Layout,
    additive_costs,
    calibrate,
    layout_mixture,
    posterior,
    transfer,
)
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.errors import HwnasError, InputError  # noqa: E402

METHODS = ("hwnas", "choices_only", "ridge_on_known", "without_library")
PUBLISHED = {"HELP, ten measurements, NAS-Bench-201": 0.932}

_BATCH = re.compile(r"_(1|2|4|8|16|32|64|128|256|512)$")
_TYPICAL = 1000  # networks in whose latencies known devices are compared


def physical(device: str) -> str:
    """Name of a device without the batch size it was measured at."""
    return _BATCH.sub("", device)


def costs_on_known(counts: FloatArray, latency_ms: FloatArray, layout: Layout) -> FloatArray:
    """What each column costs on each known device, shape (columns, devices)."""
    if len(counts) > counts.shape[1]:
        return additive_costs(counts, latency_ms)
    fitted = [calibrate(counts, column, layout=layout).costs_ms for column in latency_ms.T]
    return np.stack(fitted, axis=1)


class Library:
    """Known devices of one file, in two descriptions of its networks."""

    def __init__(self, data: Measured) -> None:
        self.data = data
        rich = data.described
        self.costs = costs_on_known(rich.counts, data.latency_ms, rich.layout)
        self.plain = self.costs
        if rich.space != "none":
            self.plain = costs_on_known(data.counts, data.latency_ms, data.layout)

    def without(self, device: str) -> list[int]:
        """Columns of all other devices.

        Raises:
            InputError: There is none.
        """
        kept = [
            i for i, other in enumerate(self.data.devices) if physical(other) != physical(device)
        ]
        if not kept:
            raise InputError(
                f"The library {self.data.name} knows no device but {device} itself; give one of "
                "other devices, or calibrate without known devices: benchmarks.latency_calibration."
            )
        return kept


class NewDevice:
    """One column of the target, and what is known without its device."""

    def __init__(self, library: Library, target: Measured, device: int) -> None:
        known, kept = library.data, library.without(target.devices[device])
        rich = known.described
        self.target, self.latency = target, target.latency_ms[:, device]
        self.known = KnownDevices(
            library.costs[:, kept], rich.layout, rich.counts[:_TYPICAL], rich.quantities
        )
        self.plain = KnownDevices(library.plain[:, kept], known.layout, known.counts[:_TYPICAL])
        same = np.array_equal(known.genes, target.genes)
        predicted = target.described.counts @ library.costs[:, kept]
        self.features = known.latency_ms[:, kept] if same else predicted

    def picked(self, design: str, pool: IntArray, *, count: int) -> IntArray:
        """Networks to measure."""
        return _latency_files.measured_networks(
            design,
            self.target.described.counts,
            pool,
            count=count,
            covariance=self.known.expected_covariance(),
        )

    def one_draw(
        self, chosen: IntArray, held_out: IntArray, *, ceiling: float
    ) -> dict[str, dict[str, float]]:
        """Scores by method, from the same measured networks."""
        rich, plain = self.target.described.counts, self.target.counts
        latency, truth = self.latency[chosen], self.latency[held_out]
        shared = layout_mixture(self.target.layout, plain[chosen])
        posteriors = {
            "hwnas": (transfer(rich[chosen], latency, known=self.known), rich),
            "choices_only": (transfer(plain[chosen], latency, known=self.plain), plain),
            "without_library": (posterior(plain[chosen], latency, families=(shared,)), plain),
        }
        found = {
            name: _latency_files.posterior_scores(one, counts[held_out], truth, ceiling=ceiling)
            for name, (one, counts) in posteriors.items()
        }
        predict = _latency_files.ridge(self.features[chosen], latency)
        found["ridge_on_known"] = _latency_files.scores(
            predict(self.features[held_out]), truth, ceiling=ceiling
        )
        return {name: found[name] for name in METHODS}


def on_files(
    library: Library,
    target: Measured,
    *,
    samples: list[int],
    draws: int,
    designs: list[str],
    devices: list[int],
) -> list[dict[str, Any]]:
    """One row for each new device, design and number of networks."""
    ceilings = target.ceilings()
    rows: list[dict[str, Any]] = []
    for device in devices:
        new = NewDevice(library, target, device)
        for design in designs:
            for count in samples:
                found = []
                for draw in range(draws):
                    pool, held_out = _latency_files.split(len(target.genes), draw=draw)
                    chosen = new.picked(design, pool, count=count)
                    found.append(new.one_draw(chosen, held_out, ceiling=ceilings[device]))
                row = {
                    "device": target.devices[device],
                    "design": design,
                    "networks": count,
                    "ceiling": _latency_files.rounded(float(ceilings[device])),
                    "methods": {
                        method: _latency_files.averaged([draw[method] for draw in found])
                        for method in METHODS
                    },
                }
                _show(row)
                rows.append(row)
    return rows


def _show(row: dict[str, Any]) -> None:
    shown = _latency_files.shown
    ours = row["methods"]["hwnas"]
    others = "".join(
        f"   {shown(row['methods'][name]['of_ceiling'], 6, 3)} {row['methods'][name]['mape']:7.2f}"
        for name in METHODS[1:]
    )
    print(
        f"{row['design']:7s} {row['networks']:4d}  {row['device']:14s} "
        f"{shown(row['ceiling'], 5, 3)}  {ours['spearman']:.3f} {shown(ours['of_ceiling'], 5, 3)} "
        f"{ours['mape']:7.2f} {ours['coverage_90']:5.1f} {others}",
        flush=True,
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Mean rank correlation over devices by design and number of networks, for each method."""
    keys = dict.fromkeys((row["design"], row["networks"]) for row in rows)
    return {
        f"{design}, {count} networks": {
            method: _latency_files.rounded(
                float(
                    np.mean(
                        [
                            row["methods"][method]["spearman"]
                            for row in rows
                            if (row["design"], row["networks"]) == (design, count)
                        ]
                    )
                )
            )
            for method in METHODS
        }
        for design, count in keys
    }


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--library", type=Path, required=True, help="latencies on known devices")
    parser.add_argument("--target", type=Path, required=True, help="latencies on new devices")
    _latency_files.arguments(parser, samples=(10, 20), draws=20)
    parser.add_argument(
        "--space",
        choices=("auto", *SPACES),
        default="auto",
        help="what the networks are; auto tells it by the choices (default: auto)",
    )
    given = parser.parse_args()
    try:
        known = _latency_files.read(given.library, space=given.space)
        target = _latency_files.read(given.target, space=given.space)
        if not np.array_equal(known.cardinalities, target.cardinalities):
            raise InputError(
                f"{given.library} and {given.target} are not of one space: their cardinalities "
                f"are {known.cardinalities.tolist()} and {target.cardinalities.tolist()}."
            )
        devices = _latency_files.wanted_devices(target, given.devices)
        print(
            f"library {known.name}, target {target.name}, space {target.described.space}\n"
            "design  nets  device         ceil.  rank  share    MAPE cover   "
            "   choices only     ridge on known    without library (share, MAPE)"
        )
        rows = on_files(
            Library(known),
            target,
            samples=given.samples,
            draws=given.draws,
            designs=given.design,
            devices=devices,
        )
    except HwnasError as error:
        raise SystemExit(str(error)) from error
    means = summary(rows)
    for name, by_method in means.items():
        print(f"mean rank, {name}: " + ", ".join(f"{m} {v}" for m, v in by_method.items()))
    print("published: " + ", ".join(f"{name}: {rank}" for name, rank in PUBLISHED.items()))
    result = {
        "library": known.name,
        "target": target.name,
        "space": target.described.space,
        "draws": given.draws,
        "rows": rows,
        "mean_spearman": means,
        "published_spearman": PUBLISHED,
    }
    name = target.name if target.name == known.name else f"{known.name}-{target.name}"
    print(f"written to {_results.write(f'latency_transfer-{name}', result, folder=given.out)}")


if __name__ == "__main__":
    main()
