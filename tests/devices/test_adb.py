from pathlib import Path

import pytest

from hwnas.devices import Device, reachable, transports
from hwnas.errors import FileFormatError, TransportError


def phone(**options: str | int) -> Device:
    return Device("phone", "A phone", transport="adb", options=options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "10.0.0.1"}, "host is not a known key.*serial, workdir"),
        ({"serial": 12345678}, "serial"),
        ({"serial": "two words"}, "options.serial is 'two words'"),
        ({"serial": "-s"}, "options.serial is '-s'"),
        ({"serial": "a\nb"}, "options.serial"),
        ({"workdir": "/data/$(reboot)"}, "options.workdir"),
        ({"workdir": "/data/../system"}, "options.workdir"),
        ({"workdir": "-rf /"}, "options.workdir"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, str | int], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        transports.create(phone(**options), Path())


def test_a_machine_without_adb_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install Android's platform-tools" in str(reachable(phone()))
    with pytest.raises(TransportError, match="not installed"):
        transports.create(phone(), tmp_path).pull("a")
