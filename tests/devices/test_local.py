import sys
from pathlib import Path

import pytest

from hwnas.devices import Device, transports
from hwnas.errors import InputError, TransportError
from hwnas.protocols import Transport


@pytest.fixture
def transport(tmp_path: Path) -> Transport:
    made = transports.create(Device("board", "A board"), tmp_path / "device")
    made.push([])
    return made


def run(transport: Transport, program: str, timeout_s: float = 20.0) -> list[str]:
    lines: list[str] = []
    transport.run([sys.executable, "-c", program], timeout_s=timeout_s, on_line=lines.append)
    return lines


def test_what_is_pushed_can_be_pulled(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x00\xff")
    transport.push([tmp_path / "model.bin"])
    assert transport.pull("model.bin") == b"\x00\xff"


def test_a_file_that_is_not_there_is_none(transport: Transport) -> None:
    assert transport.pull("nothing") is None


def test_removed_files_are_gone_and_missing_ones_no_error(
    transport: Transport, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("a")
    transport.push([tmp_path / "a"])
    transport.remove(["a", "never"])
    assert transport.pull("a") is None


def test_lines_come_in_order(transport: Transport) -> None:
    assert run(transport, "print('one'); print('two')") == ["one", "two"]


def test_arguments_arrive_as_they_are(transport: Transport) -> None:
    argument = "a b'\"\n;$HOME *"
    lines: list[str] = []
    program = "import sys; print(repr(sys.argv[1]))"
    transport.run([sys.executable, "-c", program, argument], timeout_s=20, on_line=lines.append)
    assert lines == [repr(argument)]


def test_a_command_runs_in_the_working_directory(transport: Transport, tmp_path: Path) -> None:
    assert run(transport, "import os; print(os.getcwd())") == [str(tmp_path / "device")]


def test_a_failure_carries_the_end_of_standard_error(transport: Transport) -> None:
    with pytest.raises(TransportError, match=r"status 7: .*the reason"):
        run(transport, "import sys; sys.stderr.write('x' * 9000 + ' the reason'); sys.exit(7)")


def test_a_killed_command_says_by_which_signal(transport: Transport) -> None:
    with pytest.raises(TransportError, match="signal 9"):
        run(transport, "import os; os.kill(os.getpid(), 9)")


def test_a_command_that_takes_too_long_is_stopped(transport: Transport) -> None:
    with pytest.raises(TransportError, match=r"longer than 0\.2 s"):
        run(transport, "import time; time.sleep(60)", timeout_s=0.2)


def test_a_command_that_does_not_exist_is_said(transport: Transport) -> None:
    with pytest.raises(TransportError, match="could not be started"):
        transport.run(["no-such-command"], timeout_s=1, on_line=print)


def test_a_listener_that_raises_ends_the_command(transport: Transport) -> None:
    def refuse(line: str) -> None:
        raise InputError(line)

    with pytest.raises(InputError, match="hello"):
        transport.run(
            [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(60)"],
            timeout_s=50,
            on_line=refuse,
        )


def test_options_are_refused() -> None:
    device = Device("board", "A board", options={"address": "10.0.0.1"})
    with pytest.raises(InputError, match="address"):
        transports.create(device, Path())
