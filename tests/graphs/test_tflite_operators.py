"""Our TFLite files have the operators that Google's converter makes, recorded by a tool.

``tools/record_litert_torch.py`` explains the record. It is written differently in three places,
none of which changes what is computed:

- A convolution of one input channel: the converter writes it as a depthwise convolution with a
  multiplier. XNNPACK has one operator for both, and runs it through the same kernel.
- The mean of a single pixel: the converter writes a sum, there being nothing to divide by.
- A depthwise window of 7: ours is the sum of three parts, for which XNNPACK has kernels.
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


def in_parts(lines: Lines) -> Lines:
    """The converter's operators with each depthwise window of 7 as the sum of three parts."""
    written: Lines = []
    moved = {-1: -1}  # where the output of each of the converter's operators is now
    used = "\n".join(lines)

    def add(line: str) -> int:
        written.append(line)
        return len(written) - 1

    for index, line in enumerate(lines):
        window = re.fullmatch(
            r"DEPTHWISE_CONV_2D @(\d+) 1x7x7x(.*) -> (\S+) (.*) dilation=1x1 (.*) (\S+)", line
        )
        pad = re.fullmatch(r"PAD @(\d+) \[0,0,3,3,3,3,0,0\] -> 1x(\d+)x(\S+)", line)
        if pad and f"DEPTHWISE_CONV_2D @{index} 1x7x7" in used:
            continue
        if window is None:
            line = re.sub(r"@(-?\d+)", lambda found: f"@{moved[int(found[1])]}", line)
            moved[index] = add(line)
            continue
        given, channels, shape, how, depth, activation = window.groups()
        padded = re.fullmatch(r"PAD @(\d+) .* -> 1x(\d+)x(\S+)", lines[int(given)])
        parts = []
        for rows, dilation, around in ((3, 1, 1), (2, 6, 3), (2, 4, 2)):
            if padded and int(given) not in moved:
                height = int(padded[2]) - 6 + 2 * around
                source = add(
                    f"PAD @{moved[int(padded[1])]} [0,0,{around},{around},3,3,0,0] "
                    f"-> 1x{height}x{padded[3]}"
                )
            else:
                source = moved[int(given)]
            part = add(
                f"DEPTHWISE_CONV_2D @{source} 1x{rows}x7x{channels} -> {shape} {how} "
                f"dilation={dilation}x1 {depth} NONE"
            )
            parts.append(part)
            if len(parts) > 1:
                last = activation if len(parts) == 3 else "NONE"
                moved[index] = add(f"ADD @{parts[-2]} @{part} -> {shape} {last}")
                parts[-1] = moved[index]
    return written


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_operators_are_those_of_the_converter(network: dict[str, Any]) -> None:
    assert ours(network) == in_parts(as_we_write(network["operators"]))


def test_most_networks_are_written_without_any_difference() -> None:
    different = {
        name
        for name, one in NETWORKS.items()
        if in_parts(as_we_write(one["operators"])) != one["operators"]
    }
    window = re.compile(r"DEPTHWISE_CONV_2D @\d+ 1x7x7x")
    wide = {name for name, one in NETWORKS.items() if window.search(str(one["operators"]))}
    assert different - wide == {"MobileNetV3-Small-0.5-32", "MnasNet-A1-1.0-96"}
    assert len(wide) == 5


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
