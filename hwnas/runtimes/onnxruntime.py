"""ONNX Runtime on the CPU, one file that is sent to the device: Python 3.8 and nothing of hwnas."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# from 1.29 on it otherwise reports its use to its makers, with threads of its own while models are
# timed, and leaves files in the home folder; it looks when it is first imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

MODEL_FORMAT = "onnx"
PRECISIONS = ("fp32", "fp16", "int8")

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


def version() -> str:
    """Version of the installed runtime; ImportError says what to install."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("install it there with: pip install onnxruntime") from error
    return str(onnxruntime.__version__)


def load(path: str, threads: int) -> Callable[[], object]:
    """A model file as a function that runs it once on random input of the model's shape.

    Args:
        path: Of an ``.onnx`` file; sizes it leaves open, such as the batch, are 1.
        threads: Of every operator.

    Raises:
        ValueError: The file is no model, or one that this runtime cannot run.
    """
    session = _session(path, threads)
    feed = {given.name: _random(given) for given in session.get_inputs()}
    names = [output.name for output in session.get_outputs()]
    return lambda: session.run(names, feed)


def outputs(path: str, inputs: Any) -> Any:
    """What a model file says of each input, on the machine that calls.

    Args:
        path: Of an ``.onnx`` file with one input and one output, both for a batch of 1.
        inputs: Array of shape (N, ...), fp32.

    Returns:
        Array of shape (N, ...): the outputs, one inference each.

    Raises:
        ValueError: The file is no model, or one that this runtime cannot run.
    """
    import numpy as np

    session = _session(path, 1)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: one[None]})[0] for one in inputs])


def _session(path: str, threads: int) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as refusals

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised, not logged
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (
        refusals.Fail,
        refusals.InvalidArgument,
        refusals.InvalidGraph,
        refusals.InvalidProtobuf,
        refusals.NoSuchFile,
        refusals.NotImplemented,
        refusals.RuntimeException,
    ) as error:
        raise ValueError(str(error)) from error
    return session


def _random(given: Any) -> object:
    """Input for one argument of a model: standard normal, or small integers."""
    import numpy as np

    shape = [size if isinstance(size, int) and size > 0 else 1 for size in given.shape]
    kind = given.type
    if kind not in _DTYPES:
        raise ValueError("its input {} is a {}".format(given.name, kind))
    return np.random.default_rng(0).standard_normal(shape).astype(_DTYPES[kind])
