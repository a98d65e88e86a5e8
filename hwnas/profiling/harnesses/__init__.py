"""Harnesses: one file for each way to time models on a device, named by a device file.

Such a file offers ``create(target)``, a `Harness`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hwnas import plugins
from hwnas.profiling.job import Job
from hwnas.profiling.records import Record
from hwnas.profiling.target import Target


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


def create(target: Target) -> Harness:
    """The harness that the target's device file names."""
    module = plugins.load(__name__, target.device.harness, what="harness")
    harness: Harness = module.create(target)
    return harness
