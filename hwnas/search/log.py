"""The log of a search: a line an evaluation, appended as it is made, and who may write it.

A line is written whole or cut back, so a process may be killed at any byte: what stands before
the last newline is true. Nothing in a line depends on when or how often the search was stopped.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from hwnas.errors import FileFormatError, RunInUseError, StorageError
from hwnas.search.records import Records, from_lines, to_lines

_SAME_COMMAND = "the same command again"  # trainings and measurements lock their folders too


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
        raise _unwritable(path, error, again=_SAME_COMMAND) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise RunInUseError(
                f"{directory} is being written by another process (id {holder}); wait until it "
                f"ends, or stop it, then run {_SAME_COMMAND}."
            ) from error
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise _unwritable(path, error, again=_SAME_COMMAND) from error
        yield
    finally:
        os.close(handle)


def read(path: Path, names: Sequence[str], *, genes: int) -> Records:
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
    return from_lines(whole_lines(path), names, genes=genes, source=str(path))


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a log that end with a newline; none when there is no log yet.

    Raises:
        FileFormatError: The log cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from error
    return content.split(b"\n")[:-1]


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

    def append(self, records: Records, *, first: int) -> None:
        """Write evaluations; all of them or none.

        Args:
            records: In the order they were proposed.
            first: Index of the first of them in the run.

        Raises:
            StorageError: There was no room; the log is as it was before.
        """
        text = to_lines(records, first=first)
        left = memoryview(text)
        try:
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            os.ftruncate(self._handle, self._length)
            os.lseek(self._handle, self._length, os.SEEK_SET)
            raise _unwritable(self._path, error) from error
        self._length += len(text)

    def clear(self) -> None:
        """Take all evaluations out again."""
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self._length = 0

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._handle)


def _whole_length(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def _unwritable(path: Path, error: OSError, again: str = "`hwnas resume`") -> StorageError:
    return StorageError(
        f"{path} could not be written ({error.strerror}); everything recorded before is kept. "
        f"Free space, then run {again}."
    )
