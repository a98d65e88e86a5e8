"""What devices at the other end of a shell have in common: quoting, working folder, time limits."""

import hashlib
import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from hwnas.devices.descriptor import Device
from hwnas.devices.transports._process import Ended, capture, stream
from hwnas.errors import FileFormatError, StorageError, TransportError

_SAFE_PATH = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SHORT_S = 60.0  # for a command that only looks or deletes
_BYTES_PER_S = 100_000  # the slowest connection that files are still sent over
_GRACE_S = 10.0  # between the limit on the device and the one on this side
_NAMES = 200  # at once: the script is one argument, which has a longest length
_MISSING = 44  # exit status of ours: there is no such file
_NO_FOLDER = 45  # exit status of ours: the working folder could not be made
_LATE = (124, 137, 143)  # exit statuses of timeout(1), and of what it killed
_SIGNALS = range(129, 193)  # what the shell makes of 1 to 64, the signals that kill commands

# The command is stopped when its time is up, when nobody holds this script's input open any more,
# and by the next one that runs here, which means that the connection to this one was lost. Its
# process is known to be ours by its working folder.
_SUPERVISED = """\
cd {folder} || exit {no_folder}
left=$(cat .running 2>/dev/null) && [ "$(readlink /proc/$left/cwd)" = "$(pwd -P)" ] && kill $left
exec 3<&0
if timeout -k 5 9 true 2>/dev/null
then timeout -k 5 {limit_s} {command} <&3 3<&- &
else {command} <&3 3<&- &
fi
command=$!
echo $command >.running
(trap 'kill -9 $!; exit' TERM; cat <&3 & wait $!; kill $command) >/dev/null 2>&1 &
watch=$!
wait $command
status=$?
kill $watch
exit $status"""


class Shell(Protocol):
    """A way to a POSIX shell on a device, by commands of this machine."""

    def argv(self, script: str) -> Sequence[str]:
        """The command on this machine that runs a script in the device's ``sh``."""

    def upload(self, files: Sequence[Path], folder: str) -> Sequence[str]:
        """The command on this machine that copies files into a folder on the device."""

    def there(self, ended: Ended) -> Ended:
        """How a script ended on the device, from how the command of `argv` ended here.

        Raises:
            TransportError: The device was not reached, or was lost meanwhile.
        """

    def explain(self, ended: Ended) -> TransportError | None:
        """Why an upload did not reach the device; None when the device refused it."""

    def close(self) -> None:
        """Give the connection up."""


