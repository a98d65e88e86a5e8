"""A real OpenSSH server on loopback, with keys and a client configuration of its own."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwnas.devices import Device

HOST = "board"
"""The alias that the client's configuration knows the server by."""


@dataclass
class Server:
    """A server that runs until its context ends.

    Attributes:
        folder: Of its keys, its configuration and its log.
        port: That it listens on, at 127.0.0.1 alone.
        config: The client's ssh configuration, for ``options.config_file``.
        command: That starts it.
        process: The listening server.
    """

    folder: Path
    port: int
    config: Path
    command: Sequence[str]
    process: "subprocess.Popen[bytes]"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def device(self, workdir: Path, **options: str | int) -> Device:
        """The server as a device that works below a folder, with the Python of this machine."""
        given = {"host": HOST, "config_file": str(self.config), "workdir": str(workdir)}
        return Device(
            "board", "A board", transport="ssh", python=(sys.executable,), options=given | options
        )

    def write_device(self, path: Path, workdir: Path) -> None:
        """The same as a device file."""
        path.write_text(
            f'title = "A board"\ntransport = "ssh"\npython = ["{sys.executable}"]\n[options]\n'
            f'host = "{HOST}"\nconfig_file = "{self.config}"\nworkdir = "{workdir}"\n'
        )

    def connections(self) -> list[int]:
        """Process ids of the servers of single connections; not of what runs in these."""
        return [pid for pid in descendants(self.process.pid) if _name(pid).startswith("sshd")]

    def kill(self) -> None:
        """Kill the server and all that serve its connections; what these started must see it."""
        self.process.send_signal(signal.SIGSTOP)  # no new connections meanwhile
        for pid in [*self.connections(), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Kill what is left of the server, and start it anew on the same port."""
        self.kill()
        self.process = _start(self.command, self.folder, self.port)


@contextlib.contextmanager
def sshd(
    folder: Path, *, sftp: bool = True, root: Path = Path("/"), settings: str = ""
) -> Iterator[Server]:
    """A running server; skips the test where there is none.

    Args:
        folder: A new folder for its files.
        sftp: Whether it offers sftp; a small server, such as many boards have, does not.
        root: Of the system whose server it is; the folder is below it.
        settings: More lines of its configuration.
    """
    inside = Path("/") / folder.relative_to(root)
    program = [find("sshd")] if inside == folder else ["chroot", str(root), "/usr/sbin/sshd"]
    folder.mkdir(parents=True)
    for name in ("host_key", "client_key"):
        make_key(folder / name)
    port = free_port()
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {inside}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {inside}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n"
        "PermitRootLogin prohibit-password\n"
        + settings
        + sftp * "Subsystem sftp internal-sftp\n"
        # bash thinks that it is not the first shell, and does not read what the user has in .bashrc
        + "SetEnv SHLVL=1\n"
    )
    (folder / "config").write_text(
        f"Host {HOST}\nHostName 127.0.0.1\nPort {port}\nUser {pwd.getpwuid(os.getuid()).pw_name}\n"
        f"IdentityFile {folder}/client_key\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile /dev/null\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where a server of root locks itself up
    command = [*program, "-D", "-e", "-f", f"{inside}/sshd_config"]
    process = _start(command, folder, port)
    server = Server(folder, port, folder / "config", command, process)
    try:
        yield server
    finally:
        server.kill()


def find(program: str) -> str:
    """The path of a server's program; skips the test where there is none."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def make_key(path: Path) -> None:
    """A new key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when a server listens."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    pytest.fail(f"The server ended with status {process.returncode}")


def descendants(pid: int) -> list[int]:
    """Process ids of all children of a process, and of theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def running_in(folder: Path) -> dict[int, list[str]]:
    """Processes that work in or below a folder, even one that was deleted: words by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{(process / 'cwd').readlink()}/".startswith(f"{folder}/"):
                words = (process / "cmdline").read_text(errors="replace").split("\0")
                found[int(process.name)] = words
    return found


def wait_until_idle(folder: Path) -> None:
    """Return when nothing runs in or below a folder any more; fails when that does not come."""
    for _ in range(1000):
        if not running_in(folder):
            return
        time.sleep(0.02)
    pytest.fail(f"still running: {running_in(folder)}")


def _start(command: Sequence[str], folder: Path, port: int) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for_port(port, process)
    return process


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
