"""Record what Google's converter makes of networks, to compare hwnas's own TFLite files with.

It converts each network from torch with litert-torch and writes down the operators of the result.
Run it from the repository, in an environment of its own, since litert-torch brings gigabytes:

    python -m venv litert-torch
    litert-torch/bin/pip install litert-torch==0.10.0 pydantic safetensors scipy
    PYTHONPATH=. litert-torch/bin/python tools/record_litert_torch.py --models models

With ``--models`` it leaves each model there as ``<name>.tflite``, and beside it the same weights
with batch-norm folded as ``<name>.safetensors``, under the names ``<layer>.<weight>``.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hwnas.layers import LayerSpec
from hwnas.protocols import architecture_layers
from hwnas.reference_networks import reference_network
from hwnas.spaces import load_space

TARGET = Path(__file__).parent.parent / "tests/data/litert_torch_operators.json"

SAMPLED = (
    *(("ofa_mbv3_w1.0", resolution) for resolution in (128, 180, 224)),
    *(("mbv3_small_32", 32),) * 4,
)
"""Spaces and resolutions of random architectures, the n-th drawn with seed n."""

HAND_MADE: tuple[dict[str, Any], ...] = (
    {"name": "MobileNetV3-Large", "resolution": 224},
    {"name": "MobileNetV3-Small", "resolution": 32, "width_mult": 0.5, "classes": 10},
    {"name": "MobileNetV2", "resolution": 160, "width_mult": 0.5},
    {"name": "MobileNetV2", "resolution": 32, "width_mult": 0.25, "stem_stride": 1},
    {"name": "MnasNet-A1", "resolution": 96, "in_channels": 1},
    {"name": "EfficientNet-Lite0", "resolution": 75, "width_mult": 0.5},
)
"""Arguments of `hwnas.reference_networks.reference_network`."""


def networks() -> Iterator[dict[str, Any]]:
    """Each network as plain data that `layers_of` reads."""
    for seed, (name, resolution) in enumerate(SAMPLED):
        space = load_space(name, resolutions=[resolution])
        row = space.sample(1, np.random.default_rng(seed))[0]
        architecture = {"resolutions": [resolution], "architecture": space.describe(row)}
        yield {"name": f"{name}-{resolution}-{seed}", "space": name, **architecture}
    for arguments in HAND_MADE:
        width = arguments.get("width_mult", 1.0)
        name = f"{arguments['name']}-{width}-{arguments['resolution']}"
        yield {"name": name, "reference": arguments}


def layers_of(network: Mapping[str, Any]) -> tuple[LayerSpec, ...]:
    """The layers of a network as it is recorded."""
    if "reference" in network:
        return reference_network(**network["reference"])
    space = load_space(network["space"], resolutions=network["resolutions"])
    return architecture_layers(space, space.parse(network["architecture"]))


def operators(content: bytes) -> list[str]:
    """A TFLite model's operators, a line each, with everything that decides what is computed.

    A line names the operator, its inputs, the shape of its output, and its options. An input is
    ``@n``, the output of operator n (``@-1`` is the model's input), or the shape of a constant,
    with its numbers where they are integers: sides to pad, axes to reduce in ascending order.
    What does not depend on the network is left out: versions, names, defaults of quantization,
    whether a matrix product keeps the number of axes of what always has two.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    made = {int(graph.inputs[0]): -1}

    def given(tensor: int, reduces: bool) -> str:
        if tensor < 0:
            return "none"
        if tensor in made:
            return f"@{made[tensor]}"
        constant = graph.tensors[tensor]
        if constant.type != schema.TensorType.INT32:
            return _joined(constant.shape)
        numbers = np.frombuffer(model.buffers[constant.buffer].data.tobytes(), np.int32)
        return f"[{_joined(np.sort(numbers) if reduces else numbers, ',')}]"

    lines = []
    for number, operator in enumerate(graph.operators):
        name = names[model.operatorCodes[operator.opcodeIndex].builtinCode]
        words = [name, *(given(tensor, name in ("MEAN", "SUM")) for tensor in operator.inputs)]
        (output,) = operator.outputs
        words += ["->", _joined(graph.tensors[output].shape)]
        lines.append(" ".join(words + _options(operator.builtinOptions, schema)))
        made[int(output)] = number
    if made[int(graph.outputs[0])] != len(lines) - 1:
        raise ValueError("The model's output is not that of its last operator.")
    return lines


def convert(layers: tuple[LayerSpec, ...], seed: int, model: Path) -> None:
    """Convert a network with random weights into a model file, its folded weights beside it."""
    # only recording needs them: whoever reads a record has neither torch nor litert-torch
    import litert_torch
    import torch
    from safetensors.numpy import save_file

    from hwnas.networks.folding import folded_weights

    network = random_network(layers, seed)
    weights = {
        f"{index}.{name}": array
        for index, arrays in enumerate(folded_weights(network))
        for name, array in arrays.items()
    }
    save_file(weights, model.with_suffix(".safetensors"))
    first = layers[0]
    image = torch.zeros(1, first.resolution, first.resolution, first.in_channels)
    nhwc = litert_torch.to_channel_last_io(_pooled_as_published(network), args=[0])
    litert_torch.convert(nhwc, (image,)).export(str(model))


def random_network(layers: tuple[LayerSpec, ...], seed: int) -> Any:
    """A torch network in evaluation mode, with random weights and biases, and fitting statistics.

    A converter leaves out biases of zero, which no trained network has. The statistics are those
    of random images, so that activations stay in a trained network's range.
    """
    # as for `convert`
    import torch

    from hwnas.networks.static import build, initialise

    network = build(layers)
    initialise(network, seed)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0.0, 0.2, generator=generator)
        elif isinstance(module, torch.nn.Linear) and module.bias is not None:
            module.bias.data.normal_(0.0, 0.1, generator=generator)
    first = layers[0]
    size = (8, first.in_channels, first.resolution, first.resolution)
    with torch.no_grad():
        network.train()(torch.randn(size, generator=generator))
    return network.eval()


