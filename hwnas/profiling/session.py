"""One job on a device: models pushed, one command, samples streamed back."""

import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hwnas.devices import transports
from hwnas.errors import (
    ConditionsError,
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
from hwnas.profiling.records import Closing, Header, Refusal, Visit, Waiting, line_of
from hwnas.profiling.target import Target
from hwnas.protocols import Transport

_RETRY_AFTER_S = (1.0, 5.0, 20.0)  # a phone that was plugged out, a board that restarts its network

_AGAIN = "what was measured is kept: run the same command again"
_REFUSED = {
    "cores": "cannot be pinned as its file asks: {}; change measuring.cores in its file.",
    "governor": "cannot be set as its file asks: {}; that needs root and a governor that it has: "
    "change or remove measuring.governor in its file.",
    "meter": "has an energy meter that cannot be read: {}; that may need root, or set "
    'energy.meter = "none" in its file.',
    "delegate": "cannot run models as its file asks: {}; change harness_options.delegate in its "
    "file.",
    "flags": "has a benchmark_model that does not know {}; take another one, or change "
    "harness_options in its file.",
    "hot": "is too hot: {}; " + _AGAIN + " when it is cooler, or change measuring in its file.",
    "time": "was stopped: {}; " + _AGAIN + ".",
}
"""What a device did not do, by the word of its refusal; braces stand for its own reason."""

Told = Header | Closing | Visit | Waiting
"""What a harness says beside why it could not do its job."""

OnRecord = Callable[[str, Told], None]
"""Takes a record as a line and as a value; must not keep the harness waiting."""


@contextmanager
def passing_session(target: Target, folder: Path) -> Iterator["Session"]:
    """A session that nobody goes on with: nothing stays on the device, whatever happens."""
    session = Session(target, folder)
    try:
        yield session
    except BaseException:
        session.abandon()
        raise
    session.close()


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
        seen, models = set(done), dict(job.visits)

        def take(record: Told) -> None:
            if isinstance(record, Visit):
                if models.get(record.visit) != record.model:
                    raise DeviceError(
                        f"Device {self.target.device.name} says it made visit {record.visit} to "
                        f"{record.model!r}, which was not asked for; run the same command again."
                    )
                if record.visit in seen:
                    return
                seen.add(record.visit)
            on_record(line_of(record), record)

        self._patiently(lambda: self._attempt(job, seen, take), progress=lambda: len(seen))

    def close(self) -> None:
        """Leave nothing on the device; TransportError when it is lost and does not come back."""
        self._patiently(self._transport.close)

    def abandon(self) -> None:
        """The same, but once and without a word: something went wrong that matters more."""
        with suppress(HwnasError):
            self._transport.close()

    def _patiently(
        self, attempt: Callable[[], None], *, progress: Callable[[], int] = lambda: 0
    ) -> None:
        """Make an attempt, again and again while it makes progress before the device is lost."""
        waits = iter(_RETRY_AFTER_S)
        while True:
            before = progress()
            try:
                return attempt()
            except ConnectionLostError as error:
                waits = iter(_RETRY_AFTER_S) if progress() > before else waits
                wait_s = next(waits, None)
                if wait_s is None or not self._reached:
                    raise
                warnings.warn(f"{error} Trying again.", HwnasWarning, stacklevel=3)
                time.sleep(wait_s)

    def _attempt(self, job: Job, seen: set[int], take: Callable[[Told], None]) -> None:
        results = self._harness.results(job)
        self._fetch(results, take)
        self._reached = True
        remaining = tuple(visit for visit in job.visits if visit[0] not in seen)
        models = tuple(dict.fromkeys(model for _, model in job.visits))
        texts = self._harness.job_files(job, remaining)
        if remaining:
            self._push(job, remaining)
            self._start(job, len(remaining), take)
            self._fetch(results, take)
            missing = [visit for visit, _ in remaining if visit not in seen]
            if missing:
                raise DeviceError(
                    f"The agent on {self.target.device.name} ended without {len(missing)} of "
                    f"{len(remaining)} visits; run the same command again."
                )
        self._transport.remove([*models, results, *texts])

    def _fetch(self, results: str, take: Callable[[Told], None]) -> None:
        """Deliver what the device has on file, whose lines may never have arrived."""
        content = self._transport.pull(results) or b""
        whole = content[: content.rfind(b"\n") + 1]
        read = self._harness.reader()
        for line in whole.decode(errors="replace").splitlines():
            record = read(line)
            if isinstance(record, (Header, Closing, Visit)):
                take(record)

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

    def _start(self, job: Job, visits: int, take: Callable[[Told], None]) -> None:
        refusals: list[Refusal] = []
        measuring = self.target.device.measuring
        cooling_s = 0.0 if measuring.max_temperature_c is None else measuring.cool_down_s
        timeout_s = job.limit_s(self.target.device, visits) + visits * cooling_s
        read = self._harness.reader()

        def on_line(line: str) -> None:
            record = read(line)
            if isinstance(record, Refusal):
                refusals.append(record)
            elif record is not None:
                take(record)

        try:
            self._transport.run(self._harness.argv(), timeout_s=timeout_s, on_line=on_line)
        except TransportError as error:
            if refusals:
                raise self._refused(refusals[0]) from error
            raise

    def _refused(self, refusal: Refusal) -> HwnasError:
        device, runtime = self.target.device.name, self.target.runtime
        message = refusal.message.rstrip(".")
        if refusal.error == "runtime":
            return RuntimeMissingError(
                f"Runtime {runtime} is not installed on device {device}: {message}."
            )
        if refusal.error == "storage":
            return StorageError(
                f"Device {device} could not record its results: {message}; free space there, then "
                "run the same command again."
            )
        if refusal.error in _REFUSED:
            return ConditionsError(f"Device {device} {_REFUSED[refusal.error].format(message)}")
        return DeviceError(f"Device {device} could not load a model with {runtime}: {message}.")
