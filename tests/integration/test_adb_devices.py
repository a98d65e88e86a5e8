"""``hwnas devices check`` by the real adb and adbd, and of a device that benchmark_model times."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbd import Bench, bench
from sshd import wait_until_idle

from hwnas import workflows
from hwnas.workflows.device_check import Link

STAND_IN = Path(__file__).with_name("benchmark_model_stand_in.py")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


def names(links: tuple[Link, ...]) -> list[str]:
    return [link.name for link in links]


def test_every_link_to_a_phone_with_python_holds_until_it_is_unplugged(
    shared: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{shared.path}:{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    phone = shared.plug()
    phone.write_device(tmp_path / "phone.toml")
    links = workflows.check_device(tmp_path / "phone.toml", runtime="litert")
    assert all(link.ok for link in links), links
    assert names(links) == ["reach", "write", "python", "runtime", "model", "conditions"]
    wait_until_idle(phone.folder)
    assert list((phone.folder / "data").iterdir()) == []
    phone.unplug()
    (link,) = workflows.check_device(tmp_path / "phone.toml")
    assert (link.name, link.ok) == ("reach", False)


def test_a_device_without_python_is_checked_with_its_binary(tmp_path: Path) -> None:
    binary = tmp_path / "benchmark_model"
    path = tmp_path / "phone.toml"
    path.write_text(
        'title = "A phone"\nharness = "benchmark_model"\n'
        f'[harness_options]\ndevice_binary = "{binary}"\n'
    )
    *before, last = workflows.check_device(path)
    assert names(tuple(before)) == ["reach", "write"]
    assert (last.name, last.ok) == ("benchmark_model", False)
    assert "harness_options.binary" in last.text
    binary.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
    binary.chmod(0o755)
    links = workflows.check_device(path)
    assert all(link.ok for link in links), links
    assert names(links) == [
        "reach", "write", "benchmark_model", "runtime", "model", "conditions",
    ]  # fmt: skip
