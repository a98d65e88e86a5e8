"""Profiles that are killed and go on: the client as a process, and what must come of it."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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
import warnings
from pathlib import Path
from hwnas.devices import load_device
from hwnas.errors import HwnasError
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.spaces import load_space

timing = Timing(
    warm_up_runs=1, min_samples=2, max_samples=3, visit_ms=1.0, min_sample_us=200.0, warm_up_ms=0.0
)
anything = Steadiness(max_step=1e9, max_scatter=1e9, max_level=1e9)
try:
    profile(
        load_device(sys.argv[1]), load_space({str(SOURCE)!r}), folder=Path(sys.argv[2]),
        networks={NETWORKS}, held_out=0,
        discipline=Discipline(timing, {ROUNDS}, {ROUNDS}, steadiness=anything),
        on_progress=lambda task, done, total, note="": print(done, total, flush=True),
    )
except HwnasError as error:
    sys.exit(f"{{type(error).__name__}} {{error}}")
"""
"""Prints the number of visits after each; ends with the name of an error and its sentence."""


@dataclass
class Profile:
    """A profile that clients, one after another, work on, and a witness of all they recorded.

    Attributes:
        device: Name or TOML file of the device.
        folder: The ``latency_tables`` folder.
        device_folder: Below which results files lie on the device, at whatever depth.
    """

    device: str
    folder: Path
    device_folder: Path
    _seen: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def tables(self) -> Path:
        """The folder of the device's tables."""
        return self.folder / Path(self.device).stem

    def client(self) -> "subprocess.Popen[str]":
        """A new client; standard error tells how it ended."""
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, self.device, str(self.folder)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def look(self) -> None:
        """Read all that is recorded now; fails when a visit was made twice or is lost."""
        logs = [self.tables / "profile_space-onnxruntime-fp32-1t.work" / "samples.jsonl"]
        for file in [*logs, *self.device_folder.rglob("*.results.jsonl")]:
            if not file.exists():
                continue
            text = file.read_text()
            lines = text[: text.rfind("\n") + 1].splitlines()
            visits = [record for record in map(json.loads, lines) if "visit" in record]
            numbers = Counter(record["visit"] for record in visits)
            assert max(numbers.values(), default=1) == 1, "a visit was recorded twice"
            for record in visits:
                assert self._seen.setdefault(record["visit"], record) == record

    def finish_and_check(self) -> None:
        """Let a client finish; all that was ever recorded must be in a complete table."""
        with self.client() as process:
            _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        self.check()

    def check(self) -> None:
        """The table is complete, holds all that was ever recorded, and nothing lies about."""
        table = LatencyTable.read(self.tables / "profile_space-onnxruntime-fp32-1t.json")
        catalog = load_space(SOURCE).catalog
        assert {timing.layer for timing in table.layers} == set(catalog.layers[1:])
        assert {len(timing.samples) for timing in table.layers} == {ROUNDS}
        assert {len(network.samples) for network in table.networks} == {ROUNDS}
        assert len(table.networks) == NETWORKS
        timings = (*table.layers, *table.networks)
        visits = [visit for timing in timings for visit in timing.samples] + [*table.overhead]
        # a table does not keep the canary's
        recorded = [record for record in self._seen.values() if "canary" not in record["model"]]
        assert {tuple(one["ns"]) for one in recorded} <= {tuple(visit.ns) for visit in visits}
        assert [path.suffix for path in self.tables.iterdir()] == [".json"]


def progress(process: "subprocess.Popen[str]") -> Iterator[tuple[int, int]]:
    """Visits done and to do, each time that a client says so; ends with the client."""
    assert process.stdout is not None
    for line in process.stdout:
        done, total = map(int, line.split())
        yield done, total


def wait_for_visits(process: "subprocess.Popen[str]", visits: int) -> None:
    """Return when a client said so often that it goes on."""
    for _, _ in zip(range(visits), progress(process), strict=False):
        pass


def wait_until_gone(pid: int) -> None:
    """Return when a process has ended; fails when it does not."""
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
