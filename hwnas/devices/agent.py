"""The agent: times model files on a device. One file, standard library only, Python 3.8 or later.

``python agent.py job.json`` visits models in the order the job names. Each finished visit is one
JSON line, appended to ``<job>.results.jsonl`` and printed; so are the device's state before the
first visit and after the last. Started again with the same job it goes on after the last whole
line. It ends by itself when nobody holds its standard input open, or at the job's time limit.

Timing, conditions and energy meters stand in one file so that one file is all a device needs.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import json
import math
import os
import platform
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path
from typing import IO, Any, Union

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

EXIT_REFUSED = 3  # the reason was printed as a line {"error": ..., "message": ...}
EXIT_ABANDONED = 4

_GAUGE_PERIOD_S = 0.05
_WAITING_PERIOD_S = 10.0  # between two lines that say so
_PLAUSIBLE_C = (1.0, 150.0)  # thermal zones that are off, or no thermometers, say other things
_MODULE_RAILS = ("VDD_IN", "POM_5V_IN")
_LEAST_PHONE_MW = 10.0

_undo: list[tuple[Path, str]] = []  # governors to be put back
_ending = threading.RLock()  # held where _undo is used, and from then on when the process ends


class RefusedError(Exception):
    """Why a job cannot be done: a word that the client knows, and a sentence."""


def main(job_path: str) -> int:
    """Do a job; returns the exit status."""
    _end_with_signals()
    _end_with_listener()
    with open(job_path, encoding="utf-8") as file:
        job = json.load(file)
    try:
        _do(job)
    except RefusedError as refusal:
        return _refuse(*refusal.args)
    except OSError as error:
        return _refuse("storage", str(error))
    finally:
        _put_back()
    return 0


def _do(job: dict[str, Any]) -> None:
    root, measuring = Path(job.get("root", "/")), job.get("measuring", {})
    cores = measuring.get("cores", ())
    limit = _Limit(job.get("limit_s", math.inf))
    _pin(cores)  # before the runtime starts threads of its own
    runtime = _load_runtime(job["runtime"])
    try:
        version = runtime.version()
    except ImportError as error:
        raise RefusedError("runtime", str(error)) from error
    with open(job["job"] + ".results.jsonl", "a+b") as results:
        done = _resume(results)
        job["visits"] = [visit for visit in job["visits"] if visit[0] not in done]
        if not job["visits"]:
            return
        _set_governor(root, cores, measuring.get("governor", ""))
        meter = find_meter(root, job.get("energy", {}).get("meter", "none"))
        if not done:
            seen = conditions(root, cores, meter)
            _record(results, {"header": seen, "runtime_version": version})
        _visit_all(job, runtime, results, meter, limit)
        _record(results, {"after": state(root, cores)})


def _visit_all(
    job: dict[str, Any], runtime: Any, results: IO[bytes], meter: Meter | None, limit: _Limit
) -> None:
    root, energy = Path(job.get("root", "/")), job.get("energy", {})
    metered = set(energy.get("visits", ())) if meter else set()
    idle_mw = 0.0
    if meter and any(visit in metered for visit, _ in job["visits"]):
        _, seconds, mj = energy_over(meter, lambda: time.sleep(0.1), energy["block_s"])
        idle_mw = mj / seconds
    models: dict[str, Callable[[], object]] = {}
    gc.disable()  # a collection in the middle of a sample is not the model's time
    for visit, name in job["visits"]:
        if name not in models:
            try:
                models[name] = runtime.load(name, job["threads"])
            except ValueError as error:
                raise RefusedError("model", "{}: {}".format(name, error)) from error
            gc.collect()
        limit.extend(wait_while_hot(root, job.get("measuring", {})))
        found = dict(visit=visit, model=name, **time_model(models[name], job["timing"]))
        if meter and visit in metered:
            runs, seconds, mj = energy_over(meter, models[name], energy["block_s"])
            found["energy"] = {
                "meter": meter.name, "runs": runs, "seconds": round(seconds, 6),
                "mj": round(mj, 6), "idle_mw": round(idle_mw, 6),
            }  # fmt: skip
        _record(results, found)


def time_model(run: Callable[[], object], settings: dict[str, Any]) -> dict[str, Any]:
    """Samples of one visit: how many runs each covers, and how many nanoseconds they took.

    Args:
        run: Runs the model once.
        settings: ``warm_up_runs`` and ``warm_up_ms``, both of which come before the samples;
            ``min_sample_us``, which a sample of a very short model reaches by covering several
            runs; ``min_samples``, ``max_samples`` and ``visit_ms``, after which the visit ends
            once it has the fewest samples.
    """
    clock = time.perf_counter_ns
    warm = clock() + int(settings.get("warm_up_ms", 0) * 1e6)
    for _ in repeat(None, settings["warm_up_runs"]):
        run()
    while clock() < warm:
        run()
    start = clock()
    run()
    once = max(clock() - start, 1)
    runs = max(1, -(-int(settings["min_sample_us"] * 1000) // once))
    end = clock() + int(settings["visit_ms"] * 1e6)
    samples: list[int] = []
    while len(samples) < settings["max_samples"]:
        start = clock()
        for _ in repeat(None, runs):
            run()
        stop = clock()
        samples.append(max(stop - start, 1))
        if stop >= end and len(samples) >= settings["min_samples"]:
            break
    return {"runs": runs, "ns": samples}


def energy_over(
    meter: Meter, run: Callable[[], object], seconds: float
) -> tuple[int, float, float]:
    """Runs, the seconds they took together, and the millijoules that a meter counted meanwhile."""
    _again_for(meter.settle_s, run)
    meter.start()
    runs = _again_for(seconds, run)
    return (runs, *meter.stop())


def _again_for(seconds: float, run: Callable[[], object]) -> int:
    end = time.monotonic() + seconds
    runs = 0
    while runs == 0 or time.monotonic() < end:
        run()
        runs += 1
    return runs


def conditions(root: Path, cores: Sequence[int] = (), meter: Meter | None = None) -> dict[str, Any]:
    """What the device is and how it is set; None for what cannot be read.

    Args:
        root: Where ``proc`` and ``sys`` are found, normally ``/``.
        cores: CPUs that the models are pinned to; empty when to none.
        meter: What measures energy.
    """
    cpuinfo = _cpuinfo(root / "proc/cpuinfo")
    named = (cpuinfo.get(key) for key in ("model name", "Model", "Hardware"))
    return {
        "cpu": next((name for name in named if name), platform.processor() or platform.machine()),
        "os": " ".join((platform.system(), platform.release(), platform.machine())),
        "python": platform.python_version(),
        "cores": list(cores),
        "meter": meter.name if meter else None,
        "before": state(root, cores),
    }


def state(root: Path, cores: Sequence[int] = ()) -> dict[str, Any]:
    """How the device is set and how it fares now; None for what cannot be read."""
    folders = _frequency_folders(root, cores)
    governors = sorted({_read(folder / "scaling_governor") or "" for folder in folders} - {""})
    khz = [_number(folder / "scaling_cur_freq") or 0.0 for folder in folders]
    mhz = max(khz, default=0.0) / 1000 or _as_number(_cpuinfo(root / "proc/cpuinfo").get("cpu MHz"))
    battery = next(_batteries(root), None)
    percent = _number(battery / "capacity") if battery else None
    return {
        "governor": ", ".join(governors) or None,
        "frequency_mhz": mhz or None,
        "temperature_c": temperature_c(root),
        "battery_percent": None if percent is None else int(percent),
        "battery_status": _read(battery / "status") if battery else None,
    }


def temperature_c(root: Path) -> float | None:
    """Of the hottest thermal zone, degrees Celsius; None when no zone says anything plausible."""
    zones = (root / "sys/class/thermal").glob("thermal_zone*/temp")
    found = [(_number(zone) or 0.0) / 1000 for zone in zones]
    return max((c for c in found if _PLAUSIBLE_C[0] <= c <= _PLAUSIBLE_C[1]), default=None)


def wait_while_hot(root: Path, measuring: dict[str, Any]) -> float:
    """Wait until the device is no hotter than ``max_temperature_c``; seconds that it took.

    Raises:
        RefusedError: It does not cool down within ``cool_down_s``, or has no thermometer.
    """
    most = measuring.get("max_temperature_c")
    if most is None:
        return 0.0
    start = told = time.monotonic()
    while True:
        now_c, waited = temperature_c(root), time.monotonic() - start
        if now_c is None:
            raise RefusedError("hot", "none of its temperatures can be read")
        if now_c <= most:
            return waited
        if waited >= measuring["cool_down_s"]:
            raise RefusedError(
                "hot",
                "it is at {:.1f} C after waiting {:.0f} s for at most {:g} C".format(
                    now_c, waited, most
                ),
            )
        if told == start or time.monotonic() - told >= _WAITING_PERIOD_S:
            told = time.monotonic()
            _print({"waiting": {"temperature_c": now_c, "max_temperature_c": most}})
        time.sleep(min(1.0, max(measuring["cool_down_s"] - waited, 0.01)))


def _frequency_folders(root: Path, cores: Sequence[int]) -> list[Path]:
    cpus = root / "sys/devices/system/cpu"
    named = [cpus / "cpu{}".format(core) for core in cores] or sorted(cpus.glob("cpu[0-9]*"))
    return [folder / "cpufreq" for folder in named]


def _batteries(root: Path) -> Any:
    for folder in sorted((root / "sys/class/power_supply").glob("*")):
        # a wireless mouse has a battery, too
        if _read(folder / "type") == "Battery" and _read(folder / "scope") != "Device":
            yield folder


def _cpuinfo(path: Path) -> dict[str, str]:
    """First value of each key of ``/proc/cpuinfo``."""
    found: dict[str, str] = {}
    for line in (_read(path) or "").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


class Counters:
    """Energy counters in microjoules that start again from 0 beyond a known range."""

    settle_s = 0.0

    def __init__(self, name: str, ranges: dict[Path, float]) -> None:
        self.name = name
        self._ranges = ranges
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._before = {path: _reading(path) for path in self._ranges}
        self._start = time.monotonic()

    def stop(self) -> tuple[float, float]:
        """Seconds and millijoules since then."""
        seconds = time.monotonic() - self._start
        used = [(_reading(path) - self._before[path]) % most for path, most in self._ranges.items()]
        return seconds, sum(used) / 1000


class Gauge:
    """A power that a thread reads again and again and adds up.

    Args:
        name: Of the meter.
        read_mw: Reads the power in milliwatts.
        settle_s: How long the gauge may show what was before.
    """

    def __init__(self, name: str, read_mw: Callable[[], float], settle_s: float) -> None:
        self.name = name
        self.settle_s = settle_s
        self._read_mw = read_mw
        read_mw()

    def start(self) -> None:
        """Begin to read."""
        self._enough = threading.Event()
        self._fault: RefusedError | None = None
        self._mj, self._mw = 0.0, self._read_mw()
        self._start = self._last = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[float, float]:
        """Seconds and millijoules since then."""
        self._enough.set()
        self._thread.join()
        if self._fault:
            raise self._fault
        self._add()
        return self._last - self._start, self._mj

    def _watch(self) -> None:
        try:
            while not self._enough.wait(_GAUGE_PERIOD_S):
                self._add()
        except RefusedError as fault:
            self._fault = fault

    def _add(self) -> None:
        mw, now = self._read_mw(), time.monotonic()
        self._mj += (self._mw + mw) / 2 * (now - self._last)
        self._mw, self._last = mw, now


def rapl(root: Path) -> Counters:
    """Processor packages of Intel and AMD; their subdomains and the whole platform hold them."""
    names = sorted((root / "sys/class/powercap").glob("intel-rapl:*/name"))
    packages = [name.parent for name in names if (_read(name) or "").startswith("package")]
    if not packages:
        raise RefusedError("meter", "/sys/class/powercap/intel-rapl:* names no package")
    ranges = {path / "energy_uj": _reading(path / "max_energy_range_uj") for path in packages}
    return Counters("rapl", ranges)


def ina3221(root: Path) -> Gauge:
    """The sensor on Jetson boards that watches what goes into the whole module.

    That is the rail VDD_IN, or POM_5V_IN on the first Nano. Boards whose rails are all parts of
    the module are refused: which of them to add up differs from board to board.
    """
    rails = {
        _read(label): (label.with_name(number + "_input"), label.with_name(current + "_input"))
        for label in (root / "sys/bus/i2c/drivers").glob("ina3221*/*/hwmon/hwmon*/in*_label")
        for number in [label.name[: -len("_label")]]
        for current in ["curr" + number[len("in") :]]
    }
    found = next((rails[name] for name in _MODULE_RAILS if name in rails), None)
    if found is None:
        raise RefusedError(
            "meter",
            "/sys/bus/i2c/drivers/ina3221* has none of the rails " + ", ".join(_MODULE_RAILS),
        )
    millivolts, milliamperes = found
    return Gauge("ina3221", lambda: _reading(millivolts) * _reading(milliamperes) / 1000, 0.5)


def battery(root: Path) -> Gauge:
    """A phone's fuel gauge; what it says means something only while the battery is discharged."""
    folder = root / "sys/class/power_supply/battery"

    def read_mw() -> float:
        status = _read(folder / "status")
        if status != "Discharging":
            raise RefusedError(
                "meter", "the battery is {}, not Discharging: unplug it".format(status)
            )
        # phones do not agree on the sign
        mw = abs(_reading(folder / "current_now")) * _reading(folder / "voltage_now") / 1e9
        if mw < _LEAST_PHONE_MW:
            raise RefusedError(
                "meter", "a battery that gives {:.3g} mW is not read in uA and uV".format(mw)
            )
        return mw

    return Gauge("battery", read_mw, 2.0)


