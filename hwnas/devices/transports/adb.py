"""A phone or board reached by the user's own ``adb``: its keys and its server are used as they are.

Options of the device file are the fields of `Options`. Where the adb server listens is left to
adb's environment variables.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwnas import files
from hwnas.devices.descriptor import Device
from hwnas.devices.transports._process import Ended, capture
from hwnas.devices.transports._remote import RemoteTransport, work_folder
from hwnas.errors import ConnectionLostError, FileFormatError, TransportError

_DEFAULT_FOLDER = "/data/local/tmp"  # the one place where adb's user may write and execute
_SERIAL = re.compile(r"(?!-)[!-~]{1,200}")
_ADB_S = 20.0  # for adb to answer, with its server's start
_SHIFTED = {96: 0, 97: 1, 98: 255}
"""Exit statuses on this side that stand for others on the device.

adb itself ends with 0 when the device goes while a command runs, and with 1 or 255 when it does
not come so far: a script that ended on the device never shows these.
"""

_STATES: Mapping[str, tuple[type[TransportError], str]] = {
    "offline": (
        ConnectionLostError,
        "is offline: unlock it, or plug it in again, until 'adb devices' says 'device' of it.",
    ),
    "unauthorized": (
        TransportError,
        "has not authorised this computer: unlock it and accept the question about USB debugging "
        "on its screen; if none is shown, revoke all USB debugging authorisations in its developer "
        "options and plug it in again.",
    ),
    "no permissions": (
        TransportError,
        "may not be used by this user of this computer: let udev rules allow it (Debian and "
        "Ubuntu: package android-sdk-platform-tools-common and group plugdev).",
    ),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What ``[options]`` of a device file may say.

    Attributes:
        serial: Which of several devices, as ``adb devices`` lists it; such as ``host:port`` is
            connected to when it is not listed. Empty for the only one, or ``ANDROID_SERIAL``.
        workdir: Folder on the device below which a working folder is made.
    """

    serial: str = ""
    workdir: str = _DEFAULT_FOLDER

    __pydantic_config__ = files.STRICT


def create(device: Device, workdir: Path) -> RemoteTransport:
    """A transport to a device; looks for it when it is first used.

    Raises:
        FileFormatError: An option is unknown, or cannot be what it should.
    """
    shell = AdbShell(device.name, _options(device))
    return RemoteTransport(device, shell, work_folder(device, workdir, default=_DEFAULT_FOLDER))


def reachable(device: Device) -> str | None:
    """None when commands can be run on the device now, else one sentence that says why not."""
    shell = AdbShell(device.name, _options(device))
    try:
        _, ended = capture(shell.argv("exit 0"), timeout_s=_ADB_S)
        ended = shell.there(ended)
    except TransportError as error:
        return str(error)
    if ended.late or ended.status != 0:
        return f"Device {device.name} runs no commands: sh there {ended.outcome}"
    return None


