"""Where benchmarks run, and where their results go."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hwnas import files

_VERSIONED = ("hwnas", "ai-edge-litert", "numpy", "onnxruntime", "pymoo", "torch")

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, str]:
    """Processor, system and versions that a figure depends on."""
    return {
        "cpu": _cpu(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in _VERSIONED},
    }


def write(name: str, result: dict[str, Any], *, folder: Path = RESULTS) -> Path:
    """Write ``<folder>/<name>.json`` with the machine beside the figures."""
    path = folder / f"{name}.json"
    files.write_json(path, {"machine": machine(), **result})
    return path


def one_thread() -> None:
    """Keep numerical libraries to one thread; call before numpy is imported."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
