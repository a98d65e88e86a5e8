"""How the agent sees a device, sets it, leaves it as it was, and waits for it to cool down.

All below a planted root: the files of ``/sys`` and ``/proc`` that a kernel would offer.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hwnas.devices import agent

NOBODY = 65534

SLEEPER = """
import time
def version(): return "1"
def load(path, threads): return lambda: time.sleep(0.001)
"""

TIMING = {
    "warm_up_runs": 0, "min_samples": 1, "max_samples": 2, "visit_ms": 1.0, "min_sample_us": 1.0,
}  # fmt: skip

BOARD = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Cortex-A72\ncpu MHz\t: 99.0\n",
    **{
        f"sys/devices/system/cpu/cpu{core}/cpufreq/{name}": text
        for core, mhz in ((0, 600), (1, 1500))
        for name, text in (
            ("scaling_governor", "ondemand"),
            ("scaling_available_governors", "ondemand performance"),
            ("scaling_cur_freq", f"{mhz}000"),
        )
    },
    "sys/class/thermal/thermal_zone0/temp": "41000",
    "sys/class/thermal/thermal_zone1/temp": "52500",
    "sys/class/thermal/thermal_zone2/temp": "-274000",
    "sys/class/thermal/thermal_zone3/temp": "999000",
    "sys/class/thermal/thermal_zone4/temp": "42",
    "sys/class/thermal/thermal_zone5/temp": "hot",
    "sys/class/power_supply/AC/type": "Mains",
    "sys/class/power_supply/BAT0/type": "Battery",
    "sys/class/power_supply/BAT0/capacity": "87",
    "sys/class/power_supply/BAT0/status": "Discharging",
    "sys/class/power_supply/hid-mouse/type": "Battery",
    "sys/class/power_supply/hid-mouse/scope": "Device",
}


def planted(root: Path, files: Mapping[str, str] = BOARD) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with the agent and a root, that other users may enter too."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o777)
        (path / "agent.py").write_bytes(Path(agent.__file__).read_bytes())
        (path / "sleeper.py").write_text(SLEEPER)
        planted(path / "root")
        yield path


def job(folder: Path, visits: int = 2, **measuring: Any) -> None:
    content = {
        "job": "j", "runtime": "sleeper", "threads": 1, "timing": TIMING, "root": "root",
        "visits": [[number, "m"] for number in range(visits)],
        "measuring": {"cool_down_s": 5.0, **measuring},
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(content))


def start(folder: Path, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "agent.py", "job.json"], cwd=folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options,
    )  # fmt: skip


def lines(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    with process:
        assert process.stdout is not None
        return [json.loads(line) for line in process.stdout]


def governors(folder: Path) -> list[str]:
    cpus = folder / "root/sys/devices/system/cpu"
    return [(cpus / f"cpu{i}/cpufreq/scaling_governor").read_text().strip() for i in (0, 1)]


def test_the_state_is_that_of_the_cores_that_may_be_used(tmp_path: Path) -> None:
    root = planted(tmp_path)
    (root / "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor").write_text("performance")
    seen = [agent.state(root, cores) for cores in ((), (0,), (1,))]
    assert [one["frequency_mhz"] for one in seen] == [1500.0, 600.0, 1500.0]
    assert [one["governor"] for one in seen] == [
        "ondemand, performance", "ondemand", "performance",
    ]  # fmt: skip


def test_the_hottest_plausible_zone_counts_and_a_mouse_is_no_battery(tmp_path: Path) -> None:
    state = agent.state(planted(tmp_path))
    assert state["temperature_c"] == 52.5
    assert (state["battery_percent"], state["battery_status"]) == (87, "Discharging")


def test_without_frequencies_those_of_cpuinfo_count(tmp_path: Path) -> None:
    root = planted(tmp_path, {"proc/cpuinfo": BOARD["proc/cpuinfo"]})
    found = agent.conditions(root)
    assert (found["cpu"], found["before"]["frequency_mhz"]) == ("Cortex-A72", 99.0)


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_bytes(b"\xff\xfe")
    found = agent.conditions(tmp_path)
    assert found["cpu"]
    assert set(found["before"].values()) == {None}


def test_the_state_is_recorded_before_and_after(folder: Path) -> None:
    job(folder, visits=100)
    process = start(folder)
    assert process.stdout is not None
    header = json.loads(process.stdout.readline())
    (folder / "root/sys/class/thermal/thermal_zone0/temp").write_text("61000")
    after = lines(process)[-1]["after"]
    assert header["header"]["before"]["temperature_c"] == 52.5
    assert after["temperature_c"] == 61.0


def test_an_agent_that_goes_on_keeps_the_first_header(folder: Path) -> None:
    job(folder, visits=100_000)
    with start(folder) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        process.kill()
    visits = len((folder / "j.results.jsonl").read_bytes().splitlines())
    job(folder, visits=visits + 3)
    lines(start(folder))
    found = [json.loads(line) for line in (folder / "j.results.jsonl").read_text().splitlines()]
    assert [key for one in found for key in ("header", "after") if key in one] == [
        "header", "after",
    ]  # fmt: skip
    assert [one["visit"] for one in found if "visit" in one] == list(range(visits + 3))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no system that pins processes")
def test_models_run_on_the_cores_that_the_job_names(folder: Path) -> None:
    (folder / "sleeper.py").write_text(
        "import os\n"
        "def version(): return ','.join(map(str, os.sched_getaffinity(0)))\n"
        "def load(path, threads): return lambda: None\n"
    )
    core = max(os.sched_getaffinity(0))
    job(folder, cores=[core])
    header = lines(start(folder))[0]
    assert (header["runtime_version"], header["header"]["cores"]) == (str(core), [core])


@pytest.mark.parametrize("core", [1023, 10**6, 2**40])
def test_a_core_that_does_not_exist_is_refused(folder: Path, core: int) -> None:
    job(folder, cores=[0, core])
    (refusal,) = lines(start(folder))
    assert refusal["error"] == "cores"
    assert f"no CPU {core} for this process, but CPUs 0" in refusal["message"]


def test_a_governor_is_set_while_models_run_and_then_put_back(folder: Path) -> None:
    job(folder, cores=[0], governor="performance")
    header, *_, closing = lines(start(folder))
    assert header["header"]["before"]["governor"] == "performance"
    assert closing["after"]["governor"] == "performance"
    assert governors(folder) == ["ondemand", "ondemand"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, None])
def test_a_governor_is_put_back_when_the_agent_is_stopped_or_left(
    folder: Path, how: signal.Signals | None
) -> None:
    job(folder, visits=100_000, governor="performance")
    with start(folder) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        assert governors(folder) == ["performance", "performance"]
        if how is None:
            process.stdin.close()
        else:
            process.send_signal(how)
        assert process.wait(timeout=30) == (agent.EXIT_ABANDONED if how is None else 128 + how)
    assert governors(folder) == ["ondemand", "ondemand"]


def test_a_governor_is_put_back_when_a_model_cannot_be_loaded(folder: Path) -> None:
    (folder / "sleeper.py").write_text(
        "def version(): return '1'\ndef load(path, threads): raise ValueError('bad')\n"
    )
    job(folder, governor="performance")
    assert lines(start(folder))[-1] == {"error": "model", "message": "m: bad"}
    assert governors(folder) == ["ondemand", "ondemand"]


def test_a_governor_that_the_device_lacks_is_refused(folder: Path) -> None:
    job(folder, governor="turbo")
    assert lines(start(folder)) == [
        {"error": "governor", "message": "cpu0 offers ondemand, performance"}
    ]


def test_a_governor_is_not_set_by_a_user_who_may_not(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can start a process as another user")
    for name in ("agent.py", "sleeper.py", "job.json"):
        (folder / name).touch()
    job(folder, governor="performance")
    # an interpreter that this user can read
    found = subprocess.run(
        ["/usr/bin/env", "python3", "agent.py", "job.json"], cwd=folder, user=NOBODY, text=True,
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False,
    )  # fmt: skip
    if found.returncode == 127:
        pytest.skip("there is no python3 that every user may start")
    refusal = json.loads(found.stdout)
    assert refusal["error"] == "governor"
    assert "Permission denied" in refusal["message"]
    assert governors(folder) == ["ondemand", "ondemand"]


def test_visits_wait_while_the_device_is_hot(folder: Path) -> None:
    zone = folder / "root/sys/class/thermal/thermal_zone1/temp"
    zone.write_text("80000")
    job(folder, max_temperature_c=60.0, cool_down_s=600.0)
    process = start(folder)
    assert process.stdout is not None
    header, waiting = (json.loads(process.stdout.readline()) for _ in range(2))
    assert "header" in header
    assert waiting == {"waiting": {"temperature_c": 80.0, "max_temperature_c": 60.0}}
    time.sleep(0.2)
    recorded = (folder / "j.results.jsonl").read_text().splitlines()
    assert len(recorded) == 1, "no visit is made, and waiting is not recorded"
    zone.write_text("50000")
    assert [one.get("visit") for one in lines(process)] == [0, 1, None]


def test_a_device_that_stays_hot_is_refused_with_the_numbers(folder: Path) -> None:
    (folder / "root/sys/class/thermal/thermal_zone1/temp").write_text("80000")
    job(folder, max_temperature_c=60.0, cool_down_s=0.2)
    process = start(folder)
    refusal = lines(process)[-1]
    assert process.returncode == agent.EXIT_REFUSED
    assert refusal["error"] == "hot"
    assert re.fullmatch(
        r"it is at 80\.0 C after waiting \d+ s for at most 60 C", refusal["message"]
    )


def test_a_limit_without_a_thermometer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(agent.RefusedError, match="can be read"):
        agent.wait_while_hot(tmp_path, {"max_temperature_c": 60.0, "cool_down_s": 1.0})


def test_time_to_cool_down_is_no_time_of_work(folder: Path) -> None:
    zone = folder / "root/sys/class/thermal/thermal_zone1/temp"
    zone.write_text("80000")
    job(folder, visits=1, max_temperature_c=60.0, cool_down_s=600.0)
    content = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(json.dumps({**content, "limit_s": 3600.0}))
    process = start(folder)
    threading.Timer(0.5, zone.write_text, ["50000"]).start()
    assert "after" in lines(process)[-1]
