"""Harnesses: one file for each way to time models on a device, named by a device file.

Such a file offers ``create(target)``, a `Harness`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hwnas import plugins
from hwnas.devices import Device
from hwnas.errors import HwnasError
from hwnas.profiling.job import Job
from hwnas.profiling.records import Record
from hwnas.profiling.target import Target


@dataclass(frozen=True, slots=True)
class Probe:
    """A short command that shows whether what a harness runs on is there on a device.

    Attributes:
        name: What it looks for, such as ``python``.
        files: What is sent before.
        argv: The command.
        read: Says what the lines it wrote show; DeviceError where that will not do.
        mend: What to do where the command fails, in a sentence.
    """

    name: str
    files: Sequence[Path]
    argv: Sequence[str]
    read: Callable[[Sequence[str]], str]
    mend: str


class Harness(Protocol):
    """What times models on a device: files that are sent, one command, and how it answers.

    The command appends what it finds to a file of its own beside printing it, so that nothing
    is lost with the connection; started again with the same job, it goes on. It must not know
    how the device is reached.
    """

    def files(self) -> Sequence[Path]:
        """What is sent beside the models, whatever the job."""

    def job_files(self, job: Job, visits: Sequence[tuple[int, str]]) -> Mapping[str, str]:
        """What describes the visits that remain of a job: texts by file name."""

    def argv(self) -> Sequence[str]:
        """The command, run where everything was sent to."""

    def results(self, job: Job) -> str:
        """Name of the file there that the command appends to."""

    def reader(self) -> Callable[[str], Record | None]:
        """A function that reads the command's lines in order, from the first on.

        It answers what a line says, or None; DeviceError where a line makes no sense.
        """

    def probe(self) -> Probe:
        """How to see whether the device has what the command needs, the runtime aside."""


def create(target: Target) -> Harness:
    """The harness that the target's device file names."""
    module = plugins.load(__name__, target.device.harness, what="harness")
    harness: Harness = module.create(target)
    return harness


def targets(device: Device, runtime: str = "") -> tuple[Target, ...]:
    """A device with each runtime that its harness can time models with.

    Args:
        device: The device.
        runtime: File name of the only runtime to look at; empty for all.

    Raises:
        HwnasError: There is none; what was said of the first.
    """
    found, refusals = [], []
    for name in [runtime] if runtime else plugins.names("hwnas.runtimes"):
        offered = plugins.load("hwnas.runtimes", name, what="runtime").PRECISIONS
        common = [one for one in offered if one in device.precisions] or offered
        target = Target(device, name, common[0], 1)
        try:
            create(target)
            found.append(target)
        except HwnasError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    return tuple(found)
