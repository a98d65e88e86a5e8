"""Devices: which there are, which can be reached now, and new ones."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hwnas import files, plugins, resources
from hwnas.devices import (
    Device,
    device_names,
    is_name,
    load_device,
    parse_device,
    reachable,
    transports,
)
from hwnas.devices.descriptor import Option
from hwnas.devices.device_file import as_toml
from hwnas.errors import HwnasError, InputError
from hwnas.profiling import harnesses

_HEADER = """\
# Device {name}. What else may stand here: devices/host.toml of hwnas, and docs/devices.md.
# Whether it can be used: hwnas devices check {name}

"""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A known device.

    Attributes:
        device: What its file says.
        unreachable: Why it cannot be reached now; None when it can.
        tables: Its latency tables, by their file names.
    """

    device: Device
    unreachable: str | None
    tables: tuple[str, ...]


def devices(*, patience_s: float = 5.0) -> tuple[DeviceStatus, ...]:
    """All known devices, from the working folder's ``devices`` and from hwnas.

    Args:
        patience_s: Seconds in which they may answer, all asked at the same time.
    """
    known = [load_device(name) for name in device_names()]
    silent = f"It did not answer within {patience_s:g} s: is it on, and in the same network?"
    answers: dict[str, str | None] = {device.name: silent for device in known}

    def ask(device: Device) -> None:
        answers[device.name] = unreachable_because(device)

    # not a pool: a process waits for a pool's threads before it ends, and these may take longer
    asking = [threading.Thread(target=ask, args=(device,), daemon=True) for device in known]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + patience_s
    for thread in asking:
        thread.join(max(deadline - time.monotonic(), 0.0))
    found = dict(answers)
    return tuple(DeviceStatus(device, found[device.name], _tables(device.name)) for device in known)


def unreachable_because(device: Device) -> str | None:
    """Why a device cannot be reached now, its file's own faults included; None when it can."""
    try:
        return reachable(device)
    except HwnasError as error:
        return str(error)


def add_device(
    name: str,
    *,
    transport: str,
    options: Mapping[str, Option] | None = None,
    python: tuple[str, ...] = (),
    like: str = "",
    title: str = "",
    benchmark_model: str = "",
) -> Path:
    """Describe a new device in ``devices/<name>.toml`` of the working folder.

    Args:
        name: What it shall be called.
        transport: How it is reached: a file name in ``hwnas/devices/transports``.
        options: What the transport wants to know.
        python: Words of the command that starts Python there; empty for the usual one.
        like: A known device whose hardware, energy figures and treatment it shares.
        title: What people read; empty for the name.
        benchmark_model: Path of TFLite's ``benchmark_model`` for the device, which then times
            the models in place of Python; empty for none.

    Returns:
        The file.

    Raises:
        InputError: There is such a file already, or something given makes no sense.
    """
    if not is_name(name):
        raise InputError(
            f"{name!r} cannot name a device; use letters, digits, '.', '_' and '-', such as my-pi."
        )
    path = Path("devices") / f"{name}.toml"
    if path.exists():
        raise InputError(f"{path} exists already; edit it, or choose another name.")
    plugins.load("hwnas.devices.transports", transport, what="transport")
    base = load_device(like) if like else Device(name, title or name)
    if transport != base.transport:  # then what times models there may be another one, too
        base = replace(base, python=(), harness="agent", harness_options={})
    device = replace(
        base, name=name, title=title or base.title, transport=transport,
        options=dict(options or {}), python=python or base.python,
    )  # fmt: skip
    if benchmark_model:
        device = replace(
            device,
            harness="benchmark_model",
            harness_options={"binary": str(Path(benchmark_model).expanduser().resolve())},
        )
    _check(device)
    files.write_text(path, _HEADER.format(name=name) + as_toml(device))
    return path


def _check(device: Device) -> None:
    """Refuse what could not be read back, and options that nobody takes."""
    content = files.to_plain(device)
    parsed = parse_device(content, content.pop("name"), source=f"Device {device.name}")
    with TemporaryDirectory(prefix="hwnas-") as folder:
        transports.create(parsed, Path(folder))
    harnesses.targets(parsed)


def _tables(name: str) -> tuple[str, ...]:
    found = resources.available("latency_tables", f"{name}/*.json")
    return tuple(Path(table).stem for table in found)
