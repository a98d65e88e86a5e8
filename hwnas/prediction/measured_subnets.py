"""Measured subnets of Once-for-All's MobileNetV3 supernet, one JSON object a line."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwnas import files
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import FileFormatError, InputError
from hwnas.protocols import SearchSpace

_KEYS = {"ks": "kernel_size", "e": "expand_ratio", "d": "depth"}
_TOP1 = "top1_pct"


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredSubnets:
    """Architectures and what somebody measured of them.

    Attributes:
        genes: Canonical, shape (architectures, genes).
        top1: ImageNet accuracy in percent, shape (architectures,).
    """

    genes: IntArray
    top1: FloatArray


def read_subnets(path: Path, space: SearchSpace) -> MeasuredSubnets:
    """The subnets in a file.

    Args:
        path: Each line has ``kernel_size`` and ``expand_ratio`` (20 each, stage by stage; those of
            absent blocks mean nothing), ``depth`` (5), ``top1_pct``, and ``resolution`` where it
            is not 224.
        space: Once-for-All's, of the width that was measured.

    Raises:
        FileFormatError: A line is not of that form; names the line.
    """
    rows, values = [], []
    for number, line in enumerate(files.read_text(path).splitlines(), start=1):
        try:
            content = json.loads(line)
            rows.append(space.parse(_mapping(content)))
            values.append(float(content[_TOP1]))
        except (ValueError, KeyError, TypeError, InputError) as error:
            raise FileFormatError(
                f"{path}, line {number} is no measured subnet ({error}); expected kernel_size, "
                "expand_ratio, depth and top1_pct."
            ) from error
    top1 = np.array(values)
    wrong = np.flatnonzero(~((top1 > 0) & (top1 < 100)))
    if not rows or len(wrong):
        what = f"line {wrong[0] + 1} has {_TOP1} {top1[wrong[0]]}" if rows else "there is no line"
        raise FileFormatError(f"{path}: {what}; expected accuracies between 0 and 100 percent.")
    return MeasuredSubnets(np.stack(rows), top1)


def _mapping(content: Any) -> dict[str, Any]:
    return {key: content[name] for key, name in _KEYS.items()} | {
        "r": content.get("resolution", 224)
    }
