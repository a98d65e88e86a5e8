"""adb: the real client against the real daemon."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbd import ADBD, Bench, Phone, bench

from hwnas.devices import Device, reachable, transports
from hwnas.errors import ConnectionLostError, StorageError, TransportError
from hwnas.protocols import Transport


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture(scope="module")
def phone(shared: Bench) -> Phone:
    return shared.plug()


@pytest.fixture(autouse=True)
def _adb(shared: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{shared.path}:{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)


@pytest.fixture
def other(shared: Bench) -> Iterator[Phone]:
    """A second phone, which is plugged out in the end."""
    plugged = shared.plug(5557)
    yield plugged
    plugged.unplug()
    shared.adb("disconnect", plugged.serial)


@pytest.fixture
def transport(phone: Phone, tmp_path: Path) -> Iterator[Transport]:
    made = transports.create(phone.device(), tmp_path)
    made.push([])
    yield made
    made.close()


def run(transport: Transport, program: str, *words: str, timeout_s: float = 20.0) -> list[str]:
    lines: list[str] = []
    argv = [sys.executable, "-c", program, *words]
    transport.run(argv, timeout_s=timeout_s, on_line=lines.append)
    return lines


ANY_SERIAL = {"serial": ""}


def test_a_phone_is_reachable(phone: Phone) -> None:
    assert reachable(phone.device()) is None
    assert reachable(phone.device(**ANY_SERIAL)) is None


def test_what_is_pushed_can_be_pulled(transport: Transport, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 + b"\r\n\n"
    (tmp_path / "model.bin").write_bytes(content)
    (tmp_path / "empty").touch()
    transport.push([tmp_path / "model.bin", tmp_path / "empty"])
    assert transport.pull("model.bin") == content
    assert transport.pull("empty") == b""


def test_a_file_that_is_not_there_is_none(transport: Transport) -> None:
    assert transport.pull("nothing") is None


def test_removed_files_are_gone_however_many(transport: Transport, tmp_path: Path) -> None:
    names = [f"layer-{number:04d}-of-a-large-space.onnx" for number in range(1500)]
    for name in (names[0], names[-1]):
        (tmp_path / name).touch()
        transport.push([tmp_path / name])
    transport.remove(names)
    assert transport.pull(names[0]) is None
    assert transport.pull(names[-1]) is None


@pytest.mark.parametrize(
    "word",
    [
        "two words", "", "'", '"', "it's \"so\"", "a\nb\n", "a;exit 3", "$(exit 3)", "`exit 3`",
        "$HOME", "*", "~", "\\", "\\n", "ü 日本 🙂", "\t", "!", "-", "&", "|", ">x", "%s", "{}",
        "\r\n", "\x01\x7f", "a" * 5000,
    ],
)  # fmt: skip
def test_arguments_arrive_as_they_are(transport: Transport, word: str) -> None:
    lines = run(transport, "import sys; print(ascii(sys.argv[1:]))", word, "next")
    assert lines == [ascii([word, "next"])]


@pytest.mark.parametrize("status", [1, 2, 44, 97, 126, 254, 255])
def test_a_command_that_fails_is_said_with_its_status(transport: Transport, status: int) -> None:
    program = f"import sys; sys.stderr.write('x' * 9000 + ' the reason'); sys.exit({status})"
    shown = 95 if status == 97 else status  # one of three that stand for others on the way
    with pytest.raises(TransportError, match=rf"status {shown}: .*the reason"):
        run(transport, program)


def test_a_killed_command_says_by_which_signal(transport: Transport) -> None:
    with pytest.raises(TransportError, match="signal 9"):
        run(transport, "import os; os.kill(os.getpid(), 9)")


def test_a_command_that_takes_too_long_is_stopped_on_the_phone(transport: Transport) -> None:
    lines: list[str] = []
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with pytest.raises(TransportError, match="longer than 1 s"):
        transport.run([sys.executable, "-c", program], timeout_s=1, on_line=lines.append)
    assert not Path(f"/proc/{lines[0]}").exists()


def test_standard_input_stays_open(transport: Transport) -> None:
    program = "import select, sys; print(select.select([sys.stdin], [], [], 0.5)[0])"  # empty: open
    assert run(transport, program) == ["[]"]


def test_lines_come_at_once(transport: Transport) -> None:
    came: list[float] = []
    program = "import time; print(1, flush=True); time.sleep(1); print(2)"
    transport.run(
        [sys.executable, "-c", program], timeout_s=20, on_line=lambda _: came.append(time.time())
    )
    assert came[1] - came[0] > 0.5


def test_closing_deletes_the_working_folder(phone: Phone, tmp_path: Path) -> None:
    made = transports.create(phone.device(), tmp_path)
    (tmp_path / "model.bin").touch()
    made.push([tmp_path / "model.bin"])
    made.close()
    assert list((phone.folder / "data").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(phone: Phone, tmp_path: Path) -> None:
    made = transports.create(phone.device(workdir="/proc/nowhere"), tmp_path)
    with pytest.raises(StorageError, match=r"/proc/nowhere.*options\.workdir"):
        made.push([])


def test_a_phone_without_space_is_said(shared: Bench, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(100_000))
    limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\"", str(ADBD)]
    small = shared.plug(5561, command=limited)
    made = transports.create(small.device(), tmp_path)
    with pytest.raises(StorageError, match="did not take the files"):
        made.push([tmp_path / "model.bin"])
    made.close()
    small.unplug()
    shared.adb("disconnect", small.serial)


def test_no_phone_is_said(shared: Bench) -> None:
    device = Device("phone", "A phone", transport="adb", options={"serial": "R58M"})
    assert "does not see 'R58M'" in str(reachable(device))


def test_one_of_two_phones_has_to_be_named(phone: Phone, other: Phone) -> None:
    said = str(reachable(phone.device(**ANY_SERIAL)))
    assert f"{phone.serial} (device), {other.serial} (device)" in said
    assert "options.serial" in said
    assert reachable(phone.device()) is None
    assert reachable(other.device()) is None


def test_two_phones_are_kept_apart(phone: Phone, other: Phone, tmp_path: Path) -> None:
    for one in (phone, other):
        made = transports.create(one.device(), tmp_path)
        made.push([])
        (line,) = run(made, "import os; print(os.getcwd())")
        assert line.startswith(str(one.folder))
        made.close()


def test_adb_s_own_variable_names_the_phone(
    phone: Phone, other: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDROID_SERIAL", other.serial)
    assert reachable(phone.device(**ANY_SERIAL)) is None


def test_a_phone_of_the_network_is_connected_to(shared: Bench) -> None:
    listening = shared.start(5563)
    assert listening.serial not in shared.adb("devices")
    assert reachable(listening.device()) is None
    shared.adb("disconnect", listening.serial)
    listening.unplug()


def test_a_phone_that_is_off_line_is_said(shared: Bench, other: Phone) -> None:
    other.unplug()
    shared.wait_for(other.serial, "offline")
    assert f"{other.serial}) is offline" in str(reachable(other.device()))


def test_a_phone_that_hangs_is_off_line(shared: Bench, phone: Phone) -> None:
    serial = shared.gate(5565, "silent")
    shared.wait_for(serial, "offline")
    assert f"{serial}) is offline" in str(reachable(phone.device(serial=serial)))
    shared.adb("disconnect", serial)


def test_a_phone_that_asks_for_authorisation_is_said(shared: Bench, phone: Phone) -> None:
    serial = shared.gate(5567, "locked")
    shared.wait_for(serial, "unauthorized")
    assert "accept the question" in str(reachable(phone.device(serial=serial)))
    shared.adb("disconnect", serial)


def test_a_phone_that_does_not_tell_how_commands_end_is_refused(
    shared: Bench, phone: Phone
) -> None:
    serial = shared.gate(5569, "old", phone)
    shared.wait_for(serial, "device")
    assert "Android 7" in str(reachable(phone.device(serial=serial)))
    shared.adb("disconnect", serial)


def test_a_phone_that_goes_while_a_command_runs_is_lost(
    shared: Bench, other: Phone, tmp_path: Path
) -> None:
    made = transports.create(other.device(), tmp_path)
    made.push([])
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        other.unplug()

    program = "import time; print('here', flush=True); time.sleep(60)"
    argv = [sys.executable, "-c", program]
    with pytest.raises(ConnectionLostError, match="offline"):
        made.run(argv, timeout_s=20, on_line=on_line)
    assert lines == ["here"]
    shared.plug(5557)
    made.close()


def test_a_phone_that_is_back_at_once_was_lost_all_the_same(
    shared: Bench, other: Phone, tmp_path: Path
) -> None:
    made = transports.create(other.device(), tmp_path)
    made.push([])

    def on_line(line: str) -> None:
        shared.adb("disconnect", other.serial)

    program = "import time; print('here', flush=True); time.sleep(60)"
    argv = [sys.executable, "-c", program]
    with pytest.raises(ConnectionLostError, match="broke"):
        made.run(argv, timeout_s=20, on_line=on_line)
    made.close()
