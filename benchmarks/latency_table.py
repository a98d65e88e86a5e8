"""Is latency predicted from a table as well as it can be measured?

Question: on this machine, one thread: how far is a fresh table, fitted on 24 whole networks, from
60 random ones that it never saw, beside two interleaved halves of the same measurements; and how
far, on the same networks, are plain sums of its layers, sums with a boundary and a scale, and a
regression on multiply-accumulates? How many of the 60 are within their 90 % intervals?

    python -m benchmarks.latency_table                     # all four: about 10 minutes in quiet
    python -m benchmarks.latency_table --space mbv3_small_32 --runtime litert --seed 0 1 2
    python -m benchmarks.latency_table --space ofa_mbv3_w1.0 --resolution 160 192 224

Two halves differ by twice what the whole measurement is away from the truth, or a little more, so
a prediction without any error of its own would show half of the repeatability. Of 60 intervals that
are right, 90 % give or take 4 cover; several seeds, each a profile from nothing, tell more.

Hardware: whatever it runs on; the result file says which. Expected: mean absolute error at most 1.1
times the repeatability, Spearman at least 0.99 times its own, 85 to 95 % within the intervals.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from hwnas import files, workflows  # noqa: E402
from hwnas.latency_table import LatencyTable, NetworkTiming, Quality  # noqa: E402
from hwnas.layers import macs  # noqa: E402
from hwnas.profiling import quality as errors  # noqa: E402

_RESOLUTIONS = {"ofa_mbv3_w1.0": (160, 192, 224)}


def profiled(
    space: str, resolutions: tuple[int, ...], given: argparse.Namespace, runtime: str, seed: int
) -> dict[str, Any]:
    """Profile this machine from nothing; what the table says of itself, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path, table = workflows.profile(
            "host", space, resolutions=resolutions, networks=given.networks,
            held_out=given.held_out, runtime=runtime, precision=given.precision, seed=seed,
            accept_unsteady=given.accept_unsteady, folder=Path(folder),
        )  # fmt: skip
        seconds = time.perf_counter() - start
        size = path.stat().st_size
    if table.quality is None:
        raise SystemExit("No networks were held out, so there is nothing to state.")
    print(f"{space}, {runtime} {given.precision}: {len(table.layers)} layers in {seconds:.0f} s.")
    regression = on_macs(table)
    show(table.quality, regression)
    return {
        "runtime": f"{runtime} {table.sessions[-1].runtime_version}",
        "precision": given.precision,
        "layers": len(table.layers),
        "resolutions": resolutions or "all",
        "seed": seed,
        "wall_s": round(seconds, 1),
        "file_bytes": size,
        "scale": table.scale,
        "boundary_ms": table.boundary_ms,
        "second_model": None if table.residual is None else table.residual.error,
        "stability": files.to_plain(table.sessions[-1].stability),
        "quality": files.to_plain(table.quality),
        "macs_regression": regression,
    }


def averaged(profiles: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over profiles of what they state, and whether they are what is expected."""
    names = ("mape", "spearman", "coverage_90", "repeatability_mape", "repeatability_spearman")
    means = {
        name: round(float(np.mean([one["quality"][name] for one in profiles])), 4) for name in names
    }
    return {"profiles": len(profiles), **means, "claims": claims(**means)}


def on_macs(table: LatencyTable) -> dict[str, float]:
    """Errors of a line through latency over MACs, fitted on the same networks as the table."""
    known = [network for network in table.networks if not network.held_out]
    unseen = [network for network in table.networks if network.held_out]
    line = np.polyfit(operations(table, known), latencies(known), 1)
    predicted = np.polyval(line, operations(table, unseen))
    measured = latencies(unseen)
    return {
        "mape": round(100 * errors.mape(predicted, measured), 3),
        "spearman": round(errors.spearman(predicted, measured), 4),
    }


def operations(table: LatencyTable, networks: Sequence[NetworkTiming]) -> np.ndarray:
    """Millions of multiply-accumulates of networks."""
    counts = [sum(macs(table.layers[i].layer) for i in network.layers) for network in networks]
    return np.array(counts) / 1e6


def latencies(networks: Sequence[NetworkTiming]) -> np.ndarray:
    """What networks took, in milliseconds."""
    return np.array([network.measured_ms for network in networks])


def claims(
    *,
    mape: float,
    spearman: float,
    coverage_90: float,
    repeatability_mape: float,
    repeatability_spearman: float,
) -> dict[str, bool]:
    """What is expected, and whether it came true."""
    return {
        "mape_within_1.1_of_repeatability": mape <= 1.1 * repeatability_mape,
        "spearman_0.99_of_repeatability": spearman >= 0.99 * repeatability_spearman,
        "coverage_85_to_95": 85 <= coverage_90 <= 95,
    }


def show(quality: Quality, regression: dict[str, float]) -> None:
    """The figures side by side."""
    rows = [
        ("table", quality.mape, quality.spearman),
        ("two halves", quality.repeatability_mape, quality.repeatability_spearman),
        ("scaled sums", quality.scaled_mape, None),
        ("plain sums", quality.unscaled_mape, None),
        ("MACs regression", regression["mape"], regression["spearman"]),
    ]
    print(f"{'':18s} {'MAPE %':>7s} {'Spearman':>9s}")
    for name, error, rank in rows:
        print(f"{name:18s} {error:7.2f} {'' if rank is None else f'{rank:9.4f}'}")
    print(f"{quality.coverage_90} % of {quality.networks} networks within their 90 % intervals")


def main() -> None:
    """Run the claim and write its results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--space", nargs="+", default=["mbv3_small_32", "ofa_mbv3_w1.0"], help="presets or files"
    )
    parser.add_argument(
        "--resolution", nargs="+", type=int, default=[],
        help="input sizes; default 160 192 224 for ofa_mbv3_w1.0, all for others",
    )  # fmt: skip
    parser.add_argument("--runtime", nargs="+", default=["onnxruntime", "litert"])
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--networks", type=int, default=24, help="that the table is fitted on")
    parser.add_argument("--held-out", type=int, default=60, help="that it is compared with")
    parser.add_argument(
        "--seed", nargs="+", type=int, default=[0],
        help="of the choice and order of all; a profile for each",
    )  # fmt: skip
    parser.add_argument(
        "--accept-unsteady", action="store_true", help="measure on a machine that is busy"
    )
    given = parser.parse_args()
    for space in given.space:
        resolutions = tuple(given.resolution) or _RESOLUTIONS.get(space, ())
        for runtime in given.runtime:
            rows = [profiled(space, resolutions, given, runtime, seed) for seed in given.seed]
            means = averaged(rows)
            print(", ".join(f"{name} {value}" for name, value in means.items()))
            result = {"means": means, "profiles": rows}
            named = Path(space).stem if space.endswith(".toml") else space
            name = f"latency_table-{named}-{runtime}-{given.precision}"
            print(f"written to {_results.write(name, result)}")


if __name__ == "__main__":
    main()
