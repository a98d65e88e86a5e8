"""``hwnas devices check`` and profiles of several devices, through real OpenSSH servers."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd import Server, sshd, wait_until_idle

from hwnas import workflows
from hwnas.errors import TransportError
from hwnas.profiling.discipline import Discipline, Steadiness
from hwnas.workflows.device_check import Link

SPACE = Path(__file__).parents[1] / "data" / "profile_space.toml"

# what is measured on a busy machine is not to be believed, and is not what is tested
ANYHOW = Discipline(
    layer_rounds=1,
    network_rounds=2,
    steadiness=Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9, tries=0),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sshd(tmp_path / "server") as running:
        yield running


def check(server: Server, tmp_path: Path, **changes: str) -> tuple[Link, ...]:
    """Check the server as a device whose file has some lines replaced; nothing may be left."""
    path, on_device = tmp_path / "board.toml", tmp_path / "on-device"
    server.write_device(path, on_device)
    lines = path.read_text().splitlines()
    for key, line in changes.items():
        lines = [line if old.startswith(f"{key} = ") else old for old in lines]
    path.write_text("\n".join(lines))
    links = workflows.check_device(path)
    wait_until_idle(on_device)
    assert not _work_folders(on_device)
    return links


def broken(links: tuple[Link, ...]) -> Link:
    *before, last = links
    assert all(link.ok for link in before)
    assert not last.ok
    return last


def test_every_link_to_a_real_server_holds(server: Server, tmp_path: Path) -> None:
    links = check(server, tmp_path)
    assert [link.name for link in links] == [
        "reach", "write", "python", "runtime", "model", "conditions",
    ]  # fmt: skip
    assert all(link.ok for link in links), links


def test_a_server_that_is_down_breaks_the_first_link(server: Server, tmp_path: Path) -> None:
    server.kill()
    link = broken(check(server, tmp_path))
    assert link.name == "reach"
    assert "has no ssh server running" in link.text


def test_a_key_that_is_refused_breaks_the_first_link(server: Server, tmp_path: Path) -> None:
    (server.folder / "authorized_keys").write_text("")
    link = broken(check(server, tmp_path))
    assert link.name == "reach"
    assert "ssh-copy-id" in link.text


PYTHON = sys.executable


@pytest.mark.parametrize(("key", "line", "name", "said"), [
    ("workdir", 'workdir = "/dev/null/x"', "write", "options.workdir"),
    ("python", 'python = ["no-such-python"]', "python", "Install Python 3.8 or later there"),
    ("python", f'python = ["{PYTHON}", "-I", "-S"]', "runtime", "pip install ai-edge-litert"),
    ("python", f'python = ["prlimit", "--fsize=0", "{PYTHON}"]', "model", "free space there"),
    ("title", 'title = "x"\nmeasuring = { cores = [63] }', "conditions", "measuring.cores"),
])  # fmt: skip
def test_each_broken_link_is_named_with_what_mends_it(
    key: str, line: str, name: str, said: str, server: Server, tmp_path: Path
) -> None:
    link = broken(check(server, tmp_path, **{key: line}))
    assert link.name == name
    assert said in link.text


def test_two_boards_are_measured_at_the_same_time_while_a_third_is_down(tmp_path: Path) -> None:
    folders = [tmp_path / "left-device", tmp_path / "right-device"]
    both_at_work: list[bool] = []

    def on_progress(task: str, done: float, total: float, note: str = "") -> None:
        """At the first visit to either board, wait until the other one has its files, too."""
        if not both_at_work:
            end = time.monotonic() + 60
            while not all(map(_work_folders, folders)) and time.monotonic() < end:
                time.sleep(0.02)
            both_at_work.append(all(map(_work_folders, folders)))

    with contextlib.ExitStack() as stack:
        paths = []
        for name in ("left", "down", "right"):
            server = stack.enter_context(sshd(tmp_path / f"{name}-server"))
            paths.append(tmp_path / f"{name}.toml")
            server.write_device(paths[-1], tmp_path / f"{name}-device")
            if name == "down":
                server.kill()
        found = workflows.profile_devices(
            paths, SPACE, networks=3, folder=tmp_path / "tables", discipline=ANYHOW,
            on_progress=on_progress,
        )  # fmt: skip
    assert both_at_work == [True]
    assert [one.error is None for one in found] == [True, False, True]
    assert isinstance(found[1].error, TransportError)
    for folder in folders:
        wait_until_idle(folder)
        assert not _work_folders(folder)


def _work_folders(on_device: Path) -> list[Path]:
    return list(on_device.glob("*"))
