"""What ``benchmark_model.sh`` writes, as the agent's records."""

import json
import math
import re
from collections import defaultdict, deque
from typing import Any

from hwnas.errors import DeviceError
from hwnas.profiling.plan import OVERHEAD, is_layer_model
from hwnas.profiling.records import Record, parse_line

DELEGATES = {"xnnpack": "XNNPACK", "gpu": "GPU", "nnapi": "NNAPI"}
"""What benchmark_model calls its delegates, by the name that a device file gives them."""

_MARK = "@hwnas "
_OUTPUT = "| "
_MARKED = re.compile(
    r"@hwnas (?:(?P<part>device|before|after) (?P<key>[a-z_]+) ?(?P<value>.*)"
    r"|(?P<whole>header|done)"
    r"|visit (?P<visit>[0-9]{1,9}) (?P<model>\S+)"
    r"|end (?P<end>[0-9]{1,9}) (?P<status>[0-9]{1,3})"
    r"|waiting (?P<now>[0-9]{1,9}) (?P<most>[0-9]{1,9})"
    r"|refused (?P<kind>[a-z]+) (?P<sentence>.*))"
)

# Stat::OutputToStream, tensorflow/core/util/stats_calculator.h: the rest of the line is missing
# when there was one run, or all took as many microseconds
_COUNT = re.compile(r"(?:INFO: )?count=([0-9]{1,18})(?: |$)")
# BenchmarkLoggingListener::OnBenchmarkEnd, benchmark_model.cc; the second form is that of 1.13
_SUMMARY = re.compile(
    r"(?:INFO: )?(?:Inference timings in us: .*Inference \(avg\): "
    r"|Average inference timings in us: .*no stats: )(\S+)"
)
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?(?:e[+-]?[0-9]{1,2})?")
_APPLIED = re.compile(r"(?:INFO: )?(?:Explicitly applied|Applied) (\w+) delegate")
_UNKNOWN_FLAGS = re.compile(r"(?:WARN: )?Unconsumed cmdline flags: (.*)")

_LAST_LINES = 3  # of a failed visit that are shown
_NOT_STARTED = (126, 127)  # exit statuses of a shell
_SIGNAL = 128  # added to a signal's number in an exit status


def must_delegate(delegate: str, model: str) -> bool:
    """Whether a model may be timed only if the delegate executed it, or a part of it.

    The empty model has nothing to execute. A single layer that XNNPACK leaves to TFLite's other
    kernels for the same CPU is left to them inside a network, too.

    Args:
        delegate: A key of `DELEGATES`, or ``none``.
        model: Its name.
    """
    if delegate not in DELEGATES or model == OVERHEAD:
        return False
    return delegate != "xnnpack" or not is_layer_model(model)


