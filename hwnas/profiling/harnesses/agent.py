"""hwnas's own agent, a Python program that runs on the device."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from hwnas.devices import agent
from hwnas.errors import DeviceError, FileFormatError
from hwnas.profiling.harnesses import Probe
from hwnas.profiling.job import Job
from hwnas.profiling.records import Record, parse_line
from hwnas.profiling.target import Target

_JOB_FILE = "job.json"
_REMOTE_PYTHON = ("python3",)
_OLDEST_PYTHON = (3, 8)
_SAY_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"


def create(target: Target) -> "Agent":
    """The harness for a target; FileFormatError when its device file gives it options."""
    if target.device.harness_options:
        raise FileFormatError(
            f"Device {target.device.name}: harness agent knows no options; remove "
            f"{', '.join(target.device.harness_options)}."
        )
    return Agent(target)


class Agent:
    """Sends ``hwnas/devices/agent.py`` and the file of the runtime; a `Harness`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._runtime_file = Path(str(target.module.__file__))

    def files(self) -> Sequence[Path]:
        """The agent and the runtime's file."""
        return (Path(agent.__file__), self._runtime_file)

    def job_files(self, job: Job, visits: Sequence[tuple[int, str]]) -> Mapping[str, str]:
        """The job as JSON."""
        device = self._target.device
        metered = [number for number, _ in visits if number in job.metered]
        description = {
            "job": job.name,
            "runtime": self._runtime_file.stem,
            "threads": self._target.threads,
            "timing": asdict(job.timing),
            "visits": visits,
            "measuring": asdict(device.measuring),
            "energy": {
                "meter": device.energy.meter, "block_s": device.energy.block_s, "visits": metered,
            },
            "limit_s": job.limit_s(device, len(visits)),
        }  # fmt: skip
        return {_JOB_FILE: json.dumps(description)}

    def argv(self) -> Sequence[str]:
        """Python on the agent."""
        return (*python_of(self._target), Path(agent.__file__).name, _JOB_FILE)

    def results(self, job: Job) -> str:
        """One file for each job."""
        return f"{job.name}.results.jsonl"

    def reader(self) -> Callable[[str], Record | None]:
        """Each line speaks for itself."""
        return parse_line

    def probe(self) -> Probe:
        """Asks Python for its version."""
        python = python_of(self._target)
        mend = (
            "Install Python 3.8 or later there (on Android: in Termux, reached by ssh), or name it "
            f"in the device's file, such as python = {json.dumps(['/usr/bin/python3.11'])}."
        )

        def read(lines: Sequence[str]) -> str:
            version = lines[-1].strip() if lines else ""
            numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
            if numbers < _OLDEST_PYTHON:
                raise DeviceError(f"{' '.join(python)} says {version!r}. {mend}")
            return f"{' '.join(python)} is {version}"

        return Probe("python", (), (*python, "-c", _SAY_VERSION), read, mend)


def python_of(target: Target) -> tuple[str, ...]:
    """The command that starts Python on a device: its file's, else this one here or python3."""
    device = target.device
    usual = (sys.executable,) if device.transport == "local" else _REMOTE_PYTHON
    return device.python or usual
