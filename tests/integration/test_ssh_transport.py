"""The ssh transport and a real OpenSSH server."""

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd import Server, free_port, make_key, running_in, sshd, wait_until_idle

from hwnas.devices import Device, reachable, transports
from hwnas.errors import ConnectionLostError, TransportError
from hwnas.protocols import Transport

SHOW = "import sys, json; print(json.dumps(sys.argv[1:]))"
SLEEP = ("sh", "-c", "echo started; exec sleep 600")
CLIENT = """
import sys
from pathlib import Path
from hwnas.devices import load_device, transports

transport = transports.create(load_device(sys.argv[1]), Path(sys.argv[2]))
transport.push([])
print("ready", flush=True)
transport.run(["sleep", "600"], timeout_s=600, on_line=print)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("ssh") / "server") as running:
        yield running


@pytest.fixture
def board(server: Server, tmp_path: Path) -> Iterator[Transport]:
    made = transports.create(server.device(tmp_path / "device"), tmp_path / "job")
    made.push([])
    yield made
    made.close()
    assert not list((tmp_path / "device").iterdir())
    wait_until_idle(tmp_path / "device")


def run(transport: Transport, *argv: str, timeout_s: float = 30.0) -> list[str]:
    lines: list[str] = []
    transport.run(argv, timeout_s=timeout_s, on_line=lines.append)
    return lines


def test_a_running_server_is_reachable(server: Server, tmp_path: Path) -> None:
    assert reachable(server.device(tmp_path)) is None


def test_arguments_and_files_arrive_as_they_are(board: Transport, tmp_path: Path) -> None:
    arguments = ["", "a b'\"\n;$(id)`id`!\\", "*", "-n", "ü", "%s\\n"]
    (line,) = run(board, sys.executable, "-c", SHOW, *arguments)
    assert json.loads(line) == arguments
    content = bytes(range(256)) * 5000
    files = [tmp_path / "a.bin", tmp_path / "-b.bin"]
    for file in files:
        file.write_bytes(content)
    board.push(files[:1])
    assert board.pull("a.bin") == content
    with pytest.raises(TransportError, match="no file name"):
        board.push(files)


def test_how_a_command_ended_is_told(board: Transport) -> None:
    with pytest.raises(TransportError, match="status 3: why") as failed:
        run(board, "sh", "-c", "echo why >&2; exit 3")
    with pytest.raises(TransportError, match="killed by signal 9") as killed:
        run(board, "sh", "-c", "kill -9 $$")
    with pytest.raises(TransportError, match="status 254") as like_ssh:
        run(board, "sh", "-c", "exit 255")
    with pytest.raises(TransportError, match="status 127"):
        run(board, "no-such-command")
    for error in (failed, killed, like_ssh):
        assert not isinstance(error.value, ConnectionLostError)


def test_a_command_that_takes_too_long_is_gone_from_the_device(
    board: Transport, tmp_path: Path
) -> None:
    with pytest.raises(TransportError, match="sh on board took longer than 1 s"):
        run(board, *SLEEP, timeout_s=1)
    wait_until_idle(tmp_path / "device")


def test_one_connection_serves_all_commands(board: Transport, server: Server) -> None:
    accepted = server.log.count("Accepted publickey")
    for _ in range(3):
        run(board, "true")
        board.pull("nothing")
    assert server.log.count("Accepted publickey") == accepted


def test_a_board_without_sftp_gets_its_files(tmp_path: Path) -> None:
    with sshd(tmp_path / "server", sftp=False) as small:
        transport = transports.create(small.device(tmp_path / "device"), tmp_path / "job")
        (tmp_path / "file").write_text("content")
        transport.push([tmp_path / "file"])
        assert transport.pull("file") == b"content"
        transport.close()


def refusal(device: Device, job: Path) -> TransportError:
    """What using a device that must not be used says; `reachable` says the same."""
    transport = transports.create(device, job)
    with pytest.raises(TransportError) as refused:
        transport.pull("file")
    with pytest.raises(TransportError):
        transport.close()
    assert reachable(device) == str(refused.value)
    return refused.value


def changed(server: Server, folder: Path, *lines: str) -> str:
    """A client configuration with lines that go before the server's."""
    path = folder / "changed"
    path.write_text("\n".join((*lines, server.config.read_text())))
    return str(path)