class Reader:
    """Reads the script's lines in order; see `hwnas.profiling.harnesses.Harness.reader`.

    Args:
        delegate: Which must have executed the models.
        flags: Of benchmark_model that decide what is timed; part of the runtime's version.
        cores: That the models are pinned to.
    """

    def __init__(self, *, delegate: str, flags: str, cores: tuple[int, ...]) -> None:
        self._delegate = delegate
        self._flags = flags
        self._cores = cores
        self._facts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._visit: _VisitOutput | None = None

    def __call__(self, line: str) -> Record | None:
        """What a line completes; None for one that completes nothing."""
        if line.startswith(_OUTPUT) and self._visit is not None:
            self._visit.read(line.removeprefix(_OUTPUT))
        if not line.startswith(_MARK):
            return None
        found = _MARKED.fullmatch(line)
        if found is None:
            raise _nonsense(line)
        content = self._content(found.groupdict(), line)
        return None if content is None else parse_line(json.dumps(content))

    def _content(self, found: dict[str, str], line: str) -> dict[str, Any] | None:
        """An agent's record as plain data."""
        if found["part"]:
            if found["value"]:
                self._facts[found["part"]][found["key"]].append(found["value"])
        elif found["whole"]:
            facts, self._facts = self._facts, defaultdict(lambda: defaultdict(list))
            return self._header(facts) if found["whole"] == "header" else _closing(facts)
        elif found["visit"]:
            self._visit = _VisitOutput(found["visit"], found["model"])
        elif found["end"]:
            visit, self._visit = self._visit, None
            if visit is None or visit.number != found["end"]:
                raise _nonsense(line)
            return visit.content(int(found["status"]), self._delegate)
        elif found["now"]:
            now, most = (int(found[key]) / 1000 for key in ("now", "most"))
            return {"waiting": {"temperature_c": now, "max_temperature_c": most}}
        else:
            return {"error": found["kind"], "message": found["sentence"]}
        return None

    def _header(self, facts: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
        device = facts["device"]
        machine, kernel = _first(device, "machine") or "?", _first(device, "kernel") or "?"
        android = _first(device, "android")
        return {
            "header": {
                "cpu": _first(device, "cpu") or machine,
                "os": f"{f'Android {android}, ' if android else ''}{kernel} {machine}",
                "python": "none",
                "cores": self._cores,
                "before": _state(facts["before"]),
            },
            "runtime_version": f"benchmark_model {(_first(device, 'binary') or '?')[:12]}"
            f" {self._flags}",
        }


class _VisitOutput:
    """What benchmark_model printed on one visit; only what decides is kept."""

    def __init__(self, number: str, model: str) -> None:
        self.number = number
        self._model = model
        self._count = 0
        self._average_us: str | None = None
        self._applied: set[str] = set()
        self._unknown_flags: str | None = None
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    def read(self, line: str) -> None:
        """Take a line; the last count is that of the runs that are timed, after the warm-up."""
        if line.strip():
            self._last.append(line.strip())
        if found := _COUNT.match(line):
            self._count = int(found[1])
        elif found := _SUMMARY.match(line):
            self._average_us = found[1]
        elif found := _APPLIED.match(line):
            self._applied.add(found[1])
        elif found := _UNKNOWN_FLAGS.match(line):
            self._unknown_flags = found[1]

    def content(self, status: int, delegate: str) -> dict[str, Any]:
        """An agent's visit or refusal as plain data."""
        said = f"{self._model}: {'; '.join(self._last) or 'it wrote nothing'}"
        if status in _NOT_STARTED:
            return {"error": "runtime", "message": f"benchmark_model cannot be started ({said})"}
        if status > _SIGNAL:
            killed = f"killed by signal {status - _SIGNAL} after {said}"
            return {"error": "model", "message": killed}
        if status != 0:
            return {"error": "model", "message": said}
        if self._average_us is None:
            missing = f"{said} (without the timings that TFLite's benchmark_model ends with)"
            return {"error": "model", "message": missing}
        if self._unknown_flags is not None:
            return {"error": "flags", "message": self._unknown_flags}
        name = DELEGATES.get(delegate, "")
        if must_delegate(delegate, self._model.rpartition(".")[0]) and name not in self._applied:
            return {"error": "delegate", "message": f"{self._model} ran without {name}"}
        return {
            "visit": int(self.number),
            "model": self._model,
            "runs": self._count,
            "ns": [self._ns(self._average_us)],
        }

    def _ns(self, average_us: str) -> int:
        """Nanoseconds of all runs together, at least 1: the tool's clock counts microseconds."""
        if not _NUMBER.fullmatch(average_us):
            raise _nonsense(average_us)
        return max(round(float(average_us) * 1000 * self._count), 1)


def _closing(facts: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    return {"after": _state(facts["after"])}


def _state(facts: dict[str, list[str]]) -> dict[str, Any]:
    """Fields of a `hwnas.measurement.DeviceState`."""
    mhz = max((khz / 1000 for khz in _numbers(facts["khz"])), default=0.0)
    percent = _numbers(facts["battery_percent"])
    return {
        "governor": ", ".join(sorted(set(facts["governor"]))) or None,
        "frequency_mhz": mhz or next(iter(_numbers(facts["mhz"])), None),
        "temperature_c": next((c / 1000 for c in _numbers(facts["temperature"])), None),
        "battery_percent": int(percent[0]) if percent else None,
        "battery_status": _first(facts, "battery_status"),
    }


def _first(facts: dict[str, list[str]], key: str) -> str | None:
    return next(iter(facts[key]), None)


def _numbers(texts: list[str]) -> list[float]:
    found = []
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            found.append(number)
    return found


def _nonsense(line: str) -> DeviceError:
    return DeviceError(
        f"benchmark_model.sh wrote {line[:200]!r}, which is no record of a timing: does something "
        "else on the device write to its output? Run the same command again."
    )
