"""Is a TFLite file that hwnas writes as fast as what Google's converter makes of the network?

Question: for random architectures and hand-made networks, fp32, on LiteRT with one thread: how
much CPU time does hwnas's own file take relative to litert-torch's, both with the same weights; do
they say the same; how large are they, in how many XNNPACK partitions do they run, and what does
writing one cost?

    python -m benchmarks.tflite_file MODELS

MODELS is the folder that ``tools/record_litert_torch.py --models MODELS`` fills, in an environment
of its own.

Hardware: whatever it runs on; the result file says which. Expected: at most 1.02 times
litert-torch's time, as the geometric mean of the networks; outputs equal to 2e-5 of the largest;
one partition. The converter's file loaded a second time stands beside ours: its ratio, which would
be 1 on a perfect machine, says what such a figure is worth.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)
from ai_edge_litert.interpreter import Interpreter  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

from hwnas import files  # noqa: E402
from hwnas.graphs import tflite  # noqa: E402
from hwnas.layer_weights import LayerWeights, weight_shapes  # noqa: E402
from hwnas.layers import LayerSpec  # noqa: E402
from hwnas.runtimes import litert  # noqa: E402
from tools.record_litert_torch import TARGET, layers_of  # noqa: E402

ROUND_S = 0.004
"""How long one model runs before it is the next one's turn; at least one inference."""


def weights_of(layers: Sequence[LayerSpec], path: Path) -> list[LayerWeights]:
    """The weights that litert-torch's file was made from, batch-norm folded."""
    arrays = load_file(path)
    return [
        {name: arrays[f"{index}.{name}"] for name in weight_shapes(layer)}
        for index, layer in enumerate(layers)
    ]


def lowered(layers: Sequence[LayerSpec], weights: Sequence[LayerWeights]) -> tuple[bytes, float]:
    """Our file, and the CPU seconds that writing it takes."""
    seconds = []
    for _ in range(5):
        start = time.process_time()
        content = tflite.lower(layers, weights)
        seconds.append(time.process_time() - start)
    return content, statistics.median(seconds)


class Loaded:
    """A model file in an interpreter of its own."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        given = self._interpreter.get_input_details()[0]
        numbers = np.random.default_rng(0).standard_normal(given["shape"])
        self._interpreter.set_tensor(given["index"], numbers.astype(np.float32))
        self._interpreter.invoke()

    @property
    def partitions(self) -> int:
        """How many parts of the graph XNNPACK runs, all else being run by plain kernels."""
        steps = self._interpreter._get_ops_details()
        return sum(step["op_name"] == "DELEGATE" for step in steps)

    def seconds(self, runs: int) -> float:
        """CPU seconds of one inference, as the mean of several in a row."""
        start = time.process_time()
        for _ in range(runs):
            self._interpreter.invoke()
        return (time.process_time() - start) / runs


def ratios(ours: Path, theirs: Path, *, loads: int, rounds: int) -> dict[str, Any]:
    """Time of our file, and of a second copy of theirs, relative to theirs.

    All three take turns in random order, a few milliseconds each, so that whatever else the
    machine does hits all of them. They are loaded anew several times, since where their memory
    happens to lie matters as well.
    """
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {"ours": [], "theirs again": []}
    for _ in range(loads):
        paths = {"ours": ours, "theirs": theirs, "theirs again": theirs}
        models = {name: Loaded(paths[name]) for name in rng.permutation(list(paths)).tolist()}
        runs = max(1, round(ROUND_S / models["theirs"].seconds(10)))
        times: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(rounds):
            for name in rng.permutation(list(models)).tolist():
                times[name].append(models[name].seconds(runs))
        for name, collected in found.items():
            of_round = np.divide(times[name], times["theirs"])
            collected.append(float(np.median(of_round)))
    return {name.replace(" ", "_"): _spread(collected) for name, collected in found.items()}


def compared(
    network: Mapping[str, Any], folder: Path, *, loads: int, rounds: int
) -> dict[str, Any]:
    """All figures of one recorded network."""
    layers = layers_of(network)
    theirs = folder / f"{network['name']}.tflite"
    content, cpu_s = lowered(layers, weights_of(layers, theirs.with_suffix(".safetensors")))
    with tempfile.TemporaryDirectory() as temporary:
        ours = Path(temporary) / "ours.tflite"
        ours.write_bytes(content)
        first = layers[0]
        shape = (4, first.in_channels, first.resolution, first.resolution)
        images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        expected, given = (litert.outputs(str(path), images) for path in (theirs, ours))
        return {
            "network": network["name"],
            "largest_relative_difference": float(
                np.abs(given - expected).max() / np.abs(expected).max()
            ),
            "time_ratio": ratios(ours, theirs, loads=loads, rounds=rounds),
            "partitions": {"ours": Loaded(ours).partitions, "theirs": Loaded(theirs).partitions},
            "file_bytes": {"ours": len(content), "theirs": theirs.stat().st_size},
            "lowering_cpu_s": round(cpu_s, 4),
        }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    low, middle, high = (round(float(value), 4) for value in np.percentile(values, (25, 50, 75)))
    return {"median": middle, "quartiles": [low, high]}


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("--loads", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()

    record = files.read_json(TARGET)
    networks = []
    for network in record["networks"]:
        networks.append(
            compared(network, arguments.models, loads=arguments.loads, rounds=arguments.rounds)
        )
        print(networks[-1], flush=True)
    overall = {
        name: round(
            statistics.geometric_mean(one["time_ratio"][name]["median"] for one in networks), 4
        )
        for name in ("ours", "theirs_again")
    }
    result = {
        "litert_torch": record["litert_torch"],
        "loads": arguments.loads,
        "rounds_a_load": arguments.rounds,
        "time_ratio": overall,
        "networks": networks,
    }
    print(f"{overall['ours']:.3f} times the time of litert-torch's files; "
          f"the same file again {overall['theirs_again']:.3f}")  # fmt: skip
    print(f"written to {_results.write('tflite_file', result)}")


if __name__ == "__main__":
    main()
