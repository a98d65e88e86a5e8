"""Weights of a network as every graph writer takes them: batch-norm folded, torch's layout.

Names and shapes, layer kind by layer kind (O out, I in, H hidden, S squeezed channels, K kernel):

- ``conv``: ``weight`` (O, I, K, K), ``bias`` (O,)
- ``mbconv``: ``expand.weight`` (H, I, 1, 1), ``expand.bias`` (H,) where it expands;
  ``depthwise.weight`` (H, 1, K, K), ``depthwise.bias`` (H,); ``squeeze.weight`` (S, H),
  ``squeeze.bias`` (S,), ``excite.weight`` (H, S), ``excite.bias`` (H,) where it squeezes;
  ``project.weight`` (O, H, 1, 1), ``project.bias`` (O,)
- ``linear``: ``weight`` (O, I), ``bias`` (O,) where it has one
- ``pool``: nothing
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwnas.layers import LayerSpec

LayerWeights = Mapping[str, NDArray[np.float32]]


def weight_shapes(layer: LayerSpec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a layer's weights, in the order of its steps."""
    out, given, hidden, k = (
        layer.out_channels, layer.in_channels, layer.hidden_channels, layer.kernel_size,
    )  # fmt: skip
    if layer.kind == "conv":
        return {"weight": (out, given, k, k), "bias": (out,)}
    if layer.kind == "linear":
        return {"weight": (out, given), **({"bias": (out,)} if layer.bias else {})}
    if layer.kind != "mbconv":
        return {}
    shapes: dict[str, tuple[int, ...]] = {}
    if layer.expands:
        shapes |= {"expand.weight": (hidden, given, 1, 1), "expand.bias": (hidden,)}
    shapes |= {"depthwise.weight": (hidden, 1, k, k), "depthwise.bias": (hidden,)}
    if layer.se_channels:
        squeezed = layer.se_channels
        shapes |= {"squeeze.weight": (squeezed, hidden), "squeeze.bias": (squeezed,)}
        shapes |= {"excite.weight": (hidden, squeezed), "excite.bias": (hidden,)}
    return shapes | {"project.weight": (out, hidden, 1, 1), "project.bias": (out,)}


def random_weights(layers: Sequence[LayerSpec], rng: np.random.Generator) -> list[LayerWeights]:
    """Weights for timing: normal with He's variance, so that activations stay in a normal range.

    Denormal or overflowing activations would change what is timed.
    """
    result: list[LayerWeights] = []
    for layer in layers:
        arrays = {}
        for name, shape in weight_shapes(layer).items():
            fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
            scale = np.sqrt(2.0 / fan_in) if len(shape) > 1 else 0.1
            arrays[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
        result.append(arrays)
    return result
