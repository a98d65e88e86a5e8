"""hwnas finds, for your data and your device, the neural networks nobody can beat.

The functions below are imported when first used, so that ``import hwnas`` costs nothing.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwnas.spaces import load_space as load_space
    from hwnas.workflows import costs as costs
    from hwnas.workflows import load_run as load_run
    from hwnas.workflows import load_table as load_table

# as in hwnas/runtimes/onnxruntime.py, for whatever imports ONNX Runtime first
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "load_space": "hwnas.spaces",
    "costs": "hwnas.workflows",
    "load_run": "hwnas.workflows",
    "load_table": "hwnas.workflows",
}

__all__ = ["costs", "load_run", "load_space", "load_table"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hwnas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
