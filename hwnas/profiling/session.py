"""One job on a device: models pushed, one command, samples streamed back."""

import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hwnas.devices import transports
from hwnas.errors import (
    ConnectionLostError,
    DeviceError,
    HwnasError,
    HwnasWarning,
    RuntimeMissingError,
    StorageError,
    TransportError,
)
from hwnas.profiling import harnesses
from hwnas.profiling.job import Job
from hwnas.profiling.records import Header, Refusal, Visit
from hwnas.profiling.target import Target
from hwnas.protocols import Transport

_START_S = 120.0
_VISIT_S = 30.0  # of the slowest model on the slowest board
_RETRY_AFTER_S = (1.0, 5.0, 20.0)  # a phone that was plugged out, a board that restarts its network

OnRecord = Callable[[str, Header | Visit], None]
"""Takes a line of the harness and what it says; must not keep the harness waiting."""


class Session:
    """A device that jobs are sent to, by way of a folder on this machine.

    Args:
        target: What is measured on.
        folder: For what is sent, and for the device when it is this machine. A job that was
            interrupted goes on when it is run again with the same folder.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self._harness = harnesses.create(target)
        self._outbox = folder / "outbox"
        self._reached = False
        self._transport: Transport = transports.create(target.device, folder / "device")

    def run(self, job: Job, *, done: Iterable[int], on_record: OnRecord) -> None:
        """Make every visit of a job that was not made before; a lost device is looked for again.

        Args:
            job: The job.
            done: Visits whose records the caller has.
            on_record: Gets each new record once.

        Raises:
            TransportError: The device was lost; what was recorded there is fetched next time.
            RuntimeMissingError: The runtime is not installed on the device.
            DeviceError: A model could not be loaded, or the agent's output makes no sense.
        """
        seen = set(done)

        def take(line: str, record: Header | Visit) -> None:
            if isinstance(record, Visit):
                if record.visit in seen:
                    return
                seen.add(record.visit)
            on_record(line, record)

        waits = iter(_RETRY_AFTER_S)
        while True:
            before = len(seen)
            try:
                return self._attempt(job, seen, take)
            except ConnectionLostError as error:
                waits = iter(_RETRY_AFTER_S) if len(seen) > before else waits
                wait_s = next(waits, None)
                if wait_s is None or not self._reached:
                    raise
                warnings.warn(f"{error} Trying again.", HwnasWarning, stacklevel=2)
                time.sleep(wait_s)

    def close(self) -> None:
        """Leave nothing on the device."""
        self._transport.close()

    def _attempt(self, job: Job, seen: set[int], take: OnRecord) -> None:
        results = self._harness.results(job)
        self._fetch(results, take)
        self._reached = True
        remaining = tuple(visit for visit in job.visits if visit[0] not in seen)
        models = tuple(dict.fromkeys(model for _, model in job.visits))
        texts = self._harness.job_files(job, remaining)
        if remaining:
            self._push(job, remaining)
            self._start(len(remaining), take)
            self._fetch(results, take)
            missing = [visit for visit, _ in remaining if visit not in seen]
            if missing:
                raise DeviceError(
                    f"The agent on {self.target.device.name} ended without {len(missing)} of "
                    f"{len(remaining)} visits; run the same command again."
                )
        self._transport.remove([*models, results, *texts])

    def _fetch(self, results: str, take: OnRecord) -> None:
        """Deliver what the device has on file, whose lines may never have arrived."""
        content = self._transport.pull(results) or b""
        whole = content[: content.rfind(b"\n") + 1]
        read = self._harness.reader()
        for line in whole.decode(errors="replace").splitlines():
            record = read(line)
            if isinstance(record, (Header, Visit)):
                take(line, record)

    def _push(self, job: Job, visits: Sequence[tuple[int, str]]) -> None:
        shutil.rmtree(self._outbox, ignore_errors=True)
        models = dict.fromkeys(model for _, model in visits)
        texts = self._harness.job_files(job, visits)
        try:
            self._outbox.mkdir(parents=True)
            for model in models:
                (self._outbox / model).write_bytes(job.content(model))
            for name, text in texts.items():
                (self._outbox / name).write_text(text)
        except OSError as error:
            raise StorageError(
                f"{self._outbox} could not be written ({error.strerror}): free space, then run "
                "the same command again."
            ) from error
        sent = [self._outbox / name for name in (*models, *texts)]
        self._transport.push([*self._harness.files(), *sent])
        shutil.rmtree(self._outbox, ignore_errors=True)

    def _start(self, visits: int, take: OnRecord) -> None:
        refusals: list[Refusal] = []
        read = self._harness.reader()

        def on_line(line: str) -> None:
            record = read(line)
            if isinstance(record, Refusal):
                refusals.append(record)
            elif record is not None:
                take(line, record)

        try:
            self._transport.run(
                self._harness.argv(), timeout_s=_START_S + _VISIT_S * visits, on_line=on_line
            )
        except TransportError as error:
            if refusals:
                raise self._refused(refusals[0]) from error
            raise

    def _refused(self, refusal: Refusal) -> HwnasError:
        device, runtime = self.target.device.name, self.target.runtime
        message = " ".join(refusal.message.split()).rstrip(".")
        if refusal.error == "runtime":
            return RuntimeMissingError(
                f"Runtime {runtime} is not installed on device {device}: {message}."
            )
        if refusal.error == "storage":
            return StorageError(
                f"Device {device} could not record its results: {message}; free space there, then "
                "run the same command again."
            )
        return DeviceError(f"Device {device} could not load a model with {runtime}: {message}.")
