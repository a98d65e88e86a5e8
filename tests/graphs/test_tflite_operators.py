"""Our TFLite files have the operators that Google's converter makes, recorded by a tool.

``tools/record_litert_torch.py`` explains the record. It is written differently in two places,
neither of which changes what is computed or which kernel computes it:

- A convolution of one input channel: the converter writes it as a depthwise convolution with a
  multiplier. XNNPACK has one operator for both, and runs it through the same kernel.
- The mean of a single pixel: the converter writes a sum, there being nothing to divide by.
"""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwnas.graphs.tflite import lower
from hwnas.layer_weights import random_weights

TESTS = Path(__file__).parents[1]
TOOL = runpy.run_path(str(TESTS.parent / "tools" / "record_litert_torch.py"))
RECORD = json.loads((TESTS / "data" / "litert_torch_operators.json").read_text())
NETWORKS = {network["name"]: network for network in RECORD["networks"]}

Lines = list[str]


def ours(network: dict[str, Any]) -> Lines:
    layers = TOOL["layers_of"](network)
    lines: Lines = TOOL["operators"](
        lower(layers, random_weights(layers, np.random.default_rng(0)))
    )
    return lines


def as_we_write(lines: Lines) -> Lines:
    """The converter's operators with the differences that the module's docstring states."""
    written = []
    for line in lines:
        line = re.sub(
            r"DEPTHWISE_CONV_2D (\S+) 1x(\d+x\d+)x(\d+) (.*) depth_multiplier=\3 ",
            r"CONV_2D \1 \3x\2x1 \4 ",
            line,
        )
        summed = re.fullmatch(r"SUM @(\d+) (\[1,2\] .*)", line)
        if summed and "-> 1x1x1x" in lines[int(summed[1])]:
            line = f"MEAN @{summed[1]} {summed[2]}"
        written.append(line)
    return written


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_operators_are_those_of_the_converter(network: dict[str, Any]) -> None:
    assert ours(network) == as_we_write(network["operators"])


def test_most_networks_are_written_without_any_difference() -> None:
    equal = [
        name for name, one in NETWORKS.items() if as_we_write(one["operators"]) == one["operators"]
    ]
    assert set(NETWORKS) - set(equal) == {"MobileNetV3-Small-0.5-32", "MnasNet-A1-1.0-96"}


def test_the_record_has_all_that_a_layer_can_be() -> None:
    layers = [layer for network in NETWORKS.values() for layer in TOOL["layers_of"](network)]
    assert {layer.kind for layer in layers} == {"conv", "mbconv", "pool", "linear"}
    assert {layer.activation for layer in layers} == {"none", "relu", "relu6", "hard_swish"}
    assert {layer.gate for layer in layers if layer.se_channels} == {"hard_sigmoid", "sigmoid"}
    blocks = [layer for layer in layers if layer.kind == "mbconv"]
    assert {(block.expands, block.residual) for block in blocks} == {
        (expands, residual) for expands in (False, True) for residual in (False, True)
    }
    strided = [layer for layer in layers if layer.stride == 2]
    assert {(layer.kernel_size, layer.resolution % 2) for layer in strided} >= {
        (size, odd) for size in (3, 5) for odd in (0, 1)
    }
    assert {layer.bias for layer in layers if layer.kind == "linear"} == {False, True}
