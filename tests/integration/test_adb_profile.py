"""Profiles of a phone by the real adb and the real adbd, undisturbed and disturbed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbd import Bench, Phone, bench
from killing import Profile, wait_for_visits
from sshd import wait_until_idle


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture
def phone(shared: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Phone]:
    """A phone that is plugged in; nothing may lie or run on it in the end."""
    monkeypatch.setenv("PATH", f"{shared.path}:{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    plugged = shared.plug()
    yield plugged
    wait_until_idle(plugged.folder)
    assert list((plugged.folder / "data").iterdir()) == []
    plugged.unplug()


@pytest.fixture
def profile(phone: Phone, tmp_path: Path) -> Profile:
    phone.write_device(tmp_path / "phone.toml")
    return Profile(str(tmp_path / "phone.toml"), tmp_path / "tables", phone.folder / "data")


def programs(folder: Path) -> Iterator[tuple[int, str]]:
    """Process id and program of what works in or below a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                yield int(process.name), (process / "cmdline").read_text().partition("\0")[0]


def child(process: "subprocess.Popen[str]") -> int:
    """Process id of the adb that a client waits for."""
    for _ in range(500):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    pytest.fail("the client runs no adb")


def ended(process: "subprocess.Popen[str]") -> str:
    """What a client wrote to standard error."""
    _, errors = process.communicate(timeout=120)
    return errors


def test_an_undisturbed_profile_is_complete(profile: Profile) -> None:
    profile.finish_and_check()


def test_a_client_killed_at_random_moments_measures_nothing_twice(
    profile: Profile, phone: Phone
) -> None:
    rng = random.Random(0)
    for _ in range(4):
        with profile.client() as process:
            wait_for_visits(process, rng.randrange(0, 50))
            time.sleep(rng.uniform(0, 0.005))
            process.send_signal(signal.SIGKILL)
        wait_until_idle(phone.folder)
        profile.look()
    profile.finish_and_check()


def test_an_agent_killed_at_random_moments_measures_nothing_twice(
    profile: Profile, phone: Phone
) -> None:
    rng = random.Random(1)
    for _ in range(3):
        with profile.client() as process:
            wait_for_visits(process, rng.randrange(1, 50))
            time.sleep(rng.uniform(0, 0.005))
            (agent,) = [pid for pid, name in programs(phone.folder) if name == sys.executable]
            os.kill(agent, signal.SIGKILL)
            errors = ended(process)
        assert process.returncode == 1
        assert "killed by signal 9" in errors
        profile.look()
    profile.finish_and_check()


def test_an_adb_killed_at_random_moments_is_started_again(profile: Profile) -> None:
    rng = random.Random(2)
    with profile.client() as process:
        for _ in range(2):
            wait_for_visits(process, rng.randrange(1, 30))
            os.kill(child(process), signal.SIGKILL)
        errors = ended(process)
    assert process.returncode == 0, errors
    assert "adb on this machine was killed by signal 9" in errors
    profile.look()
    profile.check()


def test_a_phone_plugged_in_again_goes_on(profile: Profile, phone: Phone, shared: Bench) -> None:
    with profile.client() as process:
        wait_for_visits(process, 20)
        phone.unplug()
        profile.look()
        shared.plug()
        errors = ended(process)
    assert process.returncode == 0, errors
    assert "Trying again" in errors
    profile.look()
    profile.check()


def test_a_server_of_adb_that_was_killed_is_started_again(profile: Profile, shared: Bench) -> None:
    with profile.client() as process:
        wait_for_visits(process, 20)
        shared.adb("kill-server")
        errors = ended(process)
    assert process.returncode == 0, errors
    assert "Trying again" in errors
    profile.look()
    profile.check()


def test_a_phone_that_stays_away_is_reported_and_nothing_is_lost(
    profile: Profile, phone: Phone, shared: Bench
) -> None:
    with profile.client() as process:
        wait_for_visits(process, 30)
        phone.unplug()
        errors = ended(process)
    assert process.returncode == 1
    assert f"ConnectionLostError Device phone ({phone.serial}) is offline" in errors
    profile.look()
    shared.plug()
    profile.finish_and_check()
