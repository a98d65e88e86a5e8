"""How far is latency predicted from a table from latency measured on whole networks?

Question: on this machine, one thread, for a runtime and a precision: what error does a fresh table
state against 40 random whole networks that its two coefficients were not fitted on, beside the
repeatability of the measurements themselves; and how long does profiling take?

    python -m benchmarks.latency_table --space mbv3_small_32 --runtime litert --precision int8
    python -m benchmarks.latency_table --space ofa_mbv3_w1.0 --resolution 160 192 224

Hardware: whatever it runs on; the result file says which. Expected on two quiet x86-64 cores:
mean absolute error 2 to 4 % for mbv3_small_32 and 3 to 7 % for ofa_mbv3_w1.0, each within twice the
repeatability; on a busy machine both grow together.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import _results
from hwnas import files, workflows


def profiled(
    space: str, resolutions: tuple[int, ...], networks: int, runtime: str, precision: str
) -> dict[str, object]:
    """Profile this machine from nothing; what the table says of itself, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path, table = workflows.profile(
            "host", space, resolutions=resolutions, networks=networks, runtime=runtime,
            precision=precision, folder=Path(folder),
        )  # fmt: skip
        seconds = time.perf_counter() - start
        size = path.stat().st_size
    if table.quality is None:
        raise SystemExit("No whole networks were measured, so there is nothing to state.")
    print(f"{space}, {runtime} {precision}: {len(table.layers)} layers in {seconds:.0f} s.")
    print(workflows.quality_sentence(table.quality))
    return {
        "runtime": f"{runtime} {table.sessions[-1].runtime_version}",
        "precision": precision,
        "layers": len(table.layers),
        "resolutions": resolutions or "all",
        "wall_s": round(seconds, 1),
        "file_bytes": size,
        "scale": table.scale,
        "boundary_ms": table.boundary_ms,
        "quality": files.to_plain(table.quality),
    }


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="mbv3_small_32")
    parser.add_argument("--resolution", nargs="+", type=int, default=[])
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--precision", default="fp32")
    given = parser.parse_args()
    result = profiled(
        given.space, tuple(given.resolution), given.networks, given.runtime, given.precision
    )
    name = f"latency_table-{given.space}-{given.runtime}-{given.precision}"
    print(f"written to {_results.write(name, result)}")


if __name__ == "__main__":
    main()
