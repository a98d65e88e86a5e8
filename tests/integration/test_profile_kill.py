import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hwnas.latency_table import LatencyTable
from hwnas.spaces import load_space

SOURCE = Path(__file__).parents[1] / "data" / "profile_space.toml"
ROUNDS = 20
NETWORKS = 4
CLIENT = f"""
import sys
from pathlib import Path
from hwnas.devices import load_device
from hwnas.errors import TransportError
from hwnas.profiling import profile
from hwnas.profiling.plan import Discipline, Timing
from hwnas.spaces import load_space

timing = Timing(warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=1.0, min_sample_us=200.0)
try:
    profile(
        load_device("host"), load_space({str(SOURCE)!r}), folder=Path(sys.argv[1]),
        whole_networks={NETWORKS}, discipline=Discipline(timing, {ROUNDS}, {ROUNDS}),
        on_progress=lambda task, done, total, note="": print(done, flush=True),
    )
except TransportError as error:
    sys.exit(f"TransportError {{error}}")
"""


def client(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(folder)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def agent_of(process: "subprocess.Popen[str]") -> int | None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None


def wait_for_visits(process: "subprocess.Popen[str]", visits: int) -> None:
    assert process.stdout is not None
    for _ in range(visits):
        process.stdout.readline()


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        try:
            os.kill(pid, 0)
            # one that waits to be reaped runs no more
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} lives on")


class Witness:
    """Remembers all it ever saw of a visit, to see whether one is made twice or lost."""

    def __init__(self, folder: Path) -> None:
        self._work = folder / "host" / "profile_space-onnxruntime-fp32-1t.work"
        self._seen: dict[int, dict[str, Any]] = {}

    def look(self) -> None:
        files = [self._work / "samples.jsonl", *(self._work / "device").glob("*.results.jsonl")]
        for file in files:
            if not file.exists():
                continue
            text = file.read_text()
            lines = text[: text.rfind("\n") + 1].splitlines()
            visits = [record for record in map(json.loads, lines) if "visit" in record]
            numbers = Counter(record["visit"] for record in visits)
            assert max(numbers.values(), default=1) == 1, "a visit was recorded twice"
            for record in visits:
                assert self._seen.setdefault(record["visit"], record) == record

    def samples(self) -> set[tuple[int, ...]]:
        """Samples of each visit; without the canary's, which a table does not keep."""
        kept = [record for record in self._seen.values() if "canary" not in record["model"]]
        return {tuple(record["ns"]) for record in kept}


def finish_and_check(folder: Path, witness: Witness) -> None:
    with client(folder) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    table = LatencyTable.read(folder / "host" / "profile_space-onnxruntime-fp32-1t.json")
    catalog = load_space(SOURCE).catalog
    assert {timing.layer for timing in table.layers} == set(catalog.layers[1:])
    assert {len(timing.samples) for timing in table.layers} == {ROUNDS}
    assert {len(network.samples) for network in table.networks} == {ROUNDS}
    assert len(table.networks) == NETWORKS
    timings = (*table.layers, *table.networks)
    visits = [visit for timing in timings for visit in timing.samples] + [*table.overhead]
    assert witness.samples() <= {tuple(visit.ns) for visit in visits}
    assert [path.suffix for path in (folder / "host").iterdir()] == [".json"]


def test_a_client_killed_at_random_moments_measures_nothing_twice(tmp_path: Path) -> None:
    rng, witness = random.Random(0), Witness(tmp_path)
    for _ in range(6):
        with client(tmp_path) as process:
            wait_for_visits(process, rng.randrange(0, 50))
            time.sleep(rng.uniform(0, 0.005))
            agent = agent_of(process)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if agent is not None:
                wait_until_gone(agent)
        witness.look()
    finish_and_check(tmp_path, witness)


def test_an_agent_killed_at_random_moments_measures_nothing_twice(tmp_path: Path) -> None:
    rng, witness = random.Random(1), Witness(tmp_path)
    for _ in range(4):
        with client(tmp_path) as process:
            wait_for_visits(process, rng.randrange(1, 50))
            time.sleep(rng.uniform(0, 0.005))
            agent = agent_of(process)
            assert agent is not None
            os.kill(agent, signal.SIGKILL)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "killed by signal 9" in errors
        witness.look()
    finish_and_check(tmp_path, witness)
