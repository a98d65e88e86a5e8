"""The log of a search: one line an evaluation, appended as it is made, and who may write it.

A line is written whole or cut back, so a process may be killed at any byte: what stands before
the last newline is true. Nothing in a line depends on when or how often the search was stopped.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from hwnas.errors import FileFormatError, RunInUseError, StorageError


@dataclass(frozen=True, slots=True)
class Record:
    """One evaluation.

    Attributes:
        genes: The canonical row.
        values: By objective name; None where a broken budget made the evaluation needless.
    """

    genes: tuple[int, ...]
    values: Mapping[str, float | None]

    @property
    def complete(self) -> bool:
        """Whether every value was obtained."""
        return None not in self.values.values()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes from writing to a run directory for as long as the block lasts.

    The kernel frees the lock when the process ends, however it ends.

    Raises:
        RunInUseError: Another process holds it; names its process id.
        StorageError: The lock file cannot be written.
    """
    path = directory / "lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise RunInUseError(
                f"{directory} is being written by another process (id {holder}); wait until it "
                "ends, or stop it and run `hwnas resume`."
            ) from error
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise _unwritable(path, error) from error
        yield
    finally:
        os.close(handle)


def read(path: Path, names: Sequence[str], *, genes: int) -> list[Record]:
    """The evaluations in a log, in order; none when there is no log yet.

    A last line without a newline is one that a kill or another process's write cut short: it
    is left out.

    Args:
        path: The log.
        names: Of the values that each line must have.
        genes: How many each row must have.

    Raises:
        FileFormatError: A whole line is not an evaluation of this run; names the line.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from error
    lines = content.split(b"\n")[:-1]
    return [_parse(line, i, path, names, genes) for i, line in enumerate(lines)]


class LogWriter:
    """Appends evaluations; a context manager. The caller holds the lock of the directory.

    Opening cuts off a last line that was not written whole.

    Raises:
        StorageError: The log cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            whole = _whole_length(path.read_bytes())
            os.ftruncate(self._handle, whole)
            os.lseek(self._handle, whole, os.SEEK_SET)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._length = whole

    def append(self, records: Sequence[Record], *, first: int) -> None:
        """Write evaluations; all of them or none.

        Args:
            records: In the order they were proposed.
            first: Index of the first of them in the run.

        Raises:
            StorageError: There was no room; the log is as it was before.
        """
        text = b"".join(_line(record, first + i) for i, record in enumerate(records))
        left = memoryview(text)
        try:
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            os.ftruncate(self._handle, self._length)
            os.lseek(self._handle, self._length, os.SEEK_SET)
            raise _unwritable(self._path, error) from error
        self._length += len(text)

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._handle)


def _line(record: Record, index: int) -> bytes:
    content = {"index": index, "genes": list(record.genes), "values": dict(record.values)}
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _parse(line: bytes, index: int, path: Path, names: Sequence[str], genes: int) -> Record:
    try:
        content: Any = json.loads(line)
    except ValueError as error:
        raise _damaged(path, index, "is not JSON") from error
    if not isinstance(content, dict) or set(content) != {"index", "genes", "values"}:
        raise _damaged(path, index, "is not an evaluation")
    if content["index"] != index:
        raise _damaged(path, index, f"has index {content['index']}, expected {index}")
    row, values = content["genes"], content["values"]
    if not isinstance(row, list) or len(row) != genes or not all(type(g) is int for g in row):
        raise _damaged(path, index, f"does not have {genes} genes")
    if not isinstance(values, dict) or set(values) != set(names):
        raise _damaged(path, index, f"does not have exactly the values {', '.join(names)}")
    if not all(value is None or type(value) in (int, float) for value in values.values()):
        raise _damaged(path, index, "has a value that is not a number")
    return Record(tuple(row), {name: _number(values[name]) for name in names})


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _damaged(path: Path, index: int, what: str) -> FileFormatError:
    return FileFormatError(
        f"{path}, line {index + 1} {what}: the log was changed after it was written. Restore it, "
        "or cut it off before that line and run `hwnas resume`."
    )


def _whole_length(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} could not be written ({error.strerror}); everything recorded before is kept. "
        "Free space, then run `hwnas resume`."
    )
