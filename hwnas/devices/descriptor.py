"""What a device file says: how to reach and treat the device, what it is, its energy model."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwnas import files, resources
from hwnas.devices.agent import METERS
from hwnas.devices.hardware import Hardware, below
from hwnas.errors import FileFormatError, UnknownNameError
from hwnas.units import PRECISIONS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Option = str | int | float | bool


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """What measures energy, and the coefficients of the model that is used where nothing does.

    The defaults are Horowitz's for 45 nm (ISSCC 2014, fig. 1.1.9): an fp32 multiplication 3.7 pJ,
    an addition 0.9 pJ; an int8 multiplication 0.2 pJ, an addition 0.03 pJ; and 640 pJ to read
    32 bits from DRAM.

    Attributes:
        pj_per_fp32_mac: Picojoule for a multiply-accumulate.
        pj_per_int8_mac: Picojoule for one of 8-bit integers.
        pj_per_byte: Picojoule for a byte moved between memory and the processor.
        source: Where the figures come from.
        meter: What measures energy on the device, so that the model is not needed: ``rapl``,
            ``ina3221``, ``battery``; empty for whichever is found there, ``none`` for none.
        block_s: How long a network runs again and again for one reading of the meter, in
            seconds; a fuel gauge needs several.
    """

    pj_per_fp32_mac: float = 4.6
    pj_per_int8_mac: float = 0.23
    pj_per_byte: float = 160.0
    source: str = "Horowitz, ISSCC 2014, fig. 1.1.9 (45 nm)"
    meter: str = ""
    block_s: float = 5.0

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Measuring:
    """How a device is to be treated while it is measured.

    Attributes:
        cores: CPUs that the models run on, by their numbers; empty for whichever the system gives.
        governor: CPU frequency governor to set meanwhile, which needs root; empty to leave it.
            It is put back at the end, unless the agent is killed with ``kill -9``.
        max_temperature_c: A visit waits while a sensor of the device is hotter, in degrees
            Celsius; None not to look.
        cool_down_s: The longest such wait, after which the profile stops.
    """

    cores: tuple[int, ...] = ()
    governor: str = ""
    max_temperature_c: float | None = None
    cool_down_s: float = 300.0

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Device:
    """A device that networks are made for.

    Attributes:
        name: Stem of its file; also the folder of its latency tables.
        title: What people read.
        transport: How it is reached: a file name in ``hwnas/devices/transports``.
        python: Words of the command that starts Python there; empty means the interpreter that
            runs hwnas on this machine, and ``python3`` elsewhere.
        harness: What times the models there: a file name in ``hwnas/profiling/harnesses``.
        harness_options: What the harness wants to know; each harness says which.
        measuring: How the device is treated meanwhile.
        options: What the transport wants to know; each transport says which.
        precisions: Those that it has, such as ``int8``; empty for whatever the runtime offers.
        energy: Coefficients of its energy model.
        hardware: What it is made of, for people to read.
    """

    name: str
    title: str
    transport: str = "local"
    python: tuple[str, ...] = ()
    harness: str = "agent"
    harness_options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    measuring: Measuring = Measuring()
    options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    precisions: tuple[str, ...] = ()
    energy: EnergyModel = EnergyModel()
    hardware: Hardware = field(default_factory=Hardware)

    __pydantic_config__ = files.STRICT

    @property
    def way(self) -> str:
        """How it is reached, in words: the transport, and to whom."""
        whom = (self.options.get(key, "") for key in ("user", "host", "serial"))
        return " ".join([self.transport, "@".join(str(part) for part in whom if part)]).strip()


def device_names() -> tuple[str, ...]:
    """Devices that have a file in the user's ``devices/`` or in the package, sorted."""
    return tuple(sorted(Path(name).stem for name in resources.available("devices", "*.toml")))


def load_device(source: str | Path) -> Device:
    """A device, by its name or from the path of a TOML file.

    Args:
        source: Such as ``host``, found in the user's ``devices/`` first, or ``./board.toml``.

    Raises:
        UnknownNameError: There is no such device.
        FileFormatError: Its file does not describe one.
    """
    path = Path(source)
    if path.suffix != ".toml":
        found = resources.find("devices", f"{source}.toml") if is_name(str(source)) else None
        if found is None:
            hint = f"Describe it in devices/{path.name}.toml, or give the path of a TOML file."
            raise UnknownNameError("device", str(source), device_names(), hint=hint)
        path = found
    if not is_name(path.stem):
        raise FileFormatError(
            f"{path}: a device is named by its file, with letters, digits, '.', '_' and '-'; "
            "rename the file."
        )
    return parse_device(files.read_toml(path), path.stem, source=str(path))


def is_name(name: str) -> bool:
    """Whether a device may be called so: what is safe as a file's name and in a command."""
    return _NAME.fullmatch(name) is not None


def parse_device(content: Mapping[str, Any], name: str, *, source: str) -> Device:
    """A device from what its file holds.

    Args:
        content: Of the file.
        name: Of the device.
        source: Where the content came from, for the error.

    Raises:
        FileFormatError: It does not describe a device.
        UnknownNameError: It names a precision that nobody knows.
    """
    if "name" in content:
        raise FileFormatError(f"{source}: name is not a known key; a device is named by its file.")
    for fault in _unsafe("", content):
        raise FileFormatError(f"{source}: {fault}.")
    device = files.parse({"name": name, **content}, Device, source=source)
    for fault in _faults(device):
        raise FileFormatError(f"{source}: {fault}.")
    unknown = [precision for precision in device.precisions if precision not in PRECISIONS]
    if unknown:
        hint = f"It is in precisions of {source}."
        raise UnknownNameError("precision", unknown[0], PRECISIONS, hint=hint)
    return device


def _unsafe(where: str, value: object) -> Iterator[str]:
    """Text that could do something to a terminal or a shell, and numbers that are none."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if not str(key).isprintable():
                yield f"{key!r} is not a known key"
            yield from _unsafe(f"{where}.{key}" if where else str(key), entry)
    elif isinstance(value, (list, tuple)):
        for i, entry in enumerate(value):
            yield from _unsafe(f"{where}.{i}", entry)
    elif isinstance(value, str) and not value.isprintable():
        yield f"{where} is {value!r}; expected one line of printable text"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} is {value}; expected a finite number"


def _faults(device: Device) -> Iterator[str]:
    """Values that no device can have, in words."""
    if not all(device.python):
        yield "python holds an empty word; expected the words of a command, such as 'python3'"
    for key in ("pj_per_fp32_mac", "pj_per_int8_mac", "pj_per_byte"):
        yield from below(f"energy.{key}", getattr(device.energy, key), 0)
    yield from below("energy.block_s", device.energy.block_s, 0.1)
    if device.energy.meter not in ("", "none", *METERS):
        yield f"energy.meter is {device.energy.meter!r}; expected none, {', '.join(METERS)} or ''"
    for key in ("max_temperature_c", "cool_down_s"):
        yield from below(f"measuring.{key}", getattr(device.measuring, key), 0)
    cores = device.measuring.cores
    if any(core < 0 for core in cores) or len(set(cores)) < len(cores):
        yield f"measuring.cores is {list(cores)}; expected different numbers of CPUs, from 0 on"
    yield from device.hardware.faults()
