"""``hwnas devices`` and its commands, and ``hwnas profile`` of several devices."""

import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hwnas import workflows
from hwnas.devices import load_device
from hwnas.profiling.discipline import Discipline, Steadiness

SPACE = Path(__file__).parents[1] / "data" / "profile_space.toml"
UNREACHABLE = 'title = "Away"\ntransport = "ssh"\n[options]\nhost = "127.0.0.1"\nport = 1\n'


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """The folder of device files of a user who has none yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices").mkdir()
    return tmp_path / "devices"


@pytest.mark.parametrize("arguments", [("devices",), ("devices", "list")])
def test_the_list_says_what_can_be_reached_and_which_tables_there_are(arguments, devices, invoke):
    (devices / "away.toml").write_text(UNREACHABLE)
    (devices / "typo.toml").write_text('title = "x"\ntransport = "shh"\n')
    (devices.parent / "latency_tables/away").mkdir(parents=True)
    (devices.parent / "latency_tables/away/space-litert-int8-1t.json").write_text("{}")
    result = invoke(*arguments)
    assert result.status == 0, result.err
    rows = {line.split()[1]: line for line in result.out.splitlines() if line.startswith("│")}
    assert "yes" in rows["host"]
    assert "ssh 127.0.0.1" in rows["away"]
    assert "no" in rows["away"].split()
    assert "no" in rows["typo"].split()
    assert "Latency tables of away: space-litert-int8-1t" in result.out


def test_the_help_teaches_the_way_from_a_board_to_its_table(invoke):
    text = " ".join(invoke("devices", "--help").out.split())
    for command in ("hwnas devices add my-pi --host", "hwnas devices check", "hwnas profile my-pi"):
        assert command in text


@pytest.mark.parametrize("command", ["list", "check", "add"])
def test_each_command_of_devices_has_help(command, invoke):
    result = invoke("devices", command, "--help")
    assert result.status == 0
    assert len(result.out.splitlines()) > 5


def test_a_device_that_can_be_used_is_said_to_be(invoke):
    result = invoke("devices", "check", "host")
    assert result.status == 0, result.err
    assert [line.split()[:2] for line in result.out.splitlines()[:-1]] == [
        ["ok", name] for name in ("reach", "write", "python", "runtime", "model", "conditions")
    ]
    assert "hwnas profile host" in result.out


def test_a_broken_link_ends_the_check_with_status_1(devices, invoke):
    (devices / "away.toml").write_text(UNREACHABLE)
    result = invoke("devices", "check", "away")
    assert result.status == 1
    (line,) = result.out.splitlines()
    assert line.split()[:2] == ["BROKEN", "reach"]
    assert "no ssh server running" in line


def test_an_unknown_device_is_not_checked(invoke):
    result = invoke("devices", "check", "hots")
    assert result.status == 1
    assert "Did you mean 'host'?" in result.err


def test_a_device_that_is_added_is_known_and_its_file_explains_itself(devices, invoke):
    result = invoke(
        "devices", "add", "my-pi", "--host", "pi@192.0.2.7", "--port", "2222", "--python",
        "/opt/py/bin/python3 -I", "--title", "The one with the fan", "--like", "raspberry_pi_5",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert "hwnas devices check my-pi" in result.out
    device = load_device("my-pi")
    assert (device.title, device.transport) == ("The one with the fan", "ssh")
    assert dict(device.options) == {"host": "pi@192.0.2.7", "port": 2222}
    assert device.python == ("/opt/py/bin/python3", "-I")
    assert device.hardware == load_device("raspberry_pi_5").hardware
    text = (devices / "my-pi.toml").read_text()
    assert sum(line.startswith("#") for line in text.splitlines()) >= 5


def test_a_phone_needs_no_python(devices, invoke):
    binary = devices.parent / "benchmark_model"
    binary.write_bytes(b"\x7fELF")
    result = invoke("devices", "add", "my-phone", "--benchmark-model", "benchmark_model")
    assert result.status == 0, result.err
    device = load_device("my-phone")
    assert (device.transport, device.harness) == ("adb", "benchmark_model")
    assert device.harness_options == {"binary": str(binary)}


def test_an_existing_file_is_not_overwritten(devices, invoke):
    (devices / "my-pi.toml").write_text(UNREACHABLE)
    result = invoke("devices", "add", "my-pi", "--host", "pi")
    assert result.status == 1
    assert "exists already" in result.err
    assert (devices / "my-pi.toml").read_text() == UNREACHABLE


@pytest.mark.parametrize(("arguments", "said"), [
    (("my-pi",), "--host pi@192.0.2.7"),
    (("../pi", "--host", "pi"), "cannot name a device"),
    (("my-pi", "--transport", "shh"), "Did you mean 'ssh'"),
    (("my-pi", "--host", "-oProxyCommand=x"), "options.host"),
    (("my-pi", "--host", "pi", "--title", "a\nb"), "one line of printable text"),
    (("my-pi", "--host", "pi", "--workdir", "$(reboot)"), "options.workdir"),
    (("my-pi", "--transport", "ssh"), "host is required"),
    (("my-pi", "--transport", "local", "--host", "pi"), "knows no options"),
    (("my-pi", "--host", "pi", "--like", "raspberry"), "Did you mean 'raspberry_pi"),
    (("my-phone", "--benchmark-model", "nowhere"), "expected an existing file"),
])  # fmt: skip
def test_a_device_that_cannot_be_is_not_added(arguments, said, devices, invoke):
    result = invoke("devices", "add", *arguments)
    assert result.status == 1
    assert said in result.err
    assert result.err.count("\n") == 1
    assert list(devices.iterdir()) == []


def test_without_options_a_person_at_a_terminal_is_asked(devices):
    terminal, seat = pty.openpty()
    os.write(terminal, b"ssh\npi@192.0.2.7\n")
    done = subprocess.run(
        [sys.executable, "-m", "hwnas", "devices", "add", "my-pi"], cwd=devices.parent, stdin=seat,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    os.close(seat)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert dict(load_device(devices / "my-pi.toml").options) == {"host": "pi@192.0.2.7"}


def test_quotes_in_a_title_stay_what_they_are(devices, invoke):
    title = 'the "big" one \\ # [x] = ünïcode'
    assert invoke("devices", "add", "pi", "--host", "pi", "--title", title).status == 0
    assert tomllib.loads((devices / "pi.toml").read_text())["title"] == title


def profile(invoke, *devices):
    return invoke("profile", *devices, "--space", SPACE, "--networks", 3)


@pytest.fixture
def measured(devices):
    """Devices whose tables hold all, so that a busy machine need not be measured."""
    anyhow = Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, tries=0)
    for name in ("one", "two"):
        (devices / f"{name}.toml").write_text('title = "This machine"\n')
    done = workflows.profile_devices(
        ["one", "two"], SPACE, networks=3,
        discipline=Discipline(layer_rounds=3, network_rounds=4, steadiness=anyhow),
    )  # fmt: skip
    assert [one.error for one in done] == [None, None]
    return devices


def test_a_device_that_cannot_be_reached_stops_no_other(measured, invoke):
    (measured / "away.toml").write_text(UNREACHABLE)
    result = profile(invoke, "one", "away", "two")
    assert result.status == 1
    assert result.err.startswith("Error: Device away has no ssh server running")
    for name in ("one", "two"):
        table = f"latency_tables/{name}/profile_space-onnxruntime-fp32-1t.json"
        assert Path(table).is_file()
        assert f"{name}: {table}: 12 layers." in result.out
    assert "away: failed: Device away has no ssh server running" in result.out


def test_when_all_succeed_the_status_is_0(measured, invoke):
    result = profile(invoke, "one", "two")
    assert result.status == 0, result.err
    assert result.out.count("12 layers") == 2


def test_a_device_named_twice_is_refused(devices, invoke):
    result = profile(invoke, "host", "host")
    assert result.status == 1
    assert "named twice" in result.err
