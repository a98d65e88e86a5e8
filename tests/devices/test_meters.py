"""Energy meters on planted files: no real meter was at hand."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hwnas.devices import agent

RANGE_UJ = 262_143_328_850

# a model whose every run takes 40 mJ, on a device that takes 2 W whatever happens
BURNER = """
import os, threading, time
PATH, RANGE, runs = {path!r}, {most}, [0]
def advance():
    while True:
        used = int(2e6 * time.monotonic()) + 40_000 * runs[0]
        with open(PATH + ".new", "w") as file:
            file.write(str((RANGE - 500_000 + used) % RANGE))
        os.replace(PATH + ".new", PATH)
        time.sleep(0.001)
def version():
    threading.Thread(target=advance, daemon=True).start()
    return "1"
def load(path, threads):
    def run():
        time.sleep(0.005)
        runs[0] += 1
    return run
"""


def written(path: Path, text: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(f"{text}\n")
    os.replace(temporary, path)
    return path


def planted_rapl(root: Path, **domains: str) -> Path:
    """Zones by number (``_`` for a colon) and name, each at 100 J."""
    folder = root / "sys/class/powercap"
    for zone, name in domains.items():
        place = folder / f"intel-rapl:{zone.removeprefix('zone').replace('_', ':')}"
        written(place / "name", name)
        written(place / "energy_uj", 100_000_000)
        written(place / "max_energy_range_uj", RANGE_UJ)
    return folder


def planted_ina3221(root: Path, driver: str, **rails: tuple[str, int, int]) -> Path:
    """Channels by number: label, millivolts, milliamperes."""
    folder = root / f"sys/bus/i2c/drivers/{driver}/1-0040/hwmon/hwmon3"
    for channel, (label, millivolts, milliamperes) in rails.items():
        number = channel.removeprefix("in")
        written(folder / f"in{number}_label", label)
        written(folder / f"in{number}_input", millivolts)
        written(folder / f"curr{number}_input", milliamperes)
    return folder


def planted_battery(root: Path, *, ua: int, uv: int, status: str) -> Path:
    folder = root / "sys/class/power_supply/battery"
    for name, value in {"current_now": ua, "voltage_now": uv, "status": status}.items():
        written(folder / name, value)
    return folder


def used(meter: "agent.Meter", change: Any) -> tuple[float, float]:
    """Seconds and millijoules while something happens."""
    meter.start()
    change()
    return meter.stop()


def power_mw(meter: "agent.Meter", seconds: float = 0.3) -> float:
    _, took, mj = agent.energy_over(meter, lambda: time.sleep(0.01), seconds)
    return mj / took


@contextmanager
def advancing(path: Path, *, watts: float, start_uj: int = 0) -> Iterator[None]:
    """A counter that advances at a known power and starts again beyond its range."""
    stop = threading.Event()
    begin = time.monotonic()

    def advance() -> None:
        while not stop.is_set():
            used = int(watts * 1e6 * (time.monotonic() - begin))
            written(path, (start_uj + used) % RANGE_UJ)
            stop.wait(0.001)

    thread = threading.Thread(target=advance)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_packages_are_added_up_and_nothing_twice(tmp_path: Path) -> None:
    folder = planted_rapl(
        tmp_path, zone0="package-0", zone0_0="core", zone0_1="dram", zone1="package-1", zone2="psys"
    )
    written(folder / "intel-rapl-mmio:0/name", "package-0")

    def change() -> None:
        for zone in folder.glob("intel-rapl:*"):
            written(zone / "energy_uj", 100_000_000 + 1_500)

    assert used(agent.rapl(tmp_path), change)[1] == 2 * 1.5


def test_a_counter_that_starts_again_has_counted_on(tmp_path: Path) -> None:
    counter = planted_rapl(tmp_path, zone0="package-0") / "intel-rapl:0/energy_uj"
    written(counter, RANGE_UJ - 2_000)
    _, mj = used(agent.rapl(tmp_path), lambda: written(counter, 5_000))
    assert mj == pytest.approx(7.0)


@pytest.mark.parametrize("start_uj", [0, RANGE_UJ - 100_000])
def test_a_counter_that_advances_at_a_power_is_read_as_that_power(
    tmp_path: Path, start_uj: int
) -> None:
    counter = planted_rapl(tmp_path, zone0="package-0") / "intel-rapl:0/energy_uj"
    with advancing(counter, watts=5.0, start_uj=start_uj):
        assert power_mw(agent.rapl(tmp_path)) == pytest.approx(5000, rel=0.2)


@pytest.mark.parametrize("driver", ["ina3221", "ina3221x"])
def test_the_rail_into_the_whole_module_is_read(tmp_path: Path, driver: str) -> None:
    planted_ina3221(
        tmp_path, driver, in1=("VDD_IN", 5000, 900), in2=("VDD_CPU_GPU_CV", 5000, 300),
        in3=("VDD_SOC", 5000, 200),
    )  # fmt: skip
    written(
        tmp_path / f"sys/bus/i2c/drivers/{driver}/1-0040/hwmon/hwmon3/in7_label", "sum of shunts"
    )
    assert power_mw(agent.ina3221(tmp_path)) == pytest.approx(4500)


def test_a_board_without_such_a_rail_is_refused(tmp_path: Path) -> None:
    planted_ina3221(tmp_path, "ina3221", in1=("VDD_GPU_SOC", 5000, 900))
    with pytest.raises(agent.RefusedError, match="none of the rails VDD_IN"):
        agent.ina3221(tmp_path)


@pytest.mark.parametrize("ua", [500_000, -500_000])
def test_a_fuel_gauge_is_read_whatever_its_sign(tmp_path: Path, ua: int) -> None:
    planted_battery(tmp_path, ua=ua, uv=4_000_000, status="Discharging")
    meter = agent.battery(tmp_path)
    meter.settle_s = 0.0
    assert power_mw(meter, 0.1) == pytest.approx(2000)


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_a_fuel_gauge_of_a_phone_on_its_cable_is_refused(tmp_path: Path, status: str) -> None:
    planted_battery(tmp_path, ua=500_000, uv=4_000_000, status=status)
    with pytest.raises(agent.RefusedError, match=f"{status}, not Discharging: unplug it"):
        agent.battery(tmp_path)


def test_a_fuel_gauge_in_other_units_is_refused(tmp_path: Path) -> None:
    planted_battery(tmp_path, ua=350, uv=4_000_000, status="Discharging")  # milliamperes
    with pytest.raises(agent.RefusedError, match=r"1\.4 mW is not read in uA and uV"):
        agent.battery(tmp_path)


def test_a_cable_that_is_plugged_in_meanwhile_is_noticed(tmp_path: Path) -> None:
    folder = planted_battery(tmp_path, ua=500_000, uv=4_000_000, status="Discharging")
    meter = agent.battery(tmp_path)

    def plug_in_and_out() -> None:
        for status in ("Charging", "Discharging"):
            written(folder / "status", status)
            time.sleep(0.3)

    with pytest.raises(agent.RefusedError, match="Charging"):
        used(meter, plug_in_and_out)


def test_a_power_that_rises_is_integrated() -> None:
    start = time.monotonic()
    reads: list[float] = []

    def ramp_mw() -> float:
        reads.append(time.monotonic() - start)
        return 1000 * reads[-1]

    meter = agent.Gauge("ramp", ramp_mw, 0.0)
    reads.clear()
    _, mj = used(meter, lambda: time.sleep(0.3))
    assert len(reads) > 2
    assert mj == pytest.approx(500 * (reads[-1] ** 2 - reads[0] ** 2), rel=0.1)


def test_the_first_meter_that_can_be_used_is_found(tmp_path: Path) -> None:
    assert agent.find_meter(tmp_path, "") is None
    planted_battery(tmp_path, ua=500_000, uv=4_000_000, status="Charging")
    assert agent.find_meter(tmp_path, "") is None
    planted_ina3221(tmp_path, "ina3221", in1=("POM_5V_IN", 5000, 900))
    found = agent.find_meter(tmp_path, "")
    assert found is not None
    assert found.name == "ina3221"
    assert agent.find_meter(tmp_path, "none") is None


@pytest.mark.parametrize("name", agent.METERS)
def test_a_meter_that_is_named_and_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(agent.RefusedError):
        agent.find_meter(tmp_path, name)


@pytest.mark.parametrize("text", ["", "many", "1.2.3"])
def test_a_counter_that_says_no_number_is_refused(tmp_path: Path, text: str) -> None:
    written(planted_rapl(tmp_path, zone0="package-0") / "intel-rapl:0/energy_uj", text)
    with pytest.raises(agent.RefusedError, match="energy_uj cannot be read"):
        agent.rapl(tmp_path)


def test_an_inference_costs_what_it_takes_beyond_the_idle_device(tmp_path: Path) -> None:
    root = tmp_path / "root"
    counter = planted_rapl(root, zone0="package-0") / "intel-rapl:0/energy_uj"
    (tmp_path / "agent.py").write_bytes(Path(agent.__file__).read_bytes())
    (tmp_path / "burner.py").write_text(BURNER.format(path=str(counter), most=RANGE_UJ))
    job = {
        "job": "j", "runtime": "burner", "threads": 1, "root": str(root),
        "visits": [[0, "m"], [1, "m"], [2, "m"]],
        "timing": {
            "warm_up_runs": 0, "min_samples": 1, "max_samples": 1, "visit_ms": 0.0,
            "min_sample_us": 1.0,
        },
        "energy": {"meter": "", "block_s": 0.5, "visits": [0, 2]},
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(job))
    with subprocess.Popen(
        [sys.executable, "agent.py", "job.json"], cwd=tmp_path, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        header, *visits, _ = [json.loads(line) for line in process.stdout]
    assert header["header"]["meter"] == "rapl"
    blocks = [visit.get("energy") for visit in visits]
    assert blocks[1] is None
    for block in (blocks[0], blocks[2]):
        assert block["idle_mw"] == pytest.approx(2000, rel=0.05)
        beyond = block["mj"] - block["idle_mw"] * block["seconds"]
        assert beyond / block["runs"] == pytest.approx(40, rel=0.1)