class RemoteTransport:
    """Files are copied to, and commands run in, a folder of the device; see `Transport`.

    Every argument is quoted for the device's shell, so that it arrives as it is.

    Args:
        device: Whose name errors show.
        shell: The way there.
        folder: The working folder on the device, from `work_folder`.
    """

    def __init__(self, device: Device, shell: Shell, folder: str) -> None:
        self._device = device.name
        self._shell = shell
        self._folder = folder

    def push(self, files: Sequence[Path]) -> None:
        """Copy files into the working folder, replacing those of the same name."""
        for file in files:
            _check_name(file.name)
        made = f"mkdir -p {self._folder} && cd {self._folder} || exit {_NO_FOLDER}"
        self._look(made)
        if not files:
            return
        limit = _SHORT_S + sum(file.stat().st_size for file in files) / _BYTES_PER_S
        written, ended = capture(self._shell.upload(files, self._folder), timeout_s=limit)
        if not ended.stderr:  # adb says on standard output what went wrong
            ended = replace(ended, stderr=written.decode(errors="replace").strip())
        lost = None if ended.status == 0 and not ended.late else self._shell.explain(ended)
        if lost is not None:
            raise lost
        if ended.late:
            raise TransportError(
                f"Device {self._device}: sending {len(files)} files took longer than {limit:.0f} s."
            )
        if ended.status != 0:
            reason = next(iter(ended.stderr.splitlines()), f"status {ended.status}")
            raise StorageError(
                f"Device {self._device} did not take the files that were sent to {self._folder} "
                f"({reason}): free space there, then run the same command again."
            )

    def run(self, argv: Sequence[str], *, timeout_s: float, on_line: Callable[[str], None]) -> None:
        """Run a command in the working folder, handing over each line of its output at once.

        It ends on the device too when its time is up or this process is gone.

        Raises:
            ConnectionLostError: The device was lost; trying again may help.
            TransportError: The device refuses, or the command failed or took too long.
        """
        if any("\0" in word for word in argv):
            raise TransportError(f"{list(argv)!r} is no command: it has a null character.")
        script = _SUPERVISED.format(
            folder=self._folder, no_folder=_NO_FOLDER, limit_s=max(1, round(timeout_s)),
            command=shlex.join(argv),
        )  # fmt: skip
        start = time.monotonic()
        ended = stream(self._shell.argv(script), timeout_s=timeout_s + _GRACE_S, on_line=on_line)
        ended = self._shell.there(ended)
        if ended.late or (ended.status in _LATE and time.monotonic() - start >= timeout_s):
            raise TransportError(
                f"{argv[0]} on {self._device} took longer than {timeout_s:g} s and was stopped."
            )
        if ended.status in _SIGNALS:
            ended = replace(ended, status=128 - ended.status)
        if ended.status != 0:
            raise TransportError(f"{argv[0]} on {self._device} {ended.outcome}")

    def pull(self, name: str) -> bytes | None:
        """Content of a file in the working folder; None when there is no such file."""
        _check_name(name)
        path = f"{self._folder}/{name}"
        content, ended = self._shell_out(f"[ -f {path} ] || exit {_MISSING}; cat {path}")
        if ended.status == _MISSING:
            return None
        self._raise_if_failed(f"Reading {name}", ended)
        return content

    def remove(self, names: Sequence[str]) -> None:
        """Delete files from the working folder; missing ones are no error."""
        for name in names:
            _check_name(name)
        for start in range(0, len(names), _NAMES):
            listed = " ".join(f"{self._folder}/{name}" for name in names[start : start + _NAMES])
            self._look(f"rm -f {listed}")

    def close(self) -> None:
        """Delete the working folder and give the connection up."""
        self._look(f"rm -rf {self._folder}")
        self._shell.close()

    def _look(self, script: str) -> bytes:
        content, ended = self._shell_out(script)
        if ended.status == _NO_FOLDER:
            raise StorageError(
                f"Device {self._device}: the folder {self._folder} could not be made "
                f"({ended.stderr}); name one that can be written with options.workdir in its file."
            )
        self._raise_if_failed("A command", ended)
        return content

    def _shell_out(self, script: str) -> tuple[bytes, Ended]:
        content, ended = capture(self._shell.argv(script), timeout_s=_SHORT_S)
        return content, self._shell.there(ended)

    def _raise_if_failed(self, what: str, ended: Ended) -> None:
        if ended.late:
            raise TransportError(f"{what} on {self._device} took longer than {_SHORT_S:g} s.")
        if ended.status != 0:
            raise TransportError(f"{what} on {self._device} {ended.outcome}")


def work_folder(device: Device, workdir: Path, *, default: str) -> str:
    """A device's folder for one job: the same for the same folder of this machine.

    Args:
        device: Whose option ``workdir`` says below which folder.
        workdir: The job's folder on this machine.
        default: Where the device file says nothing.

    Raises:
        FileFormatError: The option is no path that is safe in a shell.
    """
    base = device.options.get("workdir", default)
    if not isinstance(base, str) or not _SAFE_PATH.fullmatch(base) or ".." in base.split("/"):
        raise FileFormatError(
            f"Device {device.name}: options.workdir is {base!r}; expected a path of letters, "
            "digits, '.', '_', '-' and '/'."
        )
    digest = hashlib.sha256(str(workdir.resolve()).encode()).hexdigest()[:16]
    return f"{base.rstrip('/')}/hwnas-{digest}"


def _check_name(name: str) -> None:
    if not _SAFE_NAME.fullmatch(name):
        raise TransportError(f"{name!r} is no file name that can be sent to a device.")