class AdbShell:
    """A way to ``sh`` on a device; a `Shell`.

    Args:
        device: Its name, for errors.
        options: Which it is.
    """

    def __init__(self, device: str, options: Options) -> None:
        self._device = device
        self._serial = options.serial or os.environ.get("ANDROID_SERIAL", "")
        self._ready = False

    def argv(self, script: str) -> Sequence[str]:
        """The command on this machine that runs a script in the device's ``sh``."""
        shifts = " ".join(f"{there}) s={here};;" for here, there in _SHIFTED.items())
        taken = "|".join(map(str, _SHIFTED))
        shifted = f"s=$?; case $s in {shifts} {taken}) s={min(_SHIFTED) - 1};; esac; exit $s"
        return (*self._adb(), "shell", "-T", f"({script}\n); {shifted}")

    def upload(self, files: Sequence[Path], folder: str) -> Sequence[str]:
        """The command on this machine that copies files into a folder on the device."""
        return (*self._adb(), "push", *(str(file.resolve()) for file in files), f"{folder}/")

    def there(self, ended: Ended) -> Ended:
        """How a script ended on the device, from how the command of `argv` ended here."""
        if ended.status in _SHIFTED:
            return replace(ended, status=_SHIFTED[ended.status])
        if ended.late or ended.status < 0 or ended.status in _SHIFTED.values():
            lost = self._lost(ended)
            if lost is not None:
                raise lost
        return ended

    def explain(self, ended: Ended) -> TransportError | None:
        """Why the device was not reached; None when it was the device that refused a file."""
        return None if ": remote " in ended.stderr else self._lost(ended)

    def close(self) -> None:
        """Nothing to do: the server of adb belongs to the user."""

    def _adb(self) -> Sequence[str]:
        """The beginning of a command for the device, after a look whether it can be used."""
        if not self._ready:
            self._serial = self._find()
            self._ready = True
        return ("adb", "-s", self._serial)

    def _lost(self, ended: Ended) -> TransportError | None:
        """What became of the connection; None when a command was only slow."""
        self._ready = False
        try:
            self._adb()
        except TransportError as error:
            return error
        if ended.late:
            return None
        why = ended.stderr or "adb does not say why"
        if ended.status < 0:
            why = f"adb on this machine was killed by signal {-ended.status}"
        return ConnectionLostError(
            f"The connection to device {self._device} ({self._serial}) broke: {why.rstrip('.')}."
        )

    def _find(self) -> str:
        """The serial number of the device, which can be used now."""
        states = self._states()
        if ":" in self._serial and self._serial not in states:
            capture(("adb", "connect", self._serial), timeout_s=_ADB_S)
            states = self._states()
        serial = self._serial or self._only(states)
        if serial not in states:
            raise ConnectionLostError(
                f"Device {self._device}: adb does not see {serial!r}; it sees "
                f"{_listed(states) or 'no device'}. Plug it in, or correct options.serial in its "
                "file."
            )
        state = states[serial]
        if state != "device":
            # a phone that asks is for moments "authorizing"
            word = "unauthorized" if state == "authorizing" else state
            known = next((_STATES[name] for name in _STATES if word.startswith(name)), None)
            kind, sentence = known or (
                ConnectionLostError,
                f"is in the state {state!r}; expected 'device': start Android on it.",
            )
            raise kind(f"Device {self._device} ({serial}) {sentence}")
        if "shell_v2" not in self._ask("-s", serial, "features").split():
            raise TransportError(
                f"Device {self._device} ({serial}) does not tell how its commands end; expected "
                "Android 7 or later."
            )
        return serial

    def _only(self, states: Mapping[str, str]) -> str:
        if not states:
            raise ConnectionLostError(
                f"Device {self._device}: adb sees no device; plug it in, switch on USB debugging "
                "in its developer options, until 'adb devices' lists it."
            )
        if len(states) > 1:
            raise TransportError(
                f"Device {self._device}: adb sees several devices, {_listed(states)}; say which "
                "with options.serial in its file."
            )
        return next(iter(states))

    def _states(self) -> Mapping[str, str]:
        """The state of each attached device, by its serial number."""
        lines = self._ask("devices").splitlines()
        pairs = (line.split("\t", 1) for line in lines if "\t" in line)
        return {serial: state.strip() for serial, state in pairs}

    def _ask(self, *words: str) -> str:
        if shutil.which("adb") is None:
            raise TransportError(
                f"Device {self._device} is reached by adb, which is not installed on this "
                "machine: install Android's platform-tools (Debian and Ubuntu: package adb)."
            )
        content, ended = capture(("adb", *words), timeout_s=_ADB_S)
        if ended.late:
            raise TransportError(f"adb {words[-1]} did not answer within {_ADB_S:g} s.")
        if ended.status != 0:
            raise ConnectionLostError(f"adb {words[-1]} {ended.outcome}")
        return content.decode(errors="replace")


def _listed(states: Mapping[str, str]) -> str:
    return ", ".join(f"{serial} ({state})" for serial, state in sorted(states.items()))


def _options(device: Device) -> Options:
    source = f"Device {device.name}: options"
    options = files.parse(dict(device.options), Options, source=source)
    if options.serial and not _SERIAL.fullmatch(options.serial):
        raise FileFormatError(
            f"{source}.serial is {options.serial!r}; expected one that 'adb devices' lists."
        )
    return options
