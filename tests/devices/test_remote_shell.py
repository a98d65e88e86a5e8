"""What a device's shell makes of our commands, with the shells of this machine."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sshd import wait_until_idle

from hwnas.devices import Device
from hwnas.devices.transports import ssh
from hwnas.devices.transports._process import Ended
from hwnas.devices.transports._remote import RemoteTransport, work_folder
from hwnas.errors import (
    ConnectionLostError,
    FileFormatError,
    InputError,
    StorageError,
    TransportError,
)

SHELLS = (("sh",), ("bash",), ("busybox", "sh"), ("tcsh",), ("fish",))
"""Login shells that users have, and what a device runs scripts in."""

PYTHON = (sys.executable, "-S", "-c")
SHOW = "import sys, json; print(json.dumps(sys.argv[1:]))"
ARGUMENTS = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    max_size=5,
)
NASTY = ["", " ", "a b'\"\n;$(ls)`id`!!\\\\", "\\", "*", "~", "-n", "ü\t\r\n", "&&|<>#", "%s\\n"]


def argument_of(shell: Sequence[str]) -> tuple[str, ...]:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    return tuple(shell)


class Here:
    """A way to a shell of this machine, as if it were the user's on a device."""

    def __init__(self, shell: Sequence[str] = ("sh",)) -> None:
        self._shell = argument_of(shell)
        self._ssh = ssh.SshShell("board", ssh.Options("board"))

    def argv(self, script: str) -> Sequence[str]:
        return [*self._shell, "-c", self._ssh.argv(script)[-1]]

    def upload(self, files: Sequence[Path], folder: str) -> Sequence[str]:
        return ["cp", "--", *map(str, files), folder]

    def there(self, ended: Ended) -> Ended:
        return ended

    def explain(self, ended: Ended) -> TransportError | None:
        del ended
        return None

    def close(self) -> None:
        self._ssh.close()


def transport(folder: Path, shell: Sequence[str] = ("sh",)) -> RemoteTransport:
    made = RemoteTransport(Device("board", "A board"), Here(shell), str(folder))
    made.push([])
    return made


def run(made: RemoteTransport, *argv: str, timeout_s: float = 30.0) -> list[str]:
    lines: list[str] = []
    made.run(argv, timeout_s=timeout_s, on_line=lines.append)
    return lines


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_arguments_arrive_as_they_are_whatever_the_login_shell(
    shell: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = transport(tmp_path_factory.mktemp("device"), shell)

    @settings(max_examples=8, deadline=None)
    @given(ARGUMENTS)
    @example(NASTY)
    def arrive(arguments: list[str]) -> None:
        (line,) = run(made, *PYTHON, SHOW, *arguments)
        assert json.loads(line) == arguments

    arrive()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_command_s_status_arrives_whatever_the_login_shell(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    made = transport(tmp_path, shell)
    with pytest.raises(TransportError, match="status 7: the reason"):
        run(made, "sh", "-c", "echo the reason >&2; exit 7")
    with pytest.raises(TransportError, match="killed by signal 9"):
        run(made, "sh", "-c", "kill -9 $$")


def test_a_null_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="null character"):
        run(transport(tmp_path), "echo", "a\0b")


def test_what_is_pushed_can_be_pulled_and_removed(tmp_path: Path) -> None:
    made = transport(tmp_path / "device")
    (tmp_path / "model.bin").write_bytes(b"\x00\xff\n")
    made.push([tmp_path / "model.bin"])
    assert made.pull("model.bin") == b"\x00\xff\n"
    made.remove(["model.bin", "never"])
    assert made.pull("model.bin") is None
    made.close()
    assert not (tmp_path / "device").exists()


@pytest.mark.parametrize("name", ["a b", "-rf", "../a", "a;b", ".running", "", "a\n"])
def test_file_names_that_a_shell_may_misread_are_refused(name: str, tmp_path: Path) -> None:
    made = transport(tmp_path)
    with pytest.raises(TransportError, match="no file name"):
        made.remove([name])
    with pytest.raises(TransportError, match="no file name"):
        made.pull(name)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"could not be made .*options\.workdir"):
        transport(tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    "workdir", ["a b", "-a", "$HOME", "a;b", "/tmp/../etc", "", 'a"', "a\n", 1]
)
def test_a_working_folder_that_a_shell_may_misread_is_refused(workdir: str | int) -> None:
    device = Device("board", "A board", options={"workdir": workdir})
    with pytest.raises(FileFormatError, match=r"options\.workdir"):
        work_folder(device, Path(), default=".cache")