Meter = Union[Counters, Gauge]
METERS: dict[str, Callable[[Path], Meter]] = {
    "rapl": rapl,
    "ina3221": ina3221,
    "battery": battery,
}
"""Energy meters by name; each raises `RefusedError` where it cannot be used."""


def find_meter(root: Path, name: str) -> Meter | None:
    """The named meter, the first one that can be used for an empty name, or none for ``none``."""
    if name and name != "none":
        return METERS[name](root)
    for found in METERS.values() if not name else ():
        try:
            return found(root)
        except RefusedError:
            continue
    return None


def _reading(path: Path) -> float:
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RefusedError("meter", "{} cannot be read ({})".format(path, reason)) from error


def _pin(cores: Sequence[int]) -> None:
    """Keep this process and the threads that it will start on some cores."""
    if not cores:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise RefusedError("cores", "its system pins no process to cores")
    offered = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
        missing = set(cores) - os.sched_getaffinity(0)
    except (OSError, OverflowError, ValueError):
        missing = set(cores) - offered
    if missing:
        raise RefusedError(
            "cores",
            "it has no CPU {} for this process, but CPUs {}".format(
                ", ".join(map(str, sorted(missing))), ", ".join(map(str, sorted(offered)))
            ),
        )


def _set_governor(root: Path, cores: Sequence[int], governor: str) -> None:
    for folder in _frequency_folders(root, cores) if governor else ():
        path = folder / "scaling_governor"
        before = _read(path)
        offered = (_read(folder / "scaling_available_governors") or "").split()
        if before is None or governor not in offered:
            raise RefusedError(
                "governor",
                "{} offers {}".format(folder.parent.name, ", ".join(offered) or "no governor"),
            )
        if before == governor:  # perhaps because another core's setting is also this one's
            continue
        try:
            with _ending:
                _undo.append((path, before))
                path.write_text(governor)
        except OSError as error:
            raise RefusedError("governor", "{}: {}".format(path, error.strerror)) from error


