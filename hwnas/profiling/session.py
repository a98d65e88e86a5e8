"""One job on a device: models pushed, one command, samples streamed back."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from hwnas import plugins
from hwnas.devices import Device, agent, transports
from hwnas.errors import (
    DeviceError,
    HwnasError,
    InputError,
    RuntimeMissingError,
    StorageError,
    TransportError,
)
from hwnas.layer_weights import random_weights
from hwnas.profiling.plan import Batch, Timing, is_layer_model
from hwnas.profiling.records import Header, Refusal, Visit, parse_line
from hwnas.protocols import Transport

_START_S = 120.0
_VISIT_S = 30.0  # of the slowest model on the slowest board
_JOB_FILE = "job.json"

OnRecord = Callable[[str, Header | Visit], None]
"""Takes a line of the agent and what it says; must not keep the agent waiting."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is measured on: a device, and what runs the models there.

    Attributes:
        device: The device.
        runtime: File name of the runtime.
        precision: Of the models.
        threads: Of every operator.
    """

    device: Device
    runtime: str
    precision: str
    threads: int

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InputError(f"{self.threads} threads cannot run anything; ask for 1 or more.")

    @property
    def module(self) -> ModuleType:
        """The runtime's file as a module, a `hwnas.protocols.Runtime`.

        Raises:
            UnknownNameError: There is no such runtime.
            RuntimeMissingError: It, or the device, does not know the precision.
        """
        module = plugins.load("hwnas.runtimes", self.runtime, what="runtime")
        offered = self.device.precisions
        if offered and self.precision not in offered:
            raise RuntimeMissingError(
                f"Device {self.device.name} has no precision {self.precision!r}; its file says it "
                f"offers {', '.join(offered)}."
            )
        if self.precision not in module.PRECISIONS:
            raise RuntimeMissingError(
                f"Runtime {self.runtime} has no precision {self.precision!r}; it offers "
                f"{', '.join(module.PRECISIONS)}."
            )
        return module

    def check(self) -> None:
        """Refuse what the device or its runtime does not offer, as `module` does."""
        _ = self.module


@dataclass(frozen=True, slots=True)
class Job:
    """One push and one command.

    Attributes:
        name: Of the results file on the device; unlike that of any other job in the folder.
        visits: Number of each visit and the file name of its model, in order.
        content: A model's bytes by its file name; asked only for models that are still visited.
        timing: Of each visit.
    """

    name: str
    visits: tuple[tuple[int, str], ...]
    content: Callable[[str], bytes]
    timing: Timing


def lowered_job(target: Target, batch: Batch, *, name: str, seed: int, timing: Timing) -> Job:
    """A batch as a job; its models get random weights and are written when they are sent.

    Single layers take and give what they do inside a network of the target's precision; whole
    networks are as they would be exported.

    Args:
        target: Whose runtime says the format, and the precision of the models.
        batch: Layers of the models, and the visits.
        name: Of the job.
        seed: Of the weights.
        timing: Of each visit.
    """
    ending = target.module.MODEL_FORMAT
    graphs = plugins.load("hwnas.graphs", ending, what="model format")

    def content(file_name: str) -> bytes:
        model = file_name.removesuffix(f".{ending}")
        layers = batch.models[model]
        weights = random_weights(layers, np.random.default_rng(seed))
        inner = is_layer_model(model)
        return bytes(graphs.lower(layers, weights, precision=target.precision, inner=inner))

    visits = tuple((number, f"{model}.{ending}") for number, model in batch.visits)
    return Job(name, visits, content, timing)


class Session:
    """A device that jobs are sent to, by way of a folder on this machine.

    Args:
        target: What is measured on.
        folder: For what is sent, and for the device when it is this machine. A job that was
            interrupted goes on when it is run again with the same folder.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self._runtime_file = Path(str(target.module.__file__))
        self._outbox = folder / "outbox"
        self._transport: Transport = transports.create(target.device, folder / "device")

    def run(self, job: Job, *, done: Iterable[int], on_record: OnRecord) -> None:
        """Make every visit of a job that was not made before.

        Args:
            job: The job.
            done: Visits whose records the caller has.
            on_record: Gets each new record once.

        Raises:
            TransportError: The device was lost; what was recorded there is fetched next time.
            RuntimeMissingError: The runtime is not installed on the device.
            DeviceError: A model could not be loaded, or the agent's output makes no sense.
        """
        results = f"{job.name}.results.jsonl"
        seen = set(done)

        def take(line: str, record: Header | Visit) -> None:
            if isinstance(record, Visit):
                if record.visit in seen:
                    return
                seen.add(record.visit)
            on_record(line, record)

        self._fetch(results, take)
        remaining = tuple(visit for visit in job.visits if visit[0] not in seen)
        models = tuple(dict.fromkeys(model for _, model in job.visits))
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
        self._transport.remove([*models, results, _JOB_FILE])

    def close(self) -> None:
        """Remove the agent from the device."""
        self._transport.remove([Path(agent.__file__).name, self._runtime_file.name])

    def _fetch(self, results: str, take: OnRecord) -> None:
        """Deliver what the device has on file, whose lines may never have arrived."""
        content = self._transport.pull(results) or b""
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.decode(errors="replace").splitlines():
            record = parse_line(line)
            if isinstance(record, (Header, Visit)):
                take(line, record)

    def _push(self, job: Job, visits: Sequence[tuple[int, str]]) -> None:
        shutil.rmtree(self._outbox, ignore_errors=True)
        description: Mapping[str, object] = {
            "job": job.name,
            "runtime": self._runtime_file.stem,
            "threads": self.target.threads,
            "timing": asdict(job.timing),
            "visits": visits,
        }
        models = dict.fromkeys(model for _, model in visits)
        try:
            self._outbox.mkdir(parents=True)
            for model in models:
                (self._outbox / model).write_bytes(job.content(model))
            (self._outbox / _JOB_FILE).write_text(json.dumps(description))
        except OSError as error:
            raise StorageError(
                f"{self._outbox} could not be written ({error.strerror}): free space, then run "
                "the same command again."
            ) from error
        sent = [self._outbox / name for name in (*models, _JOB_FILE)]
        self._transport.push([Path(agent.__file__), self._runtime_file, *sent])
        shutil.rmtree(self._outbox, ignore_errors=True)

    def _start(self, visits: int, take: OnRecord) -> None:
        refusals: list[Refusal] = []

        def on_line(line: str) -> None:
            record = parse_line(line)
            if isinstance(record, Refusal):
                refusals.append(record)
            elif record is not None:
                take(line, record)

        python = self.target.device.python or (sys.executable,)
        argv = [*python, Path(agent.__file__).name, _JOB_FILE]
        try:
            self._transport.run(argv, timeout_s=_START_S + _VISIT_S * visits, on_line=on_line)
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
