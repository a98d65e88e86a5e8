"""Evaluations in columns, and each as a line of JSON: what a search writes and reads."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import FileFormatError
from hwnas.pareto import BoolArray

_KEYS = {"index", "genes", "values"}
_OPTIONAL = {"std", "partial", "stopped", "failed"}


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Evaluations, in the order in which they were proposed.

    Attributes:
        genes: Canonical rows, shape (evaluations, genes).
        values: By name, each of shape (evaluations,); NaN where a broken budget made the
            evaluation needless, or where it failed.
        stds: By name, the standard deviations that estimators stated, each of shape
            (evaluations,); NaN where there is none. Names without any may be missing.
        failures: Why evaluations failed, by their position.
        partial: What was found at fidelities below the full one, by
            `hwnas.search.halving.partial_name`, each of shape (evaluations,); NaN where nothing.
        stopped: Of those that extrapolation stopped, the last ``fidelity``, the ``chance`` of
            belonging to the front, and the full value that was foreseen of each expensive
            objective, by its name; each of shape (evaluations,), NaN for the others.
    """

    genes: IntArray
    values: dict[str, FloatArray]
    stds: dict[str, FloatArray] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    partial: dict[str, FloatArray] = field(default_factory=dict)
    stopped: dict[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.genes)

    @property
    def complete(self) -> BoolArray:
        """Which evaluations have every value, shape (evaluations,)."""
        return np.asarray(~np.isnan(np.stack(list(self.values.values()))).any(axis=0))

    def part(self, start: int, stop: int) -> "Records":
        """The evaluations from one position up to another, which is not included."""
        return Records(
            self.genes[start:stop],
            {name: column[start:stop] for name, column in self.values.items()},
            {name: column[start:stop] for name, column in self.stds.items()},
            {i - start: why for i, why in self.failures.items() if start <= i < stop},
            {name: column[start:stop] for name, column in self.partial.items()},
            {name: column[start:stop] for name, column in self.stopped.items()},
        )


def joined(parts: Sequence[Records], like: Records) -> Records:
    """Evaluations one after another, with the deviations of those names that have any.

    Args:
        parts: In order.
        like: With the same genes and names, where there are no parts.
    """
    parts = [part for part in parts if len(part)] or [like.part(0, 0)]
    failures: dict[int, str] = {}
    start = 0
    for part in parts:
        failures |= {start + i: reason for i, reason in part.failures.items()}
        start += len(part)
    return Records(
        np.concatenate([part.genes for part in parts]),
        {name: np.concatenate([part.values[name] for part in parts]) for name in like.values},
        _concatenated([part.stds for part in parts], list(map(len, parts))),
        failures,
        _concatenated([part.partial for part in parts], list(map(len, parts))),
        _concatenated([part.stopped for part in parts], list(map(len, parts))),
    )


def _concatenated(
    parts: Sequence[dict[str, FloatArray]], lengths: Sequence[int]
) -> dict[str, FloatArray]:
    """Columns one after another, of all names that have a number anywhere."""
    names = dict.fromkeys(n for part in parts for n, c in part.items() if not np.isnan(c).all())
    empty = [np.full(length, np.nan) for length in lengths]
    pairs = list(zip(parts, empty, strict=True))
    return {name: np.concatenate([part.get(name, none) for part, none in pairs]) for name in names}


def row_texts(genes: IntArray) -> list[str]:
    """Each row as its numbers with commas between them, for all rows at once."""
    if genes.size == 0:
        return [""] * len(genes)
    if genes.min() < 0:
        return json.dumps(genes.tolist(), separators=(",", ":"))[2:-2].split("],[")
    # as an array of characters: a call for each number would take longer than the whole search
    widths = np.array([len(str(largest)) for largest in genes.max(axis=0)])
    ends = np.cumsum(widths + 1) - 1
    text = np.full((len(genes), ends[-1] + 1), ord(","), dtype=np.uint8)
    text[:, -1] = ord("\n")
    text[:, ends - 1] = genes % 10 + ord("0")
    for column in np.flatnonzero(widths > 1):
        for place in range(2, widths[column] + 1):
            left = genes[:, column] // 10 ** (place - 1)
            text[:, ends[column] - place] = np.where(left > 0, left % 10 + ord("0"), ord(" "))
    return text.tobytes().replace(b" ", b"").decode().splitlines()


def to_lines(records: Records, *, first: int) -> bytes:
    """Evaluations as lines of JSON.

    Args:
        records: What to write.
        first: Index of the first of them in the log.
    """
    if len(records) == 0:
        return b""
    columns = [_numbers(column) for column in records.values.values()]
    names = ",".join(f"{_quoted(name)}:%s" for name in records.values)
    template = '{"index":%d,"genes":[%s],"values":{' + names + "}%s}\n"
    rows = zip(
        range(first, first + len(records)), row_texts(records.genes), *columns, _tails(records),
        strict=True,
    )  # fmt: skip
    return "".join([template % row for row in rows]).encode()


