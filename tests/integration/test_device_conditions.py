"""A profile of a device that is pinned, set to a governor and kept cool, on planted files.

The device's Python is a script that plants a root into the job and starts the real agent there.
"""

import os
import stat
import sys
from pathlib import Path

import pytest

from hwnas.devices import Device, load_device
from hwnas.errors import ConditionsError
from hwnas.latency_table import LatencyTable
from hwnas.profiling import profile
from hwnas.profiling.discipline import Discipline, Steadiness, Timing
from hwnas.spaces import load_space

SPACE = load_space(Path(__file__).parents[1] / "data" / "profile_space.toml")
QUICK = Discipline(
    Timing(1, 2, 3, 0.2, 50.0), layer_rounds=2, network_rounds=2,
    steadiness=Steadiness(max_unsettled=1.0),
)  # fmt: skip
CORE = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0

PYTHON = """#!{python}
import json, os, sys
with open("job.json") as file:
    job = json.load(file)
with open("job.json", "w") as file:
    json.dump(dict(job, root={root!r}), file)
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""

BOARD = """
title = "A board"
python = ["{script}"]
[measuring]
cores = [{core}]
governor = "performance"
max_temperature_c = 70.0
cool_down_s = {cool_down_s}
"""


class Board:
    """A device whose sensors and governor are files below a root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        root = folder / "root"
        self.zone = root / "sys/class/thermal/thermal_zone0/temp"
        cpufreq = root / f"sys/devices/system/cpu/cpu{CORE}/cpufreq"
        self.governor = cpufreq / "scaling_governor"
        for path, text in (
            (self.zone, "50000"), (self.governor, "schedutil"),
            (cpufreq / "scaling_available_governors", "schedutil performance"),
            (cpufreq / "scaling_cur_freq", "1800000"),
        ):  # fmt: skip
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def device(self, *, cool_down_s: float) -> Device:
        script = self._folder / "python"
        script.write_text(PYTHON.format(python=sys.executable, root=str(self._folder / "root")))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        path = self._folder / "board.toml"
        path.write_text(BOARD.format(script=script, core=CORE, cool_down_s=cool_down_s))
        return load_device(path)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def profiled(
    device: Device, folder: Path, seen: list[tuple[float, str]], board: Board
) -> LatencyTable:
    """A profile during which the board becomes hot at the tenth visit, if it was not before."""

    def on_progress(task: str, done: float, total: float, note: str = "") -> None:
        del task, total
        seen.append((done, note))
        if len(seen) == 10:
            board.zone.write_text("82500")
        if "cooling down" in note and device.measuring.cool_down_s > 1:
            board.zone.write_text("60000")

    return profile(
        device, SPACE, folder=folder, networks=3, held_out=2, discipline=QUICK,
        on_progress=on_progress,
    )  # fmt: skip


def test_the_conditions_asked_for_are_those_of_the_table(board: Board, tmp_path: Path) -> None:
    seen: list[tuple[float, str]] = []
    table = profiled(board.device(cool_down_s=60.0), tmp_path / "tables", seen, board)
    (origin,) = table.sessions
    assert origin.cores == (CORE,)
    assert origin.after is not None
    assert (origin.before.governor, origin.after.governor) == ("performance", "performance")
    assert (origin.before.frequency_mhz, origin.before.temperature_c) == (1800.0, 50.0)
    assert origin.after.temperature_c == 60.0
    assert board.governor.read_text() == "schedutil"
    assert any(note == "cooling down from 82 °C" for _, note in seen)


def test_a_board_that_stays_hot_stops_the_profile_and_nothing_is_lost(
    board: Board, tmp_path: Path
) -> None:
    device = board.device(cool_down_s=0.2)
    first: list[tuple[float, str]] = []
    with pytest.raises(ConditionsError, match=r"is too hot: it is at 82\.5 C after waiting"):
        profiled(device, tmp_path / "tables", first, board)
    assert board.governor.read_text() == "schedutil"
    board.zone.write_text("50000")
    again = [(0.0, "")] * 10  # it does not become hot again
    table = profiled(device, tmp_path / "tables", again, board)
    assert table.quality is not None
    assert again[10][0] >= max(done for done, _ in first)