def test_each_folder_of_this_machine_has_one_of_its_own_on_the_device(tmp_path: Path) -> None:
    device = Device("board", "A board", options={"workdir": "/data/"})
    first = work_folder(device, tmp_path / "a", default=".cache")
    assert first == work_folder(device, tmp_path / "b" / ".." / "a", default="elsewhere")
    assert first != work_folder(device, tmp_path / "b", default=".cache")
    assert first.startswith("/data/hwnas-")


def test_a_command_that_takes_too_long_is_stopped_there(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="sleep on board took longer than 1 s"):
        run(transport(tmp_path), "sleep", "600", timeout_s=1)
    wait_until_idle(tmp_path)


def test_one_that_ignores_being_asked_is_stopped_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="took longer"):
        run(transport(tmp_path), "sh", "-c", "trap '' TERM; sleep 600; sleep 600", timeout_s=1)
    wait_until_idle(tmp_path)


def test_a_command_that_is_killed_in_time_was_not_late(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="killed by signal 15"):
        run(transport(tmp_path), "sh", "-c", "kill $$")


def test_a_command_ends_when_its_listener_raises(tmp_path: Path) -> None:
    def refuse(line: str) -> None:
        raise InputError(line)

    with pytest.raises(InputError, match="hello"):
        transport(tmp_path).run(
            ["sh", "-c", "echo hello; exec sleep 600"], timeout_s=600, on_line=refuse
        )
    wait_until_idle(tmp_path)


def test_what_an_earlier_connection_left_running_is_stopped_by_the_next_command(
    tmp_path: Path,
) -> None:
    ended: list[TransportError] = []

    def first() -> None:
        try:
            run(transport(tmp_path), "sleep", "600", timeout_s=600)
        except TransportError as error:
            ended.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    while thread.is_alive() and not (tmp_path / ".running").exists():
        time.sleep(0.01)
    assert run(transport(tmp_path), "echo", "hello") == ["hello"]
    thread.join(timeout=30)
    assert "killed by signal 15" in str(ended[0])


def test_a_process_of_someone_else_is_not_stopped(tmp_path: Path) -> None:
    made = transport(tmp_path / "device")
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as other:
        (tmp_path / "device" / ".running").write_text(f"{other.pid}\n")
        assert run(made, "echo", "hello") == ["hello"]
        assert other.poll() is None
        other.send_signal(signal.SIGKILL)


def test_a_device_without_timeout_runs_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = transport(tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "cat", "readlink"):
        (programs / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(programs))
    assert run(made, "sh", "-c", "command -v timeout || echo hello") == ["hello"]


@pytest.mark.parametrize(
    "host",
    ["", "-oProxyCommand=id", "a b", "a\n", "a;b", "$(id)", "user@-x", "@a", "a/b", "[::1]", "a'"],
)
def test_a_host_that_ssh_may_misread_is_refused(host: str) -> None:
    device = Device("board", "A board", transport="ssh", options={"host": host})
    with pytest.raises(FileFormatError, match=r"options\.host is"):
        ssh.create(device, Path())


@pytest.mark.parametrize("host", ["board", "me@10.0.0.5", "fe80::1%eth0", "pi4.local", "a_b"])
def test_a_host_is_an_alias_a_name_or_an_address(host: str) -> None:
    ssh.create(Device("board", "A board", transport="ssh", options={"host": host}), Path())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "host is required"),
        ({"host": "a", "prot": 22}, "did you mean 'port'"),
        ({"host": "a", "port": 0}, "port is 0; expected 1 to 65535"),
        ({"host": "a", "port": "22"}, "port is '22'"),
        ({"host": "a", "user": "-l"}, "no user name"),
        ({"host": "me@a", "user": "you"}, "name a user twice"),
        ({"host": "a", "identity_file": "/nowhere"}, "no such file"),
        ({"host": "a", "config_file": "~nobody-at-all/config"}, "no such file"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, str | int], message: str) -> None:
    device = Device("board", "A board", transport="ssh", options=options)
    with pytest.raises(FileFormatError, match=message):
        ssh.create(device, Path())
    with pytest.raises(FileFormatError, match=message):
        ssh.reachable(device)


def test_a_machine_without_ssh_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    device = Device("board", "A board", transport="ssh", options={"host": "a"})
    assert "ssh could not be started" in str(ssh.reachable(device))


def test_an_ssh_that_was_killed_here_is_a_lost_connection() -> None:
    shell = ssh.SshShell("board", ssh.Options("board"))
    lost = shell.explain(Ended(-9, "", late=False))
    assert isinstance(lost, ConnectionLostError)
    shell.close()
