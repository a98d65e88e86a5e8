"""Latency tables of several devices, measured at the same time."""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hwnas import profiling
from hwnas.devices import Device, load_device
from hwnas.errors import HwnasError, InputError, TransportError
from hwnas.latency_table import LatencyTable
from hwnas.profiling.discipline import Discipline
from hwnas.progress import Progress, silent
from hwnas.workflows.known_devices import unreachable_because
from hwnas.workflows.profiling import profile_space, space_to_profile


@dataclass(frozen=True, slots=True)
class Profiled:
    """What came of profiling one of several devices.

    Attributes:
        device: Its name.
        path: Of its table; None when that was not finished.
        table: The table; None likewise.
        error: Why not; None when it was.
    """

    device: str
    path: Path | None = None
    table: LatencyTable | None = None
    error: HwnasError | None = None


def profile_devices(
    devices: Sequence[str | Path],
    space: str | Path,
    *,
    resolutions: tuple[int, ...] = (),
    data: str = "",
    classes: int | None = None,
    in_channels: int | None = None,
    runtime: str = "onnxruntime",
    precision: str = "fp32",
    threads: int = 1,
    networks: int = profiling.NETWORKS,
    held_out: int = profiling.HELD_OUT,
    seed: int = 0,
    accept_unsteady: bool = False,
    folder: str | Path = "latency_tables",
    discipline: Discipline | None = None,
    on_progress: Progress = silent,
    on_end: Callable[[Profiled], None] | None = None,
) -> tuple[Profiled, ...]:
    """Measure what each device's table lacks of a space; one that fails does not stop the others.

    Devices are measured at the same time, except those that are reached at the same place, such
    as two files for the fast and the slow cores of one phone: these take turns.

    Args:
        devices: Names or TOML files of different devices.
        space: Preset or TOML file of the space.
        resolutions: As in `hwnas.workflows.profile`, like all that follow.
        data: Likewise.
        classes: Likewise.
        in_channels: Likewise.
        runtime: Likewise.
        precision: Likewise.
        threads: Likewise.
        networks: Likewise.
        held_out: Likewise.
        seed: Likewise.
        accept_unsteady: Likewise.
        folder: Likewise.
        discipline: How thoroughly, and what counts as steady; None for the usual.
        on_progress: Told after each visit, with the name of the device in the task; called from
            several threads, but never twice at the same time.
        on_end: Told of each device when it is done with, in the same way.

    Returns:
        What came of each device, in the order given.

    Raises:
        InputError: A device is unknown or named twice, or the space cannot be made.
    """
    known = _different(devices)
    wanted = space_to_profile(
        space, resolutions=resolutions, data=data, classes=classes, in_channels=in_channels
    )
    measure = partial(
        profile_space, space=wanted, runtime=runtime, precision=precision, threads=threads,
        networks=networks, held_out=held_out, seed=seed, folder=folder,
        accept_unsteady=accept_unsteady, discipline=discipline,
    )  # fmt: skip
    audience = _Audience(on_progress, on_end)
    places = _places(known)
    found: dict[str, Profiled] = {}
    with ThreadPoolExecutor(len(places) or 1) as pool:
        try:
            turns = [pool.submit(_take_turns, place, measure, audience) for place in places]
            for turn in as_completed(turns):
                found |= {profiled.device: profiled for profiled in turn.result()}
        finally:
            audience.leave()
    return tuple(found[device.name] for device in known)


def _different(devices: Sequence[str | Path]) -> list[Device]:
    known = [load_device(device) for device in devices]
    names = [device.name for device in known]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"Device {name} is named twice; name each device once.")
    return known


def _places(devices: Sequence[Device]) -> list[list[Device]]:
    """Devices by where they are reached."""
    places: dict[Hashable, list[Device]] = {}
    for device in devices:
        address = {key: value for key, value in device.options.items() if key != "workdir"}
        place = (device.transport, frozenset(address.items()))
        places.setdefault(place, []).append(device)
    return list(places.values())


class _Audience:
    """Those who are told, from several threads, but one thing at a time."""

    def __init__(self, on_progress: Progress, on_end: Callable[[Profiled], None] | None) -> None:
        self._on_progress = on_progress
        self._on_end = on_end
        self._left = threading.Event()
        self._speaking = threading.Lock()

    def progress_of(self, device: str) -> Progress:
        def tell(task: str, done: float, total: float, note: str = "") -> None:
            self.require()
            with self._speaking:
                self._on_progress(f"{task} {device}", done, total, note)

        return tell

    def require(self) -> None:
        """Raise KeyboardInterrupt when nobody waits for more."""
        if self._left.is_set():
            raise KeyboardInterrupt

    def end(self, profiled: Profiled) -> None:
        if self._on_end is not None:
            with self._speaking:
                self._on_end(profiled)

    def leave(self) -> None:
        """Interrupt whoever still works, at its next visit."""
        self._left.set()


def _take_turns(
    place: Sequence[Device],
    measure: Callable[..., tuple[Path, LatencyTable]],
    audience: _Audience,
) -> list[Profiled]:
    ended = []
    for device in place:
        audience.require()
        try:
            reason = unreachable_because(device)
            if reason is not None:
                raise TransportError(reason)
            path, table = measure(device, on_progress=audience.progress_of(device.name))
            profiled = Profiled(device.name, path, table)
        except HwnasError as error:
            profiled = Profiled(device.name, error=error)
        audience.end(profiled)
        ended.append(profiled)
    return ended
