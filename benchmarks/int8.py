"""What does int8 cost in accuracy, and what does it gain in latency?

Question, for the network that the quickstart exported and for 20 random ones of its space with the
supernet's weights: how many points of test accuracy does the int8 file lose against the fp32 file,
in TFLite and in ONNX? And for those, for hand-made networks at 224 pixels and for random ones of
`ofa_mbv3_w1.0` (with all kernel sizes, and with 3 and 5 only): how long does the int8 file take as
a ratio to the fp32 file, all timed in turns in one process, one thread?

    python -m benchmarks.int8 [--run runs/quickstart]

Hardware: whatever it runs on; the result file says which, and the ratios depend on it. Expected:
less than a point lost; on x86-64 with AMX, TFLite ratios of 0.65 to 0.95 for hand-made networks at
224 pixels, above 1 for networks of few channels and wherever a window is 7 wide.
"""

from benchmarks import _results

_results.one_thread()

import argparse  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from hwnas import workflows  # noqa: E402
from hwnas.graphs import onnx, tflite  # noqa: E402
from hwnas.layer_weights import random_weights  # noqa: E402
from hwnas.layers import LayerSpec  # noqa: E402
from hwnas.networks.folding import folded_weights  # noqa: E402
from hwnas.protocols import architecture_layers  # noqa: E402
from hwnas.reference_networks import reference_network  # noqa: E402
from hwnas.runtimes import litert, onnxruntime  # noqa: E402
from hwnas.search import pick  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402
from hwnas.training.evaluation import batches_at, recalibrate, recalibration_part  # noqa: E402
from hwnas.training.supernet import load_supernet, slot_layers_of  # noqa: E402
from hwnas.workflows.runs import experiment_of  # noqa: E402
from hwnas.workflows.setting import prepare  # noqa: E402

FORMATS = {"tflite": (tflite, litert), "onnx": (onnx, onnxruntime)}
HAND_MADE = ("MobileNetV3-Large", "MobileNetV3-Small", "MobileNetV2", "MnasNet-A1")
RANDOM = 20
ROUNDS, RUNS = 60, 3
LONGEST_S = 5.0  # of timing one pair; fewer rounds do for slow networks
CALIBRATION_IMAGES = 256