def from_lines(lines: Sequence[bytes], names: Sequence[str], *, genes: int, source: str) -> Records:
    """Evaluations from lines of JSON.

    Args:
        lines: Whole lines.
        names: Of the values that each line must have.
        genes: How many each row must have.
        source: Of the lines, for errors.

    Raises:
        FileFormatError: A line is not an evaluation of this run; names the line.
    """
    contents = _loaded(lines, source)
    if not _sound(contents, names, genes):
        for index, content in enumerate(contents):
            _check(content, index, names, genes, source)
    return Records(
        np.array([content["genes"] for content in contents], dtype=np.int64).reshape(-1, genes),
        {n: np.array([c["values"][n] for c in contents], dtype=np.float64) for n in names},
        _columns([content.get("std", {}) for content in contents]),
        {i: content["failed"] for i, content in enumerate(contents) if "failed" in content},
        _columns([content.get("partial", {}) for content in contents]),
        _columns([content.get("stopped", {}) for content in contents]),
    )


def _columns(stated: Sequence[dict[str, float]]) -> dict[str, FloatArray]:
    """Numbers by name, which few lines or none may have."""
    names = dict.fromkeys(chain.from_iterable(stated))
    return {
        name: np.array([each.get(name, np.nan) for each in stated], dtype=np.float64)
        for name in names
    }


def _numbers(column: FloatArray) -> list[str]:
    """Numbers as JSON writes them, which reads them back to the last digit."""
    texts = list(map(repr, column.tolist()))
    for i in np.flatnonzero(np.isnan(column)).tolist():
        texts[i] = "null"
    return texts


def _tails(records: Records) -> list[str]:
    """What stands behind the values of each line, where there is anything."""
    tails = [""] * len(records)
    kinds = {"std": records.stds, "partial": records.partial, "stopped": records.stopped}
    for kind, columns in kinds.items():
        if not columns:
            continue
        parts: list[list[str]] = [[] for _ in range(len(records))]
        for name, column in columns.items():
            key, texts = _quoted(name), _numbers(column)
            for i in np.flatnonzero(~np.isnan(column)).tolist():
                parts[i].append(f"{key}:{texts[i]}")
        for i, part in enumerate(parts):
            tails[i] += f',"{kind}":{{{",".join(part)}}}' if part else ""
    for i, reason in records.failures.items():
        tails[i] += f',"failed":{_quoted(reason)}'
    return tails


def _quoted(text: str) -> str:
    return json.dumps(text)


def _loaded(lines: Sequence[bytes], source: str) -> list[Any]:
    try:
        found: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        found = []
    # one call is several times faster than one a line, which finds out where it goes wrong
    return found if len(found) == len(lines) else [_one(line, i, source) for i, line in
                                                   enumerate(lines)]  # fmt: skip


def _one(line: bytes, index: int, source: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise _damaged(source, index, "is not JSON") from error


def _sound(contents: Sequence[Any], names: Sequence[str], genes: int) -> bool:
    """Whether all lines pass `_check`, as far as can be said of all at once; False if in doubt."""
    if not all(type(content) is dict and content.keys() == _KEYS for content in contents):
        return False
    rows, values = [[content[key] for content in contents] for key in ("genes", "values")]
    if not (set(map(type, rows)) <= {list} and set(map(type, values)) <= {dict}):
        return False
    numbers = set(map(type, chain.from_iterable(each.values() for each in values)))
    return (
        [content["index"] for content in contents] == list(range(len(contents)))
        and set(map(len, rows)) <= {genes}
        and set(map(type, chain.from_iterable(rows))) <= {int}
        and all(each.keys() == set(names) for each in values)
        and numbers <= {int, float, type(None)}
    )


def _check(content: Any, index: int, names: Sequence[str], genes: int, source: str) -> None:
    if not isinstance(content, dict) or not _KEYS <= content.keys() <= _KEYS | _OPTIONAL:
        raise _damaged(source, index, "is not an evaluation")
    if content["index"] != index:
        raise _damaged(source, index, f"has index {content['index']}, expected {index}")
    row, values = content["genes"], content["values"]
    if not isinstance(row, list) or len(row) != genes or not all(type(g) is int for g in row):
        raise _damaged(source, index, f"does not have {genes} genes")
    if not isinstance(values, dict) or values.keys() != set(names):
        raise _damaged(source, index, f"does not have exactly the values {', '.join(names)}")
    if not all(value is None or type(value) in (int, float) for value in values.values()):
        raise _damaged(source, index, "has a value that is not a number")
    _check_optional(content, index, names, source)


def _check_optional(content: dict[str, Any], index: int, names: Sequence[str], source: str) -> None:
    stds = content.get("std", {})
    if not isinstance(stds, dict) or not stds.keys() <= set(names):
        raise _damaged(source, index, "has deviations of what it has no values of")
    if not all(type(std) in (int, float) and 0 <= std < math.inf for std in stds.values()):
        raise _damaged(source, index, "has a deviation that is not a number of 0 or more")
    for kind in ("partial", "stopped"):
        columns = content.get(kind, {})
        if not isinstance(columns, dict) or not {*map(type, columns.values())} <= {int, float}:
            raise _damaged(source, index, f"has {kind} values that are not numbers")
    if not isinstance(content.get("failed", ""), str):
        raise _damaged(source, index, "has a reason of failure that is no text")


def _damaged(source: str, index: int, what: str) -> FileFormatError:
    return FileFormatError(
        f"{source}, line {index + 1} {what}: the log was changed after it was written. Restore "
        "it, or cut it off before that line and run `hwnas resume`."
    )
