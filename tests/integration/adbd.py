"""Real adbd and the real adb in a network namespace of their own: adbd listens on every address."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hwnas.devices import Device

ADBD = Path(os.environ.get("HWNAS_ADBD", Path(__file__).parents[2] / ".adbd")) / "adbd"
GATE = Path(__file__).parent / "adb_gate.py"
PROPERTIES = {"ro.product.manufacturer": "Acme", "ro.product.model": "Phone", "ro.build.id": "A1"}
MORTAL = ("setpriv", "--pdeathsig", "KILL")
"""Ends a command with the thread that started it, however that ends."""
SERVER_PORT = 5037
LISTENING = "0A"  # a socket's state in /proc/net/tcp


@dataclass
class Phone:
    """What adb takes for a device.

    Attributes:
        port: That its adbd listens on.
        folder: Its own, on this machine: where ``device`` says to work.
    """

    port: int
    folder: Path
    _bench: "Bench"

    @property
    def serial(self) -> str:
        """What adb lists it as."""
        return f"127.0.0.1:{self.port}"

    def device(self, name: str = "phone", **options: str) -> Device:
        """A device that works in the phone's folder, with the Python of this machine."""
        given = {"serial": self.serial, "workdir": str(self.folder / "data")} | options
        return Device(name, "A phone", transport="adb", python=(sys.executable,), options=given)

    def write_device(self, path: Path) -> None:
        """The same as a device file."""
        path.write_text(
            f'title = "A phone"\ntransport = "adb"\npython = ["{sys.executable}"]\n[options]\n'
            f'serial = "{self.serial}"\nworkdir = "{self.folder / "data"}"\n'
        )

    def unplug(self) -> None:
        """As when the cable is pulled: adbd is gone, and nothing is said."""
        self._bench.end(self.port)


@dataclass
class Bench:
    """Phones, and the adb that sees them.

    Attributes:
        folder: For everything that adb and the phones write.
        path: A folder with a command ``adb``, to be first on PATH.
        inside: The beginning of commands that run in the phones' network.
    """

    folder: Path
    path: Path
    inside: Sequence[str]
    _running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def serve(self, adb: str, home: Path) -> None:
        """Start adb's server, which would outlive a test that is killed if adb started it."""
        command = [adb, "server", "nodaemon"]
        self._listen(SERVER_PORT, command, HOME=str(home), TMPDIR=str(home))

    def adb(self, *words: str) -> str:
        """What a command of adb wrote to standard output."""
        done = subprocess.run(
            [self.path / "adb", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        return done.stdout

    def plug(
        self,
        port: int = 5555,
        *,
        properties: Mapping[str, str] = PROPERTIES,
        command: Sequence[str] = (str(ADBD),),
    ) -> Phone:
        """A phone that adb lists as ready, be it new or one that was unplugged.

        Args:
            port: Of its adbd.
            properties: What its ``getprop`` knows.
            command: Starts adbd, which finds ``getprop`` first on its PATH.
        """
        phone = self.start(port, properties=properties, command=command)
        self.adb("disconnect", phone.serial)  # else one that was unplugged is looked for rarely
        self.adb("connect", phone.serial)
        self.wait_for(phone.serial, "device")
        return phone

    def start(
        self,
        port: int = 5555,
        *,
        properties: Mapping[str, str] = PROPERTIES,
        command: Sequence[str] = (str(ADBD),),
    ) -> Phone:
        """A phone that listens and that adb was not told of; arguments as in `plug`."""
        folder = self.folder / str(port)
        shims = folder / "bin"
        shims.mkdir(parents=True, exist_ok=True)
        _write_getprop(shims / "getprop", properties)
        self._listen(port, command, PATH=f"{shims}:{os.environ['PATH']}", ADBD_PORT=str(port))
        return Phone(port, folder, self)

    def gate(self, port: int, mode: str, phone: Phone | None = None) -> str:
        """The serial number of a phone that greets as ``adb_gate.py`` says; adb is told of it."""
        behind = [] if phone is None else [str(phone.port)]
        self._listen(port, [sys.executable, str(GATE), str(port), mode, *behind])
        serial = f"127.0.0.1:{port}"
        # it waits for the phone's greeting, which may never come
        self._start(-port, [str(self.path / "adb"), "connect", serial])
        return serial

    def wait_for(self, serial: str, state: str) -> None:
        """Return when adb lists a phone in a state."""
        for _ in range(1000):
            if f"{serial}\t{state}\n" in self.adb("devices"):
                return
            time.sleep(0.02)
        pytest.fail(f"{serial} is not {state}: {self.adb('devices')}")

    def end(self, port: int) -> None:
        """End what listens on a port."""
        process = self._running.pop(port, None)
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End the phones and the server."""
        self.adb("kill-server")
        for port in [*self._running]:
            self.end(port)

    def _listen(self, port: int, command: Sequence[str], **environment: str) -> None:
        """Start a command, and return when it listens on a port."""
        process = self._start(port, command, **environment)
        probe = [*self.inside, "cat", "/proc/net/tcp", "/proc/net/tcp6"]
        while process.poll() is None:
            sockets = subprocess.run(probe, capture_output=True, text=True, check=True).stdout
            rows = (row.split() for row in sockets.splitlines())
            if any(row[1].endswith(f":{port:04X}") and row[3] == LISTENING for row in rows):
                return
            time.sleep(0.02)
        pytest.fail((self.folder / "log").read_text())

    def _start(
        self, port: int, command: Sequence[str], **environment: str
    ) -> "subprocess.Popen[bytes]":
        self.end(port)
        with (self.folder / "log").open("ab") as log:
            self._running[port] = subprocess.Popen(
                [*self.inside, *MORTAL, *command], env=os.environ | environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        return self._running[port]


@contextlib.contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """A place for phones, and an adb server that sees no others; skips where it cannot be had."""
    adb = shutil.which("adb")
    if adb is None:
        pytest.skip("adb is not installed")
    if not ADBD.exists():
        pytest.skip(f"there is no {ADBD}: fetch it with tools/adbd")
    with _network() as inside:
        home, path = folder / "home", folder / "path"
        home.mkdir(parents=True)
        path.mkdir()
        shim = path / "adb"
        shim.write_text(
            f"#!/bin/sh\nexport HOME={home} TMPDIR={home} ANDROID_ADB_SERVER_PORT={SERVER_PORT}\n"
            f'exec {shlex.join([*inside, adb])} "$@"\n'
        )
        shim.chmod(0o755)
        made = Bench(folder, path, inside)
        made.serve(adb, home)
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def _network() -> Iterator[Sequence[str]]:
    """The beginning of commands that run in a network namespace, with loopback and nothing else."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        said = holder.stdout.readline()
        if said != "up\n":
            pytest.skip(f"no network namespace can be made: {said.strip()}")
        yield ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
    finally:
        holder.communicate()


def _write_getprop(path: Path, properties: Mapping[str, str]) -> None:
    quoted = {shlex.quote(name): shlex.quote(value) for name, value in properties.items()}
    one = "".join(f"{name}) echo {value};;\n" for name, value in quoted.items())
    every = "".join(f"printf '[%s]: [%s]\\n' {name} {value}\n" for name, value in quoted.items())
    path.write_text(f"#!/bin/sh\ncase $1 in\n{one}'') {every}:;;\n*) echo;;\nesac\n")
    path.chmod(0o755)