def _pooled_as_published(network: Any) -> Any:
    """The network with pooling as published networks write it, by `AdaptiveAvgPool2d`.

    Of hwnas's own form, ``x.mean((2, 3))``, the converter makes a MEAN of an image that it
    transposes to NCHW first, which is no part of the network.
    """
    import torch

    class Pool(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)

    class SqueezeExcite(torch.nn.Module):
        def __init__(self, block: torch.nn.Module) -> None:
            super().__init__()
            self.block, self.pool = block, Pool()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scale = torch.relu(self.block.squeeze(self.pool(x)))
            return x * self.block.gate(self.block.excite(scale))[:, :, None, None]

    for index, layer in enumerate(network):
        if type(layer).__name__ == "Pool":
            network[index] = Pool()
        elif getattr(layer, "squeeze_excite", None) is not None:
            layer.squeeze_excite = SqueezeExcite(layer.squeeze_excite)
    return network


def _options(options: Any, schema: Any) -> list[str]:
    """Words for those options that say what is computed."""
    if options is None:
        return []
    fields = vars(options)
    words = []
    if "padding" in fields:
        words.append(_name(schema.Padding, options.padding))
        words.append(f"stride={options.strideH}x{options.strideW}")
        words.append(f"dilation={options.dilationHFactor}x{options.dilationWFactor}")
    if "depthMultiplier" in fields:
        words.append(f"depth_multiplier={options.depthMultiplier}")
    if "fusedActivationFunction" in fields:
        words.append(_name(schema.ActivationFunctionType, options.fusedActivationFunction))
    if "keepDims" in fields:
        words.append(f"keep_dims={options.keepDims}")
    return words


def _name(enumeration: type, value: int) -> str:
    return next(name for name, number in vars(enumeration).items() if number == value)


def _joined(numbers: Any, separator: str = "x") -> str:
    return separator.join(map(str, np.asarray(numbers).tolist())) or "scalar"


def main() -> None:
    """Convert every network and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, help="keep models and weights in this folder")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    recorded = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.models or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed, network in enumerate(networks()):
            model = folder / f"{network['name']}.tflite"
            convert(layers_of(network), seed, model)
            recorded.append({**network, "operators": operators(model.read_bytes())})
    record = {"litert_torch": version("litert-torch"), "networks": recorded}
    arguments.target.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
