"""Whether a device can be profiled: each link of the chain tried in turn, up to a broken one."""

import contextlib
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hwnas import files, plugins
from hwnas.devices import Device, load_device, transports
from hwnas.errors import (
    ConditionsError,
    ExtraMissingError,
    HwnasError,
    RuntimeMissingError,
    TransportError,
)
from hwnas.layers import LayerSpec
from hwnas.measurement import Measurement, Samples
from hwnas.profiling import harnesses
from hwnas.profiling.discipline import Timing
from hwnas.profiling.job import lowered_job
from hwnas.profiling.plan import BATCH_BYTES, Batch, network_model
from hwnas.profiling.records import Header, Visit
from hwnas.profiling.session import Told, passing_session
from hwnas.profiling.target import Target
from hwnas.protocols import Transport
from hwnas.workflows.known_devices import unreachable_because

_LOOK_S = 60.0
_CHANGING_CLOCK = " Clocks may change between timings: as root, measuring.governor fixes them."
_NO_RUNTIME = (RuntimeMissingError, ExtraMissingError)
_NETWORK = (
    LayerSpec("conv", 32, 3, 8, kernel_size=3, activation="relu"),
    LayerSpec("pool", 32, 8, 8),
    LayerSpec("linear", 1, 8, 4, bias=True),
)


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain from here to a timed model.

    Attributes:
        name: Such as ``reach``.
        ok: Whether it holds.
        text: What was found; where it does not hold, what is wrong and how to mend it.
        runtimes: Of the link ``model``, the runtimes that ran it.
    """

    name: str
    ok: bool
    text: str
    runtimes: tuple[str, ...] = ()


def check_device(
    device: str | Path, *, runtime: str = "", on_link: Callable[[Link], None] | None = None
) -> tuple[Link, ...]:
    """Try all that a profile needs of a device: a tiny network is really timed there.

    Args:
        device: Name or TOML file of the device.
        runtime: A file name in ``hwnas/runtimes`` that is needed; empty for any that is there.
        on_link: Told of each link as soon as it was tried.

    Returns:
        The links in order, up to the first broken one, which is then the last.

    Raises:
        UnknownNameError: There is no such device or runtime.
        FileFormatError: The device's file is wrong.
    """
    known = load_device(device)
    # a check does not wait until a device has cooled down
    known = replace(known, measuring=replace(known.measuring, cool_down_s=0.0))
    if runtime:
        plugins.load("hwnas.runtimes", runtime, what="runtime")
    links = []
    with contextlib.closing(_walk(known, runtime)) as walk:
        for link in walk:
            links.append(link)
            if on_link is not None:
                on_link(link)
            if not link.ok:
                break
    return tuple(links)


def _walk(device: Device, runtime: str) -> Generator[Link, None, None]:
    reason = unreachable_because(device)
    yield Link("reach", not reason, reason or f"by {device.way}")
    with TemporaryDirectory(prefix="hwnas-") as name:
        folder = Path(name)
        transport = transports.create(device, folder / "look")
        try:
            yield _write(transport, folder)
            yield _program(device, runtime, transport)
        finally:
            with contextlib.suppress(TransportError):
                transport.close()
        yield from _timed(harnesses.targets(device, runtime), folder)


def _write(transport: Transport, folder: Path) -> Link:
    """A file is sent, read back and deleted."""
    probe = folder / "probe.txt"
    content = None
    try:
        files.write_text(probe, uuid.uuid4().hex)
        transport.push([probe])
        content = transport.pull(probe.name)
        transport.remove([probe.name])
    except HwnasError as error:
        return Link("write", False, str(error))
    if content != probe.read_bytes():
        return Link("write", False, f"what was sent came back as {content!r}; is the disk full?")
    return Link("write", True, f"files arrive whole; {_free_space(transport)}")


def _free_space(transport: Transport) -> str:
    lines: list[str] = []
    try:
        transport.run(["df", "-Pk", "."], timeout_s=_LOOK_S, on_line=lines.append)
        free = 1024 * int(lines[-1].split()[3])
    except (TransportError, IndexError, ValueError):
        return "it does not say how much space is free"
    text = f"{free / 1e6:,.0f} MB free"
    if free < BATCH_BYTES:
        text += f" (little: a large space sends up to {BATCH_BYTES / 1e6:.0f} MB at a time)"
    return text


def _program(device: Device, runtime: str, transport: Transport) -> Link:
    """What the harness runs on, such as Python."""
    try:
        probe = harnesses.create(harnesses.targets(device, runtime)[0]).probe()
    except HwnasError as error:
        return Link(device.harness, False, str(error))
    lines: list[str] = []
    try:
        if probe.files:
            transport.push(probe.files)
        transport.run(probe.argv, timeout_s=_LOOK_S, on_line=lines.append)
        return Link(probe.name, True, probe.read(lines))
    except TransportError as error:
        return Link(probe.name, False, f"{str(error).rstrip('.')}. {probe.mend}")
    except HwnasError as error:
        return Link(probe.name, False, str(error))


@dataclass(frozen=True, slots=True)
class _Trial:
    """What came of timing the tiny network with one runtime.

    Attributes:
        runtime: Its file name.
        header: What the device said of itself; None where it did not come to that.
        samples: Of the network.
        error: Why there are none; None where there are.
    """

    runtime: str
    header: Header | None
    samples: tuple[Samples, ...]
    error: HwnasError | None

    @property
    def median_ms(self) -> float:
        """Milliseconds that the network takes."""
        return Measurement(self.samples).median_ms


def _timed(targets: Sequence[Target], folder: Path) -> Iterator[Link]:
    """The last links, each from the runtime that came furthest."""
    trials = [_try(target, folder / target.runtime) for target in targets]
    best = max(trials, key=lambda trial: (trial.error is None, trial.header is not None))
    there = [f"{one.runtime} ({one.header.runtime_version})" for one in trials if one.header]
    missing = [str(one.error) for one in trials if isinstance(one.error, _NO_RUNTIME)]
    if there:
        yield Link("runtime", True, " ".join([f"{' and '.join(there)}.", *missing]))
    if isinstance(best.error, _NO_RUNTIME):
        yield Link("runtime", False, " ".join(missing))
    elif best.error is not None or best.header is None:
        name = "conditions" if isinstance(best.error, ConditionsError) else "model"
        yield Link(name, False, str(best.error))
    else:
        took = [f"{one.median_ms:.3g} ms with {one.runtime}" for one in trials if one.samples]
        ran = tuple(one.runtime for one in trials if one.samples)
        yield Link("model", True, f"a tiny network takes {', '.join(took)}", ran)
        yield Link("conditions", True, _conditions(best.header))


def _try(target: Target, folder: Path) -> _Trial:
    """Time the tiny network just as a profile times its models."""
    headers: list[Header] = []
    samples: list[Samples] = []

    def on_record(line: str, record: Told) -> None:
        del line
        if isinstance(record, Header):
            headers.append(record)
        elif isinstance(record, Visit):
            samples.append(record.samples)

    batch = Batch({network_model(0): _NETWORK}, ((0, network_model(0)),))
    error: HwnasError | None = None
    try:
        job = lowered_job(target, batch, name="check", seed=0, timing=Timing())
        with passing_session(target, folder) as session:
            session.run(job, done=(), on_record=on_record)
    except HwnasError as raised:
        error = raised
    return _Trial(target.runtime, headers[0] if headers else None, tuple(samples), error)


def _conditions(header: Header) -> str:
    """What a reader of timings wants to know of the device, in words."""
    state = header.header.before
    told = [header.header.cpu, header.header.os]
    if header.header.cores:
        told.append(f"pinned to cores {', '.join(map(str, header.header.cores))}")
    if state.frequency_mhz is not None:
        told.append(f"{state.frequency_mhz:.0f} MHz")
    told.append(f"governor {state.governor}" if state.governor else "governor unknown")
    if state.temperature_c is not None:
        told.append(f"{state.temperature_c:.0f} degrees Celsius")
    if state.battery_percent is not None:
        told.append(f"battery {state.battery_percent} % {state.battery_status or ''}".strip())
    told.append(f"energy by {header.header.meter or 'the model'}")
    hint = "" if state.governor in (None, "performance") else _CHANGING_CLOCK
    return f"{'; '.join(told)}.{hint}"