def _put_back() -> None:
    """Governors as they were found."""
    with _ending:
        while _undo:
            path, before = _undo.pop()
            try:
                path.write_text(before)
            except OSError:  # it could not be set either
                continue


def _leave(status: int) -> None:
    """End the process from any thread, leaving the device as it was."""
    _ending.acquire()  # for good: nothing shall be set any more
    _put_back()
    os._exit(status)


def _end_with_listener() -> None:
    """End this process when the client is gone, which shows as the end of standard input."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return  # started by hand

    def watch() -> None:
        while os.read(0, 4096):
            pass
        _leave(EXIT_ABANDONED)

    threading.Thread(target=watch, daemon=True).start()


def _end_with_signals() -> None:
    """End at once when told to, even while the runtime is at work.

    To be called before any other thread is started, which would take the signals instead.
    """
    if not hasattr(signal, "sigwait"):  # Windows
        return
    signals = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=lambda: _leave(128 + signal.sigwait(signals)), daemon=True).start()


class _Limit:
    """Ends the process after some seconds of work."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        if seconds < math.inf:
            threading.Thread(target=self._watch, daemon=True).start()

    def extend(self, seconds: float) -> None:
        """Allow for time in which no work was done."""
        self._end += seconds

    def _watch(self) -> None:
        while time.monotonic() < self._end:
            time.sleep(max(self._end - time.monotonic(), 0.0))
        _leave(_refuse("time", "it took longer than {:g} s".format(self._seconds)))


