"""How good is a table by ten networks and the tables of other runtimes, beside a full profile?

Question: on this machine, one thread: the tables of other runtimes and precisions are known, and
one runtime and precision stands for a new device. What error does its table state against random
whole networks held out when its layers are transferred by 5, 10 and 20 networks, and what when all
layers are measured; and how do the others' tables fare when merely scaled? Seconds are of all that
was measured, 32 networks held out among it.

    python -m benchmarks.transferred_table
    python -m benchmarks.transferred_table --target onnxruntime/int8 --donors litert/fp32

Hardware: whatever it runs on; the result file says which. It takes five to ten minutes on two
x86-64 cores, as busy as they are. Expected with ten networks: mean absolute error 3.8 %, rank
correlation 0.98, where the nearest of the others' tables, scaled, errs by 6.3 %, and a full profile
by 3.9 %; with five 5.8 % and 0.96.
"""

import argparse
import dataclasses
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks import _results
from hwnas import workflows
from hwnas.errors import UnsteadyWarning
from hwnas.latency_table import LatencyTable

_MEASUREMENTS = (5, 10, 20)
_HELD_OUT = 32


def full(way: str, *, space: str, folder: Path) -> tuple[LatencyTable, float]:
    """A table whose layers are all measured, and the seconds that it took."""
    runtime, precision = way.split("/")
    start = time.perf_counter()
    _, table = workflows.profile(
        "host", space, runtime=runtime, precision=precision, held_out=_HELD_OUT, folder=folder,
        accept_unsteady=True,
    )  # fmt: skip
    return table, time.perf_counter() - start


def transferred(
    way: str, *, space: str, folder: Path, measurements: int
) -> tuple[LatencyTable, float]:
    """A table from the others in a folder, and the seconds that it took, held-out networks too."""
    runtime, precision = way.split("/")
    start = time.perf_counter()
    _, table = workflows.transfer(
        "host", space, runtime=runtime, precision=precision, measurements=measurements,
        held_out=_HELD_OUT, folder=folder,
    )  # fmt: skip
    return table, time.perf_counter() - start


def row(name: str, table: LatencyTable, seconds: float) -> dict[str, Any]:
    """A line of the result."""
    if table.quality is None:
        raise SystemExit(f"{name} states no error.")
    quality = dataclasses.asdict(table.quality)
    print(
        f"{name:22s} {quality['mape']:6.2f} {quality['spearman']:7.3f} "
        f"{quality['coverage_90'] or 0:7.0f} {quality['scaled_mape']:7.2f} "
        f"{quality['repeatability_mape']:7.2f} {seconds:7.0f}",
        flush=True,
    )
    return {"table": name, "seconds": round(seconds, 1), **quality}


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="mbv3_small_32", help="preset or TOML file")
    parser.add_argument("--target", default="litert/int8", help="what stands for a new device")
    parser.add_argument(
        "--donors", nargs="+", default=["onnxruntime/fp32", "litert/fp32", "onnxruntime/int8"],
        help="what is known: runtime/precision",
    )  # fmt: skip
    given = parser.parse_args()
    warnings.simplefilter("ignore", UnsteadyWarning)  # a busy machine shows in the two halves
    print("table                    MAPE    rank  in 90 %  scaled  halves  seconds")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "latency_tables"
        for way in given.donors:
            rows.append(row(way, *full(way, space=given.space, folder=folder)))
        for count in _MEASUREMENTS:
            found = transferred(given.target, space=given.space, folder=folder, measurements=count)
            rows.append(row(f"{given.target} by {count}", *found))
        rows.append(row(given.target, *full(given.target, space=given.space, folder=folder)))
    result = {"space": given.space, "target": given.target, "donors": given.donors, "rows": rows}
    print(f"written to {_results.write('transferred_table', result)}")


if __name__ == "__main__":
    main()
