"""What a device file says: how to reach the device, and what its energy model assumes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hwnas import files, resources
from hwnas.errors import FileFormatError, UnknownNameError
from hwnas.units import PRECISIONS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Option = str | int | float | bool


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """Coefficients that turn counts into energy; a model, not a measurement.

    The defaults are Horowitz's for 45 nm (ISSCC 2014, fig. 1.1.9): an fp32 multiplication 3.7 pJ,
    an addition 0.9 pJ; an int8 multiplication 0.2 pJ, an addition 0.03 pJ; and 640 pJ to read
    32 bits from DRAM.

    Attributes:
        pj_per_fp32_mac: Picojoule for a multiply-accumulate.
        pj_per_int8_mac: Picojoule for one of 8-bit integers.
        pj_per_byte: Picojoule for a byte moved between memory and the processor.
        source: Where the figures come from.
    """

    pj_per_fp32_mac: float = 4.6
    pj_per_int8_mac: float = 0.23
    pj_per_byte: float = 160.0
    source: str = "Horowitz, ISSCC 2014, fig. 1.1.9 (45 nm)"

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Measuring:
    """How a device is to be treated while it is measured.

    Attributes:
        cores: CPUs that the models run on, by their numbers; empty for whichever the system gives.
        governor: CPU frequency governor to set meanwhile, which needs root; empty to leave it.
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

    __pydantic_config__ = files.STRICT


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
        found = (
            resources.find("devices", f"{source}.toml") if _NAME.fullmatch(str(source)) else None
        )
        if found is None:
            hint = f"Describe it in devices/{path.name}.toml, or give the path of a TOML file."
            raise UnknownNameError("device", str(source), device_names(), hint=hint)
        path = found
    if not _NAME.fullmatch(path.stem):
        raise FileFormatError(
            f"{path}: a device is named by its file, with letters, digits, '.', '_' and '-'; "
            "rename the file."
        )
    content = files.read_toml(path)
    if "name" in content:
        raise FileFormatError(f"{path}: name is not a known key; a device is named by its file.")
    device = files.parse({"name": path.stem, **content}, Device, source=str(path))
    for key in ("pj_per_fp32_mac", "pj_per_int8_mac", "pj_per_byte"):
        value = getattr(device.energy, key)
        if not 0 <= value < float("inf"):
            raise FileFormatError(f"{path}: energy.{key} is {value}; expected 0 or more.")
    unknown = [precision for precision in device.precisions if precision not in PRECISIONS]
    if unknown:
        hint = f"It is in precisions of {path}."
        raise UnknownNameError("precision", unknown[0], PRECISIONS, hint=hint)
    return device