def _load_runtime(name: str) -> Any:
    # the file is called like the package it wraps, which must not be found here instead
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    loader = importlib.machinery.SourceFileLoader("agent_" + name, str(here / (name + ".py")))
    spec = importlib.machinery.ModuleSpec(loader.name, loader, origin=loader.path)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _resume(results: IO[bytes]) -> set[int]:
    """Visits that are recorded already; a torn last line is cut off."""
    if fcntl is not None:
        fcntl.flock(results, fcntl.LOCK_EX)  # until an agent that was left behind has ended
    results.seek(0)
    content = results.read()
    whole = content[: content.rfind(b"\n") + 1]
    results.truncate(len(whole))
    records = [json.loads(line) for line in whole.splitlines()]
    return {record["visit"] for record in records if "visit" in record}


def _record(results: IO[bytes], content: dict[str, Any]) -> None:
    results.write(_line(content).encode())
    results.flush()
    _print(content)


def _print(content: dict[str, Any]) -> None:
    try:
        sys.stdout.write(_line(content))
        sys.stdout.flush()
    except BrokenPipeError:
        _leave(EXIT_ABANDONED)


def _refuse(what: str, message: str) -> int:
    _print({"error": what, "message": message})
    return EXIT_REFUSED


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _number(path: Path) -> float | None:
    return _as_number(_read(path))


def _as_number(text: str | None) -> float | None:
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
