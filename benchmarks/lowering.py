"""Do torch, ONNX and TFLite compute the same, and how long does writing a model take?

Question: for random networks of `ofa_mbv3_w1.0` at three resolutions and of `mbv3_small_32`, what
is the largest difference between the outputs of the torch module, the ONNX file and the TFLite file
(fp32, relative to the largest output), does XNNPACK take each TFLite file in one part, and how many
CPU seconds does it take to write a network, and a single block (the fastest of three times)?

    python -m benchmarks.lowering

Hardware: whatever it runs on; the result file says which. Expected: differences below 1e-5, one
part each, networks in a tenth of a second, blocks in a few milliseconds.
"""

from benchmarks import _results

_results.one_thread()

import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

from hwnas.graphs import onnx, tflite  # noqa: E402
from hwnas.networks.folding import folded_weights  # noqa: E402
from hwnas.networks.static import build, initialise  # noqa: E402
from hwnas.protocols import architecture_layers  # noqa: E402
from hwnas.runtimes import litert, onnxruntime  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402
from hwnas.training.evaluation import recalibrate  # noqa: E402

GROUPS = {
    "ofa_mbv3_w1.0": ((160,), (192,), (224,)),
    "mbv3_small_32": ((32,),),
}
NETWORKS = 30
BLOCKS = 3  # of each network
INPUTS = 4


def trained_looking(layers: Any, seed: int) -> torch.nn.Sequential:
    """A network with random weights and biases, batch-norm's statistics being its own.

    Without them activations of a deep random network grow or vanish, and rounding with them.
    """
    network = build(layers)
    initialise(network, seed)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.8, 1.2, generator=generator)
            module.bias.data.normal_(0.0, 0.2, generator=generator)
        elif isinstance(module, torch.nn.Linear) and module.bias is not None:
            module.bias.data.normal_(0.0, 0.2, generator=generator)
    first = layers[0]
    shape = (16, first.in_channels, first.resolution, first.resolution)
    recalibrate(network, [torch.randn(shape, generator=generator)])
    return network


def cpu_seconds(call: Any, *arguments: Any) -> tuple[float, bytes]:
    """CPU seconds of a call, and what it returned."""
    start = time.process_time()
    result = call(*arguments)
    return time.process_time() - start, result


def examined(space: str, resolutions: tuple[int, ...], seed: int) -> dict[str, float]:
    """One random network, in all three forms."""
    rng = np.random.default_rng(seed)
    searched = load_space(space, resolutions=list(resolutions))
    layers = architecture_layers(searched, searched.sample(1, rng)[0])
    network = trained_looking(layers, seed)
    weights = folded_weights(network)
    first = layers[0]
    shape = (INPUTS, first.in_channels, first.resolution, first.resolution)
    inputs = rng.standard_normal(shape).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(inputs)).numpy()
    found: dict[str, float] = {}
    outputs = {"torch": expected}
    with tempfile.TemporaryDirectory() as folder:
        for writer, runtime in ((onnx, onnxruntime), (tflite, litert)):
            name = runtime.MODEL_FORMAT
            found[f"{name}_network_s"], content = cpu_seconds(writer.lower, layers, weights)
            path = Path(folder) / f"model.{name}"
            path.write_bytes(content)
            outputs[name] = runtime.outputs(str(path), inputs)
            blocks = [i for i, layer in enumerate(layers) if layer.kind == "mbconv"]
            chosen = rng.choice(blocks, BLOCKS)
            found[f"{name}_block_s"] = max(
                min(
                    cpu_seconds(writer.lower, layers[i : i + 1], weights[i : i + 1])[0]
                    for _ in range(3)
                )
                for i in chosen
            )
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
        steps = interpreter._get_ops_details()
    found["partitions"] = sum(step["op_name"] == "DELEGATE" for step in steps)
    names = list(outputs)
    found["difference"] = max(
        float(np.abs(outputs[a] - outputs[b]).max() / np.abs(expected).max())
        for a in names
        for b in names
    )
    return found


def main() -> None:
    """Run the claim and write its result."""
    onnx.lower([], []), tflite.lower([], [])  # imports are not what is measured
    result: dict[str, Any] = {"networks": NETWORKS, "inputs": INPUTS, "groups": {}}
    for space, groups in GROUPS.items():
        for resolutions in groups:
            rows = [examined(space, resolutions, seed) for seed in range(NETWORKS)]
            largest = {key: max(row[key] for row in rows) for key in rows[0]}
            medians = {
                f"{key}_median": float(np.median([row[key] for row in rows]))
                for key in rows[0]
                if key.endswith("_s")
            }
            summary = {k: float(f"{v:.3g}") for k, v in {**largest, **medians}.items()}
            result["groups"][f"{space} at {resolutions[0]}"] = summary
            print(f"{space} at {resolutions[0]}: {summary}")
    print(f"written to {_results.write('lowering', result)}")


if __name__ == "__main__":
    main()
