"""The agent: times model files on a device. One file, standard library only, Python 3.8 or later.

``python agent.py job.json`` visits models in the order the job names. Each finished visit is one
JSON line, appended to ``<job>.results.jsonl`` and printed. Started again with the same job it
goes on after the last whole line. It ends by itself when nobody holds its standard input open.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import json
import os
import platform
import stat
import sys
import threading
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

EXIT_REFUSED = 3  # the reason was printed as a line {"error": ..., "message": ...}
EXIT_ABANDONED = 4


def main(job_path: str) -> int:
    """Do a job; returns the exit status."""
    _end_with_listener()
    with open(job_path, encoding="utf-8") as file:
        job = json.load(file)
    runtime = _load_runtime(job["runtime"])
    try:
        version = runtime.version()
    except ImportError as error:
        return _refuse("runtime", str(error))
    try:
        with open(job["job"] + ".results.jsonl", "a+b") as results:
            done = _resume(results)
            if not done:
                _record(results, {"header": conditions(Path("/")), "runtime_version": version})
            return _visit_all(job, runtime, results, done)
    except OSError as error:
        return _refuse("storage", str(error))


def conditions(root: Path) -> dict[str, Any]:
    """What the device is and how it is set; None for what cannot be read.

    Args:
        root: Where ``proc`` and ``sys`` are found, normally ``/``.
    """
    frequency = root / "sys/devices/system/cpu/cpu0/cpufreq"
    cpuinfo = _cpuinfo(root / "proc/cpuinfo")
    khz = _read(frequency / "scaling_cur_freq")
    mhz = float(khz) / 1000 if khz else cpuinfo.get("cpu MHz")
    named = (cpuinfo.get(key) for key in ("model name", "Model", "Hardware"))
    return {
        "cpu": next((name for name in named if name), platform.processor() or platform.machine()),
        "os": " ".join((platform.system(), platform.release(), platform.machine())),
        "python": platform.python_version(),
        "governor": _read(frequency / "scaling_governor"),
        "frequency_mhz": float(mhz) if mhz else None,
    }


def time_model(run: Callable[[], object], settings: dict[str, Any]) -> dict[str, Any]:
    """Samples of one visit: how many runs each covers, and how many nanoseconds they took.

    Args:
        run: Runs the model once.
        settings: ``warm_up_runs``; ``min_sample_us``, which a sample of a very short model
            reaches by covering several runs; ``min_samples``, ``max_samples`` and ``visit_ms``,
            after which the visit ends once it has the fewest samples.
    """
    clock = time.perf_counter_ns
    for _ in repeat(None, settings["warm_up_runs"]):
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


def _visit_all(job: dict[str, Any], runtime: Any, results: IO[bytes], done: set[int]) -> int:
    models: dict[str, Callable[[], object]] = {}
    gc.disable()  # a collection in the middle of a sample is not the model's time
    for visit, name in job["visits"]:
        if visit in done:
            continue
        if name not in models:
            try:
                models[name] = runtime.load(name, job["threads"])
            except ValueError as error:
                return _refuse("model", "{}: {}".format(name, error))
            gc.collect()
        _record(results, dict(visit=visit, model=name, **time_model(models[name], job["timing"])))
    return 0


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
        os._exit(EXIT_ABANDONED)

    threading.Thread(target=watch, daemon=True).start()


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
    line = json.dumps(content, separators=(",", ":"))
    results.write(line.encode() + b"\n")
    results.flush()
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os._exit(EXIT_ABANDONED)


def _refuse(what: str, message: str) -> int:
    print(json.dumps({"error": what, "message": message}), flush=True)
    return EXIT_REFUSED


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _cpuinfo(path: Path) -> dict[str, str]:
    """First value of each key of ``/proc/cpuinfo``."""
    found: dict[str, str] = {}
    for line in (_read(path) or "").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
