"""How many architectures per CPU second can be costed in five objectives at once?

Question: latency, energy, MACs, parameters and peak memory of 100,000 random architectures of
the Once-for-All space; one thread; and are they what a plain loop over layers gives?

    python -m benchmarks.evaluation_speed

Expected: more than 500,000 architectures a CPU second (spread over 10 repeats within 30 %), equal
to the loop to 1e-9 relative. Once-for-All's own fast path does 6,600 to 8,300 for two objectives.

The latency table holds made-up figures: only its size matters for speed. Sampling is not counted.
"""

import argparse
import statistics
import time

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

import hwnas  # noqa: E402
from hwnas import layers as layer_costs  # noqa: E402
from hwnas.devices import load_device  # noqa: E402
from hwnas.latency_table import LatencyTable, LayerTiming  # noqa: E402
from hwnas.measurement import Samples  # noqa: E402
from hwnas.protocols import SearchSpace, architecture_layers  # noqa: E402

OBJECTIVES = ("latency_ms", "energy_mj", "macs", "params", "peak_memory_bytes")


def invented_table(space: SearchSpace) -> LatencyTable:
    """A table with a made-up latency for every layer of a space."""
    rng = np.random.default_rng(1)
    layers = tuple(
        LayerTiming(layer, (Samples((int(ns),)),))
        for layer, ns in zip(
            space.catalog.layers[1:], 1e4 + rng.gamma(2.0, 1e5, len(space.catalog) - 1), strict=True
        )
    )
    return LatencyTable(
        device="invented", runtime="onnxruntime", precision="fp32", threads=1,
        space=space.definition(), sessions=(), canary=(), canary_ms=1.0, boundary_ms=0.0,
        scale=1.0, quality=None, overhead=(Samples((10_000,)),), layers=layers, networks=(),
    )  # fmt: skip


def slow_costs(space: SearchSpace, row: np.ndarray, table: LatencyTable) -> dict[str, float]:
    """The obvious way: layer by layer, in plain Python."""
    energy = load_device("host").energy
    layers = architecture_layers(space, row)
    macs = sum(layer_costs.macs(layer) for layer in layers)
    moved_bytes = 4 * sum(layer_costs.moved(layer) for layer in layers)
    picojoules = macs * energy.pj_per_fp32_mac + moved_bytes * energy.pj_per_byte
    return {
        "latency_ms": table.network_ms(layers),
        "energy_mj": picojoules / 1e9,
        "macs": macs,
        "params": sum(layer_costs.params(layer) for layer in layers),
        "peak_memory_bytes": 4 * max(layer_costs.peak_activations(layer) for layer in layers),
    }


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architectures", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()

    space = hwnas.load_space("ofa_mbv3_w1.0")
    genes = space.sample(arguments.architectures, np.random.default_rng(0))
    table = invented_table(space)

    hwnas.costs(space, genes, table=table, device="host")  # the catalog's vectors are made once
    rates = []
    for _ in range(arguments.repeats):
        start = time.process_time()
        fast = hwnas.costs(space, genes, table=table, device="host")
        rates.append(len(genes) / (time.process_time() - start))

    checked = 500
    start = time.process_time()
    slow = [slow_costs(space, row, table) for row in genes[:checked]]
    slow_rate = checked / (time.process_time() - start)
    worst = max(
        float(np.max(np.abs(fast[name][:checked] / [one[name] for one in slow] - 1)))
        for name in OBJECTIVES
    )

    result = {
        "architectures": len(genes),
        "objectives": OBJECTIVES,
        "architectures_per_cpu_s": {
            "median": round(statistics.median(rates)),
            "lowest": round(min(rates)),
            "highest": round(max(rates)),
        },
        "plain_loop_per_cpu_s": round(slow_rate),
        "largest_relative_difference": worst,
    }
    print(f"{statistics.median(rates):,.0f} architectures per CPU second in five objectives "
          f"({min(rates):,.0f} to {max(rates):,.0f}); plain loop {slow_rate:,.0f}; "
          f"largest relative difference {worst:.1e}")  # fmt: skip
    print(f"written to {_results.write('evaluation_speed', result)}")


if __name__ == "__main__":
    main()
