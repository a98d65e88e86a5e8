"""Commands as child processes whose output is handed over line by line."""

import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hwnas.errors import TransportError

STDERR_TAIL = 2000
"""Characters of an error message that are shown."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        status: Its exit status, negative for the signal that killed it.
        stderr: The end of what it wrote to standard error.
        late: Whether it was stopped for taking too long.
    """

    status: int
    stderr: str
    late: bool

    @property
    def outcome(self) -> str:
        """The status in words, with what was written to standard error."""
        how = f"was killed by signal {-self.status}"
        if self.status >= 0:
            how = f"failed with status {self.status}"
        return f"{how}: {self.stderr or 'it wrote nothing to standard error.'}"


def stream(
    argv: Sequence[str],
    *,
    timeout_s: float,
    on_line: Callable[[str], None],
    cwd: Path | None = None,
) -> Ended:
    """Run a command, handing over each line of its output at once.

    Its standard input is a pipe that stays open while the command is wanted: its end tells the
    command that nobody listens any more, even when this process was killed.

    Args:
        argv: The command.
        timeout_s: After which it is killed.
        on_line: Gets each line without its end; what it raises stops the command.
        cwd: Where it runs.

    Raises:
        TransportError: It could not be started.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start(argv, errors, cwd)
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout_s, stop)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                on_line(line.rstrip("\n"))
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.communicate()
        return Ended(status, _tail(errors), late.is_set())


def capture(argv: Sequence[str], *, timeout_s: float) -> tuple[bytes, Ended]:
    """Run a short command without input; what it wrote, and how it ended.

    Raises:
        TransportError: It could not be started.
    """
    # a file, not a pipe: what the command leaves running may keep it open
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            return error.stdout or b"", Ended(-9, _tail(errors), late=True)
        except OSError as error:
            raise _unstartable(argv, error) from error
        return done.stdout, Ended(done.returncode, _tail(errors), late=False)


def _start(argv: Sequence[str], errors: IO[bytes], cwd: Path | None) -> "subprocess.Popen[str]":
    try:
        return subprocess.Popen(
            list(argv), cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise _unstartable(argv, error) from error


def _unstartable(argv: Sequence[str], error: OSError) -> TransportError:
    return TransportError(f"{argv[0]} could not be started: {error.strerror}.")


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace").strip()[-STDERR_TAIL:]