def ratio(models: Sequence[bytes], ending: str) -> dict[str, float]:
    """Milliseconds of an fp32 and an int8 model, in turns, and the median ratio of a round."""
    runtime = FORMATS[ending][1]
    runs: list[Callable[[], object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for i, content in enumerate(models):
            path = Path(folder) / f"{i}.{ending}"
            path.write_bytes(content)
            runs.append(runtime.load(str(path), 1))
        end = time.perf_counter() + LONGEST_S
        rounds = [[timed(run) for run in runs]]
        while len(rounds) < ROUNDS and time.perf_counter() < end:
            rounds.append([timed(run) for run in runs])
    seconds = np.array(rounds)
    return {
        "fp32_ms": round(1e3 * float(np.median(seconds[:, 0])), 4),
        "int8_ms": round(1e3 * float(np.median(seconds[:, 1])), 4),
        "ratio": round(float(np.median(seconds[:, 1] / seconds[:, 0])), 3),
    }


def timed(run: Callable[[], object]) -> float:
    """Seconds of one run, a few in a row after one that warms the caches."""
    run()
    start = time.perf_counter()
    for _ in range(RUNS):
        run()
    return (time.perf_counter() - start) / RUNS


def latency_ratios(layers: Sequence[LayerSpec]) -> dict[str, dict[str, float]]:
    """Of a network with random weights, which take as long as trained ones, in both formats."""
    weights = random_weights(layers, np.random.default_rng(0))
    return {
        name: ratio([writer.lower(layers, weights, precision=p) for p in ("fp32", "int8")], name)
        for name, (writer, _) in FORMATS.items()
    }


def ofa_networks(largest_kernel: int) -> list[tuple[LayerSpec, ...]]:
    """Random networks at 160 to 224 pixels whose windows are not larger than that."""
    space = load_space("ofa_mbv3_w1.0", resolutions=[160, 192, 224])
    networks = []
    for row in space.sample(RANDOM // 2, np.random.default_rng(1)):
        described = space.describe(row)
        described["ks"] = [min(k, largest_kernel) for k in described["ks"]]
        networks.append(architecture_layers(space, space.parse(described)))
    return networks


def pixels(part: Any, resolution: int) -> Any:
    """Images as networks take them, shape (N, C, H, W)."""
    batches = batches_at(part, resolution)
    return np.concatenate([np.ascontiguousarray(batch.numpy()) for batch in batches])


def test_accuracies(layers: Sequence[LayerSpec], weights: Any, data: Any) -> dict[str, float]:
    """Test accuracy of a network's fp32 and int8 files in both formats, percent."""
    resolution = layers[0].resolution
    calibration = pixels(recalibration_part(data.train, CALIBRATION_IMAGES), resolution)
    inputs = pixels(data.test, resolution)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (writer, runtime) in FORMATS.items():
            path = Path(folder) / f"model.{name}"
            for precision in ("fp32", "int8"):
                path.write_bytes(
                    writer.lower(layers, weights, precision=precision, calibration=calibration)
                )
                right = runtime.outputs(str(path), inputs).argmax(axis=1) == data.test.labels
                found[f"{name}_{precision}"] = round(100 * float(right.mean()), 3)
    return found


def accuracies(directory: Path) -> tuple[list[dict[str, float]], list[tuple[LayerSpec, ...]]]:
    """Test accuracy of fp32 and int8 files of random networks with the supernet's weights."""
    run = workflows.load_run(directory)
    data = prepare(experiment_of(run), run.space).data
    assert data is not None
    supernet = load_supernet(run.space, directory / "supernet")
    rows = run.space.sample(RANDOM, np.random.default_rng(2))
    found, networks = [], []
    for row, slots in zip(rows, slot_layers_of(run.space, rows), strict=True):
        layers = architecture_layers(run.space, row)
        networks.append(layers)
        module = supernet.extract(slots)
        recalibrate(module, batches_at(recalibration_part(data.train), layers[0].resolution))
        found.append(test_accuracies(layers, folded_weights(module), data))
        print(found[-1], flush=True)
    return found, networks


def summary(ratios: Sequence[dict[str, dict[str, float]]]) -> dict[str, list[float]]:
    """Smallest, median and largest ratio of each format."""
    found = {}
    for name in FORMATS:
        values = [one[name]["ratio"] for one in ratios]
        found[name] = [round(float(f(values)), 3) for f in (np.min, np.median, np.max)]
    return found


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/quickstart"))
    directory = parser.parse_args().run
    cards = workflows.export(directory, formats=list(FORMATS), precisions=("fp32", "int8"))
    exported = {f"{card.format}_{card.precision}": round(card.accuracy_file, 3) for card in cards}
    print("exported", exported)
    run = workflows.load_run(directory)
    chosen = np.array(pick(run, cards[0].id).row)
    exported_ratio = latency_ratios(architecture_layers(run.space, chosen))
    print("exported", exported_ratio)
    judged, networks = accuracies(directory)
    lost = {name: [one[f"{name}_fp32"] - one[f"{name}_int8"] for one in judged] for name in FORMATS}
    hand_made = {name: latency_ratios(reference_network(name)) for name in HAND_MADE}
    for name, one in hand_made.items():
        print(name, one, flush=True)
    groups = {
        "quickstart's space": [latency_ratios(layers) for layers in networks],
        "ofa_mbv3_w1.0": [latency_ratios(layers) for layers in ofa_networks(7)],
        "ofa_mbv3_w1.0, kernels 3 and 5": [latency_ratios(layers) for layers in ofa_networks(5)],
    }
    result = {
        "exported_accuracy": exported,
        "exported_points_lost": {
            name: round(exported[f"{name}_fp32"] - exported[f"{name}_int8"], 3) for name in FORMATS
        },
        "exported_latency": exported_ratio,
        "random_points_lost": {
            name: {"mean": round(float(np.mean(v)), 3), "largest": round(max(v), 3)}
            for name, v in lost.items()
        },
        "hand_made_at_224": hand_made,
        "ratio_min_median_max": {name: summary(group) for name, group in groups.items()},
        "random_accuracy": judged,
    }
    for key in ("exported_points_lost", "random_points_lost", "ratio_min_median_max"):
        print(key, result[key])
    print(f"written to {_results.write('int8', result)}")


if __name__ == "__main__":
    main()