def test_an_unknown_host_key_is_refused(server: Server, tmp_path: Path) -> None:
    config = changed(server, tmp_path, f"UserKnownHostsFile {tmp_path}/none")
    error = refusal(server.device(tmp_path, config_file=config), tmp_path / "job")
    assert f"not known here: compare and confirm it once with: ssh -F {config} board" in str(error)
    assert not isinstance(error, ConnectionLostError)
    assert not (tmp_path / "none").exists()


def test_a_wrong_host_key_is_refused(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    kind, key, *_ = (tmp_path / "other.pub").read_text().split()
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {kind} {key}\n")
    config = changed(server, tmp_path, f"UserKnownHostsFile {known}")
    error = refusal(server.device(tmp_path, config_file=config), tmp_path / "job")
    assert "another host key than the one that is known" in str(error)
    assert "ssh-keygen" in str(error)
    assert not isinstance(error, ConnectionLostError)


def test_a_refused_key_is_said(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    config = tmp_path / "config"
    config.write_text(server.config.read_text().replace("client_key", "host_key"))
    device = server.device(tmp_path, config_file=str(config), identity_file=str(tmp_path / "other"))
    error = refusal(device, tmp_path / "job")
    assert "accepts no key that ssh has" in str(error)
    assert "ssh-copy-id" in str(error)
    assert not isinstance(error, ConnectionLostError)


def test_a_device_file_can_say_all_that_an_alias_does(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "plain config"
    config.write_text(f"UserKnownHostsFile {server.folder}/known_hosts\n")
    key = tmp_path / '100 %h "key"\\'
    key.write_bytes((server.folder / "client_key").read_bytes())
    key.chmod(0o600)
    device = server.device(
        tmp_path / "device", host="127.0.0.1", port=server.port,
        user=pwd.getpwuid(os.getuid()).pw_name,
        identity_file=str(key), config_file=str(config),
    )  # fmt: skip
    transport = transports.create(device, tmp_path / "job")
    transport.push([server.config])
    transport.close()


def test_a_port_that_nobody_listens_on_is_said(server: Server, tmp_path: Path) -> None:
    error = refusal(server.device(tmp_path, port=free_port()), tmp_path / "job")
    assert "no ssh server running" in str(error)
    assert isinstance(error, ConnectionLostError)


def test_an_unknown_host_name_is_said(server: Server, tmp_path: Path) -> None:
    error = refusal(server.device(tmp_path, host="nowhere.invalid"), tmp_path / "job")
    assert "Could not resolve hostname nowhere.invalid" in str(error)


def test_a_wrong_ssh_configuration_is_said(server: Server, tmp_path: Path) -> None:
    config = changed(server, tmp_path, "NoSuchOption yes")
    error = refusal(server.device(tmp_path, config_file=config), tmp_path / "job")
    assert "Bad configuration option: nosuchoption" in str(error)


def test_a_broken_connection_is_said_and_made_again(
    tmp_path: Path, server: Server, board: Transport
) -> None:
    def kill(line: str) -> None:
        del line
        server.kill()

    with pytest.raises(ConnectionLostError, match="connection to device board"):
        board.run(SLEEP, timeout_s=60, on_line=kill)
    wait_until_idle(tmp_path / "device")
    with pytest.raises(ConnectionLostError, match="no ssh server running"):
        board.pull("file")
    server.restart()
    assert run(board, "echo", "back") == ["back"]


def test_a_connection_that_went_silent_is_noticed_and_what_it_left_stopped(
    tmp_path: Path, server: Server, board: Transport
) -> None:
    frozen: list[int] = []

    def freeze(line: str) -> None:
        del line
        frozen.extend(server.connections())
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)

    with pytest.raises(ConnectionLostError, match="connection to device board"):
        board.run(SLEEP, timeout_s=60, on_line=freeze)
    assert running_in(tmp_path / "device")
    assert run(board, "echo", "back") == ["back"]
    wait_until_idle(tmp_path / "device")
    for pid in frozen:
        os.kill(pid, signal.SIGKILL)


def test_a_killed_client_leaves_nothing_running(server: Server, tmp_path: Path) -> None:
    server.write_device(tmp_path / "board.toml", tmp_path / "device")
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, tmp_path / "board.toml", tmp_path / "job"],
        stdout=subprocess.PIPE,
    ) as client:
        assert client.stdout is not None
        client.stdout.readline()
        while not running_in(tmp_path / "device"):
            time.sleep(0.01)
        client.kill()
    wait_until_idle(tmp_path / "device")
    for _ in range(1500):  # the shared connection stays for some seconds
        if not server.connections():
            return
        time.sleep(0.02)
    pytest.fail("the connection of a killed client stays")
