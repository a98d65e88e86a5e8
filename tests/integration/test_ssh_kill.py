"""A profile through ssh whose agent, client and server are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import Profile, progress, wait_for_visits
from sshd import Server, running_in, sshd, wait_until_idle

ROUNDS = 2  # of each kind of kill


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sshd(tmp_path / "server") as running:
        yield running


@pytest.fixture
def profile(server: Server, tmp_path: Path) -> Profile:
    on_device = tmp_path / "on-device"
    server.write_device(tmp_path / "board.toml", on_device)
    return Profile(str(tmp_path / "board.toml"), tmp_path / "latency_tables", on_device)


def kill_agent(profile: Profile, process: "subprocess.Popen[str]") -> None:
    agents = [
        pid
        for pid, words in running_in(profile.device_folder).items()
        if words[0] == sys.executable
    ]
    for pid in agents:
        os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "killed by signal 9" in errors


def test_agent_client_and_server_killed_at_random_moments_measure_nothing_twice(
    profile: Profile, server: Server
) -> None:
    rng = random.Random(2)
    victims = ["agent", "client", "server"] * ROUNDS
    rng.shuffle(victims)
    for victim in victims:
        with profile.client() as process:
            wait_for_visits(process, rng.randrange(1, 60))
            time.sleep(rng.uniform(0, 0.02))
            if victim == "agent":
                kill_agent(profile, process)
            elif victim == "server":
                server.restart()
                wait_for_visits(process, 3)
            process.kill()
        wait_until_idle(profile.device_folder)
        profile.look()
    profile.finish_and_check()
    wait_until_idle(profile.device_folder)
    assert not list(profile.device_folder.iterdir())


@pytest.mark.parametrize("delay_s", [0.0, 0.1])
def test_a_client_killed_when_all_is_measured_leaves_nothing_in_the_end(
    delay_s: float, profile: Profile
) -> None:
    with profile.client() as process:
        for done, total in progress(process):
            if done == total:
                time.sleep(delay_s)
                process.kill()
    profile.look()
    profile.finish_and_check()
    wait_until_idle(profile.device_folder)
    assert not list(profile.device_folder.iterdir())
