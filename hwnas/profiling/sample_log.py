"""What the agent has reported so far, in a file that survives a kill at any byte."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwnas.errors import RunInUseError, StorageError

try:
    import fcntl
except ImportError:  # Windows: two profiles of one table are then not told apart
    fcntl = None  # type: ignore[assignment]


class SampleLog:
    """Lines of text, each written through at once.

    Attributes:
        lines: All whole lines of the file, in order.
    """

    def __init__(self, path: Path) -> None:
        """Open a log, cutting off a torn last line; StorageError when it cannot be written."""
        self._path = path
        try:
            self._file = path.open("a+b", buffering=0)
            self._file.seek(0)
            content = self._file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._file.truncate(len(whole))
        except OSError as error:
            raise _unwritable(path, error) from error
        self.lines = whole.decode(errors="replace").splitlines()

    def append(self, line: str) -> None:
        """Add a line; StorageError when it cannot be written, and then no part of it is kept."""
        content = line.encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            while content:  # a write that falls short is followed by one that says why
                content = content[self._file.write(content) :]
        except OSError as error:
            self._file.truncate(size)
            raise _unwritable(self._path, error) from error
        self.lines.append(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes; the hold ends with the process, however it ends.

    Raises:
        RunInUseError: Another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunInUseError(
                    f"Another process is profiling into {folder}; wait for it, or stop it."
                ) from error
        yield


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} could not be written ({error.strerror}); what was recorded is kept: free space, "
        "then run the same command again."
    )
