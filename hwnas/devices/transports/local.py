"""This machine as a device: commands are child processes in a folder of their own."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from hwnas.devices.descriptor import Device
from hwnas.devices.transports._process import stream
from hwnas.errors import InputError, StorageError, TransportError


def create(device: Device, workdir: Path) -> "LocalTransport":
    """A transport to this machine; it has no options.

    Raises:
        InputError: The device file gives options.
    """
    if device.options:
        raise InputError(
            f"Device {device.name}: transport local knows no options; remove "
            f"{', '.join(device.options)}."
        )
    return LocalTransport(workdir)


def reachable(device: Device) -> str | None:
    """None when the Python command of the device file can be started here."""
    if device.python and shutil.which(device.python[0]) is None:
        return (
            f"Device {device.name}: there is no command {device.python[0]!r} on this machine; "
            "correct python in its file."
        )
    return None


class LocalTransport:
    """Files are copied to, and commands run in, ``workdir``.

    A command's standard input stays open while it is wanted, as `stream` says.
    """

    def __init__(self, workdir: Path) -> None:
        self._workdir = workdir.resolve()

    def push(self, files: Sequence[Path]) -> None:
        """Copy files into the working directory, replacing those of the same name."""
        try:
            self._workdir.mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copyfile(file, self._workdir / file.name)
        except OSError as error:
            raise StorageError(
                f"{error.filename2 or error.filename or self._workdir} could not be written "
                f"({error.strerror}): free space, then run the same command again."
            ) from error

    def run(self, argv: Sequence[str], *, timeout_s: float, on_line: Callable[[str], None]) -> None:
        """Run a command in the working directory, handing over each line of its output at once.

        Raises:
            TransportError: It could not be started, failed, or took longer than ``timeout_s``.
        """
        ended = stream(argv, timeout_s=timeout_s, on_line=on_line, cwd=self._workdir)
        if ended.late:
            raise TransportError(f"{argv[0]} took longer than {timeout_s:g} s and was stopped.")
        if ended.status != 0:
            raise TransportError(f"{argv[0]} {ended.outcome}")

    def pull(self, name: str) -> bytes | None:
        """Content of a file in the working directory; None when there is no such file."""
        path = self._workdir / name
        return path.read_bytes() if path.is_file() else None

    def remove(self, names: Sequence[str]) -> None:
        """Delete files from the working directory; missing ones are no error."""
        for name in names:
            (self._workdir / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Delete the working directory."""
        shutil.rmtree(self._workdir, ignore_errors=True)
