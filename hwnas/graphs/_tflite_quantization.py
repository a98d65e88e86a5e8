"""Post-training int8 quantization of TFLite files, with ai-edge-quantizer.

Weights are symmetric, one scale a channel; activations are asymmetric, one scale a tensor, from the
smallest to the largest value that the calibration inputs give. Hard-swish stays in fp32 between a
dequantization and a quantization: XNNPACK, which runs the rest, has no int8 hard-swish, and an
int8 one would cut the graph at each of them. Input and output stay fp32, and so may layers that the
caller names.
"""

import contextlib
import io
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer import algorithm_manager, qtyping, quantizer
from numpy.typing import NDArray

from hwnas.graphs._calibration import check_calibration

_BITS = 8
_MADE_UP = (-4.0, 4.0)
_SILENCE = threading.RLock()  # what is silenced belongs to the whole process

Ranges = dict[str, dict[str, NDArray[np.float32]]]


def quantize(
    content: bytes,
    calibration: NDArray[np.float32] | None,
    *,
    keep: Sequence[str] = (),
    inner_input: bool = False,
    inner_output: bool = False,
) -> bytes:
    """An fp32 file of `hwnas.graphs.tflite` as an int8 one.

    Args:
        content: The fp32 file.
        calibration: Inputs, (N, C, H, W) or (N, C); None for made-up ranges.
        keep: Layers that stay in fp32, by the names that their operators' outputs begin with.
        inner_input: Whether the input becomes int8 too.
        inner_output: Whether the output does.

    Raises:
        InputError: The calibration inputs are none, of another shape, or not finite.
    """
    interpreter = _interpreter(content)
    given = interpreter.get_input_details()[0]
    tensors = _activations(interpreter)
    if calibration is None:
        ranges = {name: _range(*_MADE_UP) for name in tensors.values()}
    else:
        shape = tuple(int(size) for size in given["shape"][1:])
        wanted = shape if len(shape) == 1 else (shape[2], *shape[:2])
        check_calibration(calibration, wanted)
        ranges = _observe(interpreter, given["index"], tensors, calibration)
    made = quantizer.Quantizer(content)
    operations = qtyping.TFLOperationName
    made.add_static_config(".*", operations.ALL_SUPPORTED, _BITS, _BITS)
    kept = [(".*", operations.HARD_SWISH)]
    kept += [] if inner_input else [(".*", operations.INPUT)]
    kept += [] if inner_output else [(".*", operations.OUTPUT)]
    kept += [(rf"^{re.escape(name)}\b", operations.ALL_SUPPORTED) for name in keep]
    for scope, operation in kept:
        made.update_quantization_recipe(
            scope, operation, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE
        )
    if inner_output:  # also where the layer that gives it stays; the last rule of a scope counts
        made.add_static_config("^output", operations.OUTPUT, _BITS, _BITS)
    with _silence():
        result = made.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    assert result.quantized_model is not None
    return bytes(result.quantized_model)


def _interpreter(content: bytes) -> Interpreter:
    """One that keeps every tensor, and runs operators one by one, without XNNPACK."""
    with _silence():
        interpreter = Interpreter(
            model_content=content,
            num_threads=1,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    interpreter.allocate_tensors()
    return interpreter


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without what these libraries say of themselves.

    A warning that keeping tensors is for debugging, a bar that is drawn although it was told not
    to be, and a line about the delegate that goes straight to descriptor 2.
    """
    with _SILENCE:
        sys.stderr.flush()
        saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
                yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(null)


def _activations(interpreter: Interpreter) -> dict[int, str]:
    """Names of the tensors that are computed, and of the input, by index."""
    details = {entry["index"]: entry["name"] for entry in interpreter.get_tensor_details()}
    computed = [index for step in interpreter._get_ops_details() for index in step["outputs"]]
    inputs = [entry["index"] for entry in interpreter.get_input_details()]
    return {int(index): details[index] for index in (*inputs, *computed)}


def _observe(
    interpreter: Interpreter,
    given: int,
    tensors: dict[int, str],
    calibration: NDArray[np.float32],
) -> Ranges:
    lows = dict.fromkeys(tensors, np.inf)
    highs = dict.fromkeys(tensors, -np.inf)
    for one in calibration:
        fed = one if one.ndim == 1 else one.transpose(1, 2, 0)
        interpreter.set_tensor(given, np.ascontiguousarray(fed[None], dtype=np.float32))
        interpreter.invoke()
        for index in tensors:
            values = interpreter.get_tensor(index)
            lows[index] = min(lows[index], float(values.min()))
            highs[index] = max(highs[index], float(values.max()))
    return {name: _range(lows[index], highs[index]) for index, name in tensors.items()}


def _range(low: float, high: float) -> dict[str, NDArray[np.float32]]:
    return {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
