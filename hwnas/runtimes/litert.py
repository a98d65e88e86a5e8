"""LiteRT (TFLite) on the CPU, one file that is sent to the device: Python 3.8, nothing of hwnas.

Uses ai-edge-litert, else tflite-runtime; both run models with XNNPACK by default.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MODEL_FORMAT = "tflite"
PRECISIONS = ("fp32", "fp16", "int8")

_IDENTIFIER = b"TFL3"  # in bytes 4 to 8 of every file


def version() -> str:
    """Name and version of the installed runtime; ImportError says what to install."""
    try:
        from importlib.metadata import version as installed
    except ImportError as error:  # Python 3.7 and older
        raise ImportError("it needs Python 3.8 or later") from error
    module = _module().__name__.split(".")[0]
    return "{} {}".format(module, installed(module))


def load(path: str, threads: int) -> Callable[[], object]:
    """A model file as a function that runs it once on random input of the model's shape.

    Args:
        path: Of a ``.tflite`` file; sizes it leaves open are 1.
        threads: Of every operator.

    Raises:
        ValueError: The file is no model, or one that this runtime cannot run.
    """
    interpreter = _interpreter(path, threads)
    for given in interpreter.get_input_details():
        interpreter.set_tensor(given["index"], _random(given))
    run: Callable[[], object] = interpreter.invoke
    run()  # the first run may still fail, and prepares the others
    return run


def outputs(path: str, inputs: Any) -> Any:
    """What a model file says of each input, on the machine that calls.

    Args:
        path: Of a ``.tflite`` file with one input, (1, H, W, C) or (1, C), and one output.
        inputs: Array of shape (N, C, H, W) or (N, C), fp32.

    Returns:
        Array of shape (N, ...), fp32: the outputs, one inference each; images channels first.

    Raises:
        ValueError: The file is no model, or one that this runtime cannot run.
    """
    import numpy as np

    with _quiet():
        interpreter = _interpreter(path, 1)
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for one in np.moveaxis(inputs, 1, -1):
        interpreter.set_tensor(given["index"], np.ascontiguousarray(one[None], dtype=np.float32))
        interpreter.invoke()
        found.append(interpreter.get_tensor(result["index"]))
    return np.moveaxis(np.concatenate(found), -1, 1)


def _module() -> Any:
    """The package that is installed, the newer one first."""
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        try:
            from tflite_runtime import interpreter
        except ImportError as error:
            raise ImportError(
                "install it there with: pip install ai-edge-litert (or, on Python 3.8 and 3.9 and "
                "on 32-bit systems, tflite-runtime and numpy<2)"
            ) from error
    return interpreter


def _interpreter(path: str, threads: int) -> Any:
    with open(path, "rb") as file:
        head = file.read(8)
    if head[4:] != _IDENTIFIER:
        raise ValueError("it is not a TFLite file: its fifth to eighth byte are not TFL3")
    try:
        interpreter = _module().Interpreter(model_path=path, num_threads=threads)
        for given in interpreter.get_input_details():
            if min(given["shape_signature"], default=1) < 0:
                sizes = [size if size > 0 else 1 for size in given["shape_signature"]]
                interpreter.resize_tensor_input(given["index"], sizes)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ValueError(str(error).strip() or "it could not be read") from error
    return interpreter


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the runtime's announcement of its delegate, which goes straight to descriptor 2."""
    sys.stderr.flush()
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _random(given: Any) -> Any:
    """Input for one argument of a model: standard normal, or small integers."""
    import numpy as np

    numbers = np.random.default_rng(0).standard_normal(given["shape"])
    if np.issubdtype(given["dtype"], np.integer):
        numbers = numbers * 16
    return numbers.astype(given["dtype"])
