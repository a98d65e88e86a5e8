"""What is measured on: a device, and what runs the models there."""

from dataclasses import dataclass
from types import ModuleType

from hwnas import plugins
from hwnas.devices import Device
from hwnas.errors import InputError, RuntimeMissingError


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
