"""Networks of a run that were measured on a device: their log, and what it changes.

The log has a line for each network and quantity, appended once the network was measured on that
device; like the log of a search it is true up to its last newline, whenever it was cut.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwnas import files
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import FileFormatError, StorageError
from hwnas.search.log import whole_lines

FINALISTS = "finalists.jsonl"


@dataclass(frozen=True, slots=True)
class Finalist:
    """One quantity of one network, measured.

    Attributes:
        genes: The canonical row.
        quantity: Name of what was measured, such as ``latency_ms`` or ``latency_ms@pixel_8``.
        value: In the quantity's unit.
        std: Standard error of the value; of the measurement alone.
        visits: Visits to the network that it is the median of.
        date: When measuring began, ISO 8601.
        runtime: That ran the network, with its version.
    """

    genes: tuple[int, ...]
    quantity: str
    value: float
    std: float
    visits: int
    date: str
    runtime: str

    __pydantic_config__ = files.STRICT


def read_finalists(directory: Path, names: Sequence[str], *, genes: int) -> tuple[Finalist, ...]:
    """What was measured of a run's networks, in the order it was; none when nothing was.

    Args:
        directory: Of the run.
        names: Of the quantities that the run has.
        genes: How many each row must have.

    Raises:
        FileFormatError: A whole line is no such measurement; names the line.
    """
    path = directory / FINALISTS
    found = []
    for number, line in enumerate(whole_lines(path), start=1):
        finalist = _parse(line, f"{path}, line {number}")
        if len(finalist.genes) != genes or finalist.quantity not in names:
            raise FileFormatError(
                f"{path}, line {number} is of another run: {finalist.quantity} of "
                f"{len(finalist.genes)} genes. Delete the file and measure again."
            )
        found.append(finalist)
    return tuple(found)


def append_finalists(directory: Path, finalists: Sequence[Finalist]) -> None:
    """Add measurements to a run's log; the caller holds the lock of the directory.

    Raises:
        StorageError: There was no room; the log is as it was before.
    """
    path = directory / FINALISTS
    text = b"".join(
        json.dumps(files.to_plain(one), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        for one in finalists
    )
    whole = sum(len(line) + 1 for line in whole_lines(path))
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _write(handle, text, whole)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageError(
            f"{path} could not be written ({error.strerror}); everything measured before is kept. "
            "Free space, then run the same command again."
        ) from error


def measured_values(
    genes: IntArray, finalists: Sequence[Finalist]
) -> Mapping[str, tuple[FloatArray, FloatArray]]:
    """What was measured, in the order of a run's evaluations; the latest where it was again.

    Args:
        genes: Of each evaluation, shape (evaluations, genes).
        finalists: The measurements; those of other rows are left out.

    Returns:
        By quantity, values and standard errors, each of shape (evaluations,); NaN where nothing
        was measured.
    """
    wanted = {one.genes for one in finalists}
    rows = map(tuple, genes.tolist()) if wanted else ()
    position = {row: index for index, row in enumerate(rows) if row in wanted}
    found: dict[str, tuple[FloatArray, FloatArray]] = {}
    for one in finalists:
        if one.genes not in position:
            continue
        empty = np.full(len(genes), np.nan), np.full(len(genes), np.nan)
        values, stds = found.setdefault(one.quantity, empty)
        values[position[one.genes]], stds[position[one.genes]] = one.value, one.std
    return found


def _write(handle: int, text: bytes, whole: int) -> None:
    """Put text behind the whole lines of a file, all of it or none."""
    os.ftruncate(handle, whole)
    os.lseek(handle, whole, os.SEEK_SET)
    left = memoryview(text)
    try:
        while left:
            left = left[os.write(handle, left) :]
    except OSError:
        os.ftruncate(handle, whole)
        raise


def _parse(line: bytes, where: str) -> Finalist:
    try:
        content: Any = json.loads(line)
    except ValueError as error:
        raise FileFormatError(f"{where} is not JSON; {_MEND}") from error
    finalist = files.parse(content, Finalist, source=where)
    if not (0 < finalist.value < math.inf and 0 <= finalist.std < math.inf):
        raise FileFormatError(
            f"{where} says that {finalist.quantity} is {finalist.value} ± {finalist.std}; {_MEND}"
        )
    return finalist


_MEND = "delete the file and measure again."
