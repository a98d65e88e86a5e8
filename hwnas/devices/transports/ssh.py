"""A device reached by the user's own ``ssh`` and ``scp``, with their settings, keys, known hosts.

Options of the device file are the fields of `Options`.
"""

import contextlib
import os
import re
import shlex
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwnas import files
from hwnas.devices.descriptor import Device
from hwnas.devices.transports._process import Ended, capture
from hwnas.devices.transports._remote import RemoteTransport, work_folder
from hwnas.errors import ConnectionLostError, FileFormatError, TransportError

_HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.+-]*@)?[A-Za-z0-9_:][A-Za-z0-9_.:%-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]*")
_SHORT_FOLDER = re.compile(r"[A-Za-z0-9_./-]{1,60}")  # a socket's path has room for about 100
_CONNECT_S = 20.0
_LEAVE_S = 5.0
_BROKEN = 255  # exit status of ssh itself; `_portable` keeps commands from ending with it
_SETTINGS = {
    "BatchMode": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ControlMaster": "auto",
    # as long as this side may be busy between two commands; also how long the connection
    # outlives a client that was killed
    "ControlPersist": "15",
}

_REASONS: tuple[tuple[str, type[TransportError], str], ...] = (
    (
        r"IDENTIFICATION HAS CHANGED",
        TransportError,
        "shows another host key than the one that is known: if it was set up anew, delete the old "
        "key ({forget}), then compare and confirm the new one once with: {by_hand}.",
    ),
    (
        r"Host key verification failed",
        TransportError,
        "shows a host key that is not known here: compare and confirm it once with: {by_hand}.",
    ),
    (
        r"configuration option|Bad owner|Can't open|no matching|bad permissions|argument",
        TransportError,
        "cannot be reached with these keys and settings of ssh ({line}): {by_hand}.",
    ),
    (
        r"Permission denied|Too many authentication failures",
        TransportError,
        "accepts no key that ssh has ({line}): name one with options.identity_file, or copy one "
        "there with ssh-copy-id, until this works without a question: {by_hand}.",
    ),
    (
        r"Could not resolve hostname",
        ConnectionLostError,
        "has a host name that is not known ({line}): correct options.host in its file.",
    ),
    (
        r"Connection refused",
        ConnectionLostError,
        "has no ssh server running ({line}): start it there, or correct options.port.",
    ),
    (
        r"timed out|No route to host|unreachable|not responding",
        ConnectionLostError,
        "does not answer ({line}): is it on, and in the same network?",
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """What ``[options]`` of a device file may say.

    Attributes:
        host: An alias of the user's ssh configuration, a host name or address, or user@host.
        port: Of the ssh server; None for what the configuration says, else 22.
        user: Likewise.
        identity_file: A private key to use; empty for those that ssh finds.
        config_file: Instead of the user's own ssh configuration.
        workdir: Folder on the device below which a working folder is made.
    """

    host: str
    port: int | None = None
    user: str = ""
    identity_file: str = ""
    config_file: str = ""
    workdir: str = ".cache"

    __pydantic_config__ = files.STRICT


def create(device: Device, workdir: Path) -> RemoteTransport:
    """A transport to a device; connects when it is first used.

    Raises:
        FileFormatError: An option is unknown, missing, or cannot be what it should.
    """
    options = _options(device)
    return RemoteTransport(
        device, SshShell(device.name, options), work_folder(device, workdir, default=".cache")
    )


def reachable(device: Device) -> str | None:
    """None when commands can be run on the device now, else one sentence that says why not."""
    shell = SshShell(device.name, _options(device))
    try:
        _, ended = capture(shell.argv("exit 0"), timeout_s=_CONNECT_S)
        ended = shell.there(ended)
    except TransportError as error:
        return str(error)
    finally:
        shell.close()
    if ended.late:
        return f"Device {device.name} does not answer within {_CONNECT_S:g} s."
    if ended.status != 0:
        return f"Device {device.name} runs no commands: sh there {ended.outcome}"
    return None


class SshShell:
    """A way to ``sh`` on a device over one connection, which all commands share; a `Shell`.

    Args:
        device: Its name, for errors.
        options: How it is reached.
    """

    def __init__(self, device: str, options: Options) -> None:
        self._device = device
        self._host = options.host
        self._sftp: bool | None = None
        self._ways = _ways(options)
        folder = tempfile.gettempdir()
        sockets = tempfile.mkdtemp(
            prefix="hwnas-ssh-", dir=folder if _SHORT_FOLDER.fullmatch(folder) else "/tmp"
        )
        settings = {**_SETTINGS, "ControlPath": f"{sockets}/s"}
        self._settings = [word for pair in settings.items() for word in ("-o", "=".join(pair))]
        leave = self._command("ssh", "-O", "exit")
        self._give_up = weakref.finalize(self, _give_up, leave, sockets)

    def argv(self, script: str) -> Sequence[str]:
        """The command on this machine that runs a script in the device's ``sh``."""
        return [*self._command("ssh"), _portable(script)]

    def upload(self, files: Sequence[Path], folder: str) -> Sequence[str]:
        """The command on this machine that copies files into a folder on the device."""
        protocol = [] if self._has_sftp() else ["-O"]
        user, at, host = self._host.rpartition("@")
        target = f"{user}{at}[{host}]" if ":" in host else self._host
        settings = [*self._ways, *self._settings]
        sources = [str(file.resolve()) for file in files]  # which no host name begins
        return ["scp", *protocol, *settings, "--", *sources, f"{target}:{folder}/"]

    def there(self, ended: Ended) -> Ended:
        """How a script ended on the device, which ssh says by its own exit status."""
        lost = self.explain(ended)
        if lost is not None:
            raise lost
        return ended

    def explain(self, ended: Ended) -> TransportError | None:
        """Why the device was not reached; None when the command was, and ended so there."""
        if ended.late:
            return None
        if ended.status < 0:
            return self._lost(f"ssh on this machine was killed by signal {-ended.status}")
        if ended.status != _BROKEN:
            return None
        lines = ended.stderr.splitlines()
        for pattern, kind, sentence in _REASONS:
            line = next((line for line in lines if re.search(pattern, line)), None)
            if line is not None:
                said = sentence.format(
                    line=line.removeprefix("ssh: "),
                    forget=self._forget(ended.stderr),
                    by_hand=shlex.join(["ssh", *self._ways, self._host]),
                )
                return kind(f"Device {self._device} {said}")
        return self._lost(lines[-1] if lines else "ssh does not say why")

    def close(self) -> None:
        """Give the connection up."""
        self._give_up()

    def _has_sftp(self) -> bool:
        """Whether the device speaks what scp speaks by default; small ssh servers do not.

        Raises:
            TransportError: The device was not reached.
        """
        if self._sftp is None:
            _, asked = capture([*self._command("ssh", "-s"), "sftp"], timeout_s=_CONNECT_S)
            if asked.status != 0:  # also when the connection is broken
                self.there(capture(self.argv("exit 0"), timeout_s=_CONNECT_S)[1])
            self._sftp = asked.status == 0
        return self._sftp

    def _command(self, program: str, *flags: str) -> list[str]:
        return [program, *flags, *self._ways, *self._settings, "--", self._host]

    def _lost(self, why: str) -> ConnectionLostError:
        return ConnectionLostError(
            f"The connection to device {self._device} ({self._host}) broke: {why}."
        )

    def _forget(self, stderr: str) -> str:
        told = re.search(r"ssh-keygen -f .+ -R .+", stderr)
        return told.group() if told else f"ssh-keygen -R {self._host.rpartition('@')[2]}"


def _options(device: Device) -> Options:
    source = f"Device {device.name}: options"
    options = files.parse(dict(device.options), Options, source=source)
    if not _HOST.fullmatch(options.host):
        raise FileFormatError(
            f"{source}.host is {options.host!r}; expected a host name, an address, an alias of "
            "your ssh configuration, or user@host."
        )
    if options.user and not _USER.fullmatch(options.user):
        raise FileFormatError(f"{source}.user is {options.user!r}, which is no user name.")
    if options.user and "@" in options.host:
        raise FileFormatError(f"{source} name a user twice, in host and in user; remove one.")
    if options.port is not None and not 0 < options.port < 2**16:
        raise FileFormatError(f"{source}.port is {options.port}; expected 1 to 65535.")
    for key in ("identity_file", "config_file"):
        path = getattr(options, key)
        if path and not Path(_expanded(path)).is_file():
            raise FileFormatError(f"{source}.{key} is {path!r}, and there is no such file.")
    return options


def _ways(options: Options) -> list[str]:
    """Arguments of ssh, and just so of scp, that say how a device is reached."""
    ways = []
    if options.config_file:
        ways += ["-F", _expanded(options.config_file)]
    if options.identity_file:
        key = re.sub(r'(["\\\\])', r"\\\1", _expanded(options.identity_file)).replace("%", "%%")
        ways += ["-o", f'IdentityFile="{key}"', "-o", "IdentitiesOnly=yes"]
    if options.port is not None:
        ways += ["-o", f"Port={options.port}"]
    if options.user:
        ways += ["-o", f"User={options.user}"]
    return ways


def _portable(script: str) -> str:
    """A command that runs a script in ``sh``, whatever shell the user logs in to.

    Shells differ in what they find special between single quotes (fish: backslashes; csh:
    exclamation marks and line ends), so such bytes travel as octal numbers. The command never
    ends with the status by which ssh says that it failed itself, nor by a signal, which ssh
    reports in the same way.
    """
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\!" else f"\\0{byte:03o}"
        for byte in f"({script}\n); s=$?; [ $s != {_BROKEN} ] || s={_BROKEN - 1}; exit $s".encode()
    )
    return f"""exec sh -c 'eval "$(printf %b "$1")"' sh '{plain}'"""


def _expanded(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111  # pathlib raises for an unknown ~user


def _give_up(leave: Sequence[str], sockets: str) -> None:
    """Close a shared connection; what does not answer ends by itself soon."""
    if Path(sockets, "s").exists():
        with contextlib.suppress(TransportError):
            capture(leave, timeout_s=_LEAVE_S)
    shutil.rmtree(sockets, ignore_errors=True)
