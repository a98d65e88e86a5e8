"""What is "peak memory"? Three different numbers for each of 20 networks, and how they agree.

Question: for random networks of `ofa_mbv3_w1.0` at 128 to 224 pixels (and `mbv3_small_32`), how far
apart are

- liveness: `peak_memory_bytes`, the objective: activations alive at once, over the layers;
- the runtime's plan: for LiteRT the arena that its planner lays out without a delegate (from the
  addresses of all activation tensors); for ONNX Runtime the most bytes its allocator has in use
  within a run beyond what it has in use before (its profiler's memory events);
- RSS: how far the peak resident memory of a fresh process rises by loading a model and running it
  (VmHWM after its counter was reset), which contains the weights and the runtime's own;

and do they rank networks alike (Spearman)?

    python -m benchmarks.peak_memory

Hardware: whatever it runs on, Linux; the result file says which. Expected: plans follow liveness
closely; RSS follows weights more than activations.
"""

from benchmarks import _results

_results.one_thread()

import itertools  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from hwnas import workflows  # noqa: E402
from hwnas.graphs import onnx, tflite  # noqa: E402
from hwnas.layer_weights import random_weights  # noqa: E402
from hwnas.protocols import architecture_layers  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

SPACES = {"ofa_mbv3_w1.0": [128, 160, 192, 224], "mbv3_small_32": [32]}
NETWORKS = 20

_FRESH = """
import re, sys
from pathlib import Path
from hwnas import plugins
runtime = plugins.load("hwnas.runtimes", sys.argv[1], what="runtime")
runtime.load(sys.argv[2], 1)()  # a tiny model first: the runtime itself is not what is measured
def field(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
Path("/proc/self/clear_refs").write_text("5")
before = field("VmRSS")
runtime.load(sys.argv[3], 1)()
print(1024 * (field("VmHWM") - before))
"""


def litert_arena(path: Path) -> int:
    """Bytes from the first to the last byte of the activations that LiteRT plans, no delegate."""
    interpreter = Interpreter(
        model_path=str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    computed = {int(i) for step in interpreter._get_ops_details() for i in step["outputs"]}
    computed |= {entry["index"] for entry in interpreter.get_input_details()}
    starts, ends = [], []
    for index in computed:
        view = interpreter.tensor(index)()
        address = view.__array_interface__["data"][0]
        starts.append(address)
        ends.append(address + view.nbytes)
    return max(ends) - min(starts)


def onnxruntime_plan(path: Path, folder: Path) -> int:
    """Most bytes that ONNX Runtime has in use within a run, beyond those before it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = True
    options.enable_mem_pattern = False  # each tensor is then an event of its own
    options.profile_file_prefix = str(folder / "profile")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    session.run(None, {given.name: np.zeros(given.shape, np.float32)})
    events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [event["args"] for event in events if event.get("cat") == "Node"]
    in_use = [int(node["mem_bytes_requested_in_use"]) for node in nodes]
    before = in_use[0] - int(nodes[0]["mem_requested_in_use_delta"])
    return max(in_use) - before


def fresh_rss(runtime: str, tiny: Path, path: Path) -> int:
    """How far peak resident memory rises when a fresh process loads and runs a model."""
    found = subprocess.run(
        [sys.executable, "-c", _FRESH, runtime, str(tiny), str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(found.stdout)


def measured(space: Any, row: Any, folder: Path) -> dict[str, int]:
    """Every figure of one network, bytes."""
    layers = architecture_layers(space, row)
    weights = random_weights(layers, np.random.default_rng(0))
    costs = workflows.costs(space, row)
    found = {
        "liveness": int(costs["peak_memory_bytes"][0]),
        "weights": int(costs["model_size_bytes"][0]),
    }
    small = layers[-1:]
    small_weights = random_weights(small, np.random.default_rng(0))
    for name, writer, runtime in (("onnx", onnx, "onnxruntime"), ("tflite", tflite, "litert")):
        path, tiny = folder / f"model.{name}", folder / f"tiny.{name}"
        path.write_bytes(writer.lower(layers, weights))
        tiny.write_bytes(writer.lower(small, small_weights))
        found[f"{runtime}_rss"] = fresh_rss(runtime, tiny, path)
    found["onnxruntime_plan"] = onnxruntime_plan(folder / "model.onnx", folder)
    found["litert_arena"] = litert_arena(folder / "model.tflite")
    return found


def main() -> None:
    """Run the claim and write its result."""
    result: dict[str, Any] = {"networks": NETWORKS, "spaces": {}}
    for name, resolutions in SPACES.items():
        space = load_space(name, resolutions=resolutions)
        rows = space.sample(NETWORKS, np.random.default_rng(0))
        with tempfile.TemporaryDirectory() as folder:
            networks = [measured(space, row, Path(folder)) for row in rows]
        quantities = list(networks[0])
        ranks = {
            f"{a} ~ {b}": round(
                float(spearmanr([n[a] for n in networks], [n[b] for n in networks]).statistic), 3
            )
            for a, b in itertools.combinations(quantities, 2)
        }
        ratios = {
            key: round(float(np.median([n[key] / n["liveness"] for n in networks])), 3)
            for key in quantities
        }
        result["spaces"][name] = {
            "median_ratio_to_liveness": ratios, "spearman": ranks, "bytes": networks,
        }  # fmt: skip
        print(name, *quantities, sep="\t")
        for network in networks:
            print("", *(f"{value / 2**20:.3f} MiB" for value in network.values()), sep="\t")
        print("ratio to liveness:", ratios)
        print("Spearman:", ranks)
    print(f"written to {_results.write('peak_memory', result)}")


if __name__ == "__main__":
    main()
