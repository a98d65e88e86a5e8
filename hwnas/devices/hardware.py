"""What a device is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from hwnas import files


@dataclass(frozen=True, slots=True)
class Cores:
    """Equal CPU cores of a device.

    Attributes:
        name: Such as ``Cortex-A76``.
        count: How many there are.
        max_mhz: Highest clock in MHz; None where no source states it.
    """

    name: str
    count: int
    max_mhz: float | None = None

    __pydantic_config__ = files.STRICT


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a device is made of, as its makers say; nothing here was measured by hwnas.

    Attributes:
        processor: Name of the chip; empty where it is not said.
        cores: Its CPU cores, the fastest first.
        cores_source: Where the figures on processor and cores come from.
        memory_gb: Size of the memory in 10^9 bytes.
        memory_bandwidth_gb_s: Peak of the memory interface in 10^9 bytes a second.
        memory_source: Where the figures on memory come from.
        idle_w: Power of the whole device when it idles, in watts.
        load_w: The same with all cores busy.
        power_source: Where the figures on power come from.
    """

    processor: str = ""
    cores: tuple[Cores, ...] = ()
    cores_source: str = ""
    memory_gb: float | None = None
    memory_bandwidth_gb_s: float | None = None
    memory_source: str = ""
    idle_w: float | None = None
    load_w: float | None = None
    power_source: str = ""

    __pydantic_config__ = files.STRICT

    def faults(self) -> Iterator[str]:
        """What no device can be, in words."""
        for i, group in enumerate(self.cores):
            yield from below(f"hardware.cores.{i}.count", group.count, 1)
            yield from below(f"hardware.cores.{i}.max_mhz", group.max_mhz, 1)
        for key in ("memory_gb", "memory_bandwidth_gb_s", "idle_w", "load_w"):
            yield from below(f"hardware.{key}", getattr(self, key), 0)
        if self.idle_w is not None:
            yield from below("hardware.load_w", self.load_w, self.idle_w)


def below(key: str, value: float | None, least: float) -> Iterator[str]:
    """A sentence when a value is given and is less than the least that makes sense."""
    if value is not None and value < least:
        yield f"{key} is {value}; expected {least:g} or more"
