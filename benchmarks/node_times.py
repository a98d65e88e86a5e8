"""Would times of nodes inside whole networks make a better latency table than layers alone?

Question: ONNX Runtime can say what each node of a network took. A table is fitted on 24 whole
networks, with what its layers take when measured alone as what is expected before; how far are 60
other networks from it, and how far if instead the same 24 networks' own node times, summed over the
nodes of a layer, are expected before? Layers that none of the 24 has keep what they take alone.
Plain sums of either, without any fit, stand beside.

    python -m benchmarks.node_times                       # about two minutes in quiet
    python -m benchmarks.node_times --space ofa_mbv3_w1.0 --resolution 160 192 224

Reading the clock at each node slows a network down (stated as ``watching``), and only some
runtimes offer it: LiteRT's wheel does not. Hardware: whatever it runs on.
"""

import argparse
import dataclasses
import json
import re
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)
import onnxruntime  # noqa: E402

from hwnas import workflows  # noqa: E402
from hwnas.calibration.isolated import Evidence, calibrated, calibration  # noqa: E402
from hwnas.catalog import FloatArray  # noqa: E402
from hwnas.graphs import onnx  # noqa: E402
from hwnas.latency_table import LatencyTable, NetworkTiming, evidence_of  # noqa: E402
from hwnas.layer_weights import random_weights  # noqa: E402
from hwnas.profiling.quality import mape, spearman  # noqa: E402

_RUNS = 40
_INTERVAL = 1.6449  # 90 %
_LAYER = re.compile(r"layer(\d+)\.")


def node_times(table: LatencyTable, network: NetworkTiming, folder: Path) -> tuple[FloatArray, Any]:
    """What each layer of a network takes inside it, and the whole beside, milliseconds.

    A node that the runtime put in, such as one that changes the memory layout, counts to the layer
    that ran before it.
    """
    layers = [table.layers[i].layer for i in network.layers]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "nodes")
    model = onnx.lower(layers, random_weights(layers, np.random.default_rng(0)))
    session = onnxruntime.InferenceSession(bytes(model), options)
    (given,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in given.shape]
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    for _ in range(_RUNS):
        session.run(None, {given.name: image})
    events = json.loads(Path(session.end_profiling()).read_text())
    return _by_layer(events, len(layers))


def _by_layer(events: list[dict[str, Any]], layers: int) -> tuple[FloatArray, float]:
    runs: list[FloatArray] = []
    wholes: list[float] = []
    at, times = 0, np.zeros(layers)
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            found = _LAYER.match(event["name"])
            at = int(found[1]) if found else at
            times[at] += event["dur"] / 1e3
        elif event["name"] == "model_run":
            runs.append(times)
            wholes.append(event["dur"] / 1e3)
            at, times = 0, np.zeros(layers)
    return np.median(runs, axis=0), float(np.median(wholes))


def inside(table: LatencyTable) -> tuple[FloatArray, float, float]:
    """Costs of the table's layers by node times, their share of all layers, and the watching."""
    seen: dict[int, list[float]] = defaultdict(list)
    slower = []
    with tempfile.TemporaryDirectory() as folder:
        for network in table.networks:
            if network.held_out:
                continue
            times, whole = node_times(table, network, Path(folder))
            slower.append(whole / network.measured_ms)
            for layer, time in zip(network.layers, times, strict=True):
                seen[layer].append(float(time))
    costs = table.scaled_ms.copy()
    for layer, several in seen.items():
        costs[layer] = np.median(several)
    return costs, len(seen) / len(costs), float(np.median(slower))


def compared(evidence: Evidence, table: LatencyTable) -> dict[str, float]:
    """Errors on the networks held out, of sums and of what a fit makes of them."""
    unseen = [network for network in table.networks if network.held_out]
    counts = np.zeros((len(unseen), len(table.layers)))
    for row, network in zip(counts, unseen, strict=True):
        np.add.at(row, list(network.layers), 1.0)
    measured = np.array([network.measured_ms for network in unseen])
    plain = evidence.overhead_ms + counts @ evidence.isolated_ms
    found = calibrated(evidence, calibration(evidence))
    means = found.posterior.means(counts)
    stds = np.hypot(found.posterior.deviations(counts), found.noise * means)
    covered = np.abs(measured - means) <= _INTERVAL * stds
    return {
        "sums_mape": round(100 * mape(plain, measured), 3),
        "mape": round(100 * mape(means, measured), 3),
        "spearman": round(spearman(means, measured), 4),
        "coverage_90": round(100 * float(covered.mean()), 1),
    }


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="mbv3_small_32", help="a preset or a file")
    parser.add_argument("--resolution", nargs="+", type=int, default=[], help="default: all")
    parser.add_argument("--networks", type=int, default=24, help="that tables are fitted on")
    parser.add_argument("--held-out", type=int, default=60, help="that they are compared with")
    parser.add_argument("--seeds", type=int, default=3, help="profiles, each from nothing")
    given = parser.parse_args()
    rows = []
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            _, table = workflows.profile(
                "host", given.space, resolutions=tuple(given.resolution), networks=given.networks,
                held_out=given.held_out, seed=seed, accept_unsteady=True, folder=Path(folder),
            )  # fmt: skip
        alone = evidence_of(table)
        costs, share, watching = inside(table)
        row = {
            "seed": seed,
            "layers_seen_inside": round(share, 3),
            "watching": round(watching, 3),
            "repeatability_mape": table.quality.repeatability_mape if table.quality else None,
            "alone": compared(alone, table),
            "inside": compared(dataclasses.replace(alone, isolated_ms=costs), table),
        }
        print(row, flush=True)
        rows.append(row)
    result = {"space": given.space, "networks": given.networks, "rows": rows}
    named = Path(given.space).stem if given.space.endswith(".toml") else given.space
    print(f"written to {_results.write(f'node_times-{named}', result)}")


if __name__ == "__main__":
    main()
