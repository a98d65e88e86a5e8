"""A profile of this machine whose client or agent is killed."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from killing import Profile, wait_for_visits, wait_until_gone


def profile_of(folder: Path) -> Profile:
    return Profile("host", folder, device_folder=folder)


def agent_of(process: "subprocess.Popen[str]") -> int | None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None


def test_a_client_killed_at_random_moments_measures_nothing_twice(tmp_path: Path) -> None:
    rng, profile = random.Random(0), profile_of(tmp_path)
    for _ in range(6):
        with profile.client() as process:
            wait_for_visits(process, rng.randrange(0, 50))
            time.sleep(rng.uniform(0, 0.005))
            agent = agent_of(process)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if agent is not None:
                wait_until_gone(agent)
        profile.look()
    profile.finish_and_check()


def test_an_agent_killed_at_random_moments_measures_nothing_twice(tmp_path: Path) -> None:
    rng, profile = random.Random(1), profile_of(tmp_path)
    for _ in range(4):
        with profile.client() as process:
            wait_for_visits(process, rng.randrange(1, 50))
            time.sleep(rng.uniform(0, 0.005))
            agent = agent_of(process)
            assert agent is not None
            os.kill(agent, signal.SIGKILL)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "killed by signal 9" in errors
        profile.look()
    profile.finish_and_check()
