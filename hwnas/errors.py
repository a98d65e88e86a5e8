"""Everything hwnas raises on purpose.

HwnasError
├── InputError              what the user gave is wrong: a name, an option, a value
│   ├── UnknownNameError    a name that is not known; says the nearest known ones
│   ├── FileFormatError     a file that is not what it should be
│   ├── DataError           images or labels that cannot be used
│   ├── SpaceMismatchError  something made for another search space
│   ├── BudgetError         a budget that no architecture can meet
│   └── ExtraMissingError   an optional package that is not installed here
├── DeviceError             the device, or what came back from it
│   ├── TransportError      it could not be reached, or a command there failed
│   │   └── ConnectionLostError  the connection broke; trying again may help
│   ├── ConditionsError     it cannot be treated as its file asks while it is measured
│   ├── UnstableError       timings that vary too much to be believed
│   └── RuntimeMissingError the runtime or precision asked for is not there
├── RunError                a run directory that cannot be used
│   └── RunInUseError       another process writes to it
└── StorageError            a file could not be written (disk full, no permission)
"""

import difflib
from collections.abc import Iterable


class HwnasError(Exception):
    """An error meant for the user: one sentence that says what to do next."""


class HwnasWarning(UserWarning):
    """Something the user should know, which did not stop the work."""


class UnsteadyWarning(HwnasWarning):
    """A timing that can be doubted, because the device's speed changed while it was taken."""


class InputError(HwnasError):
    """What the user gave is wrong: a name, an option, a value."""


class UnknownNameError(InputError):
    """A name that is not among the known ones.

    Attributes:
        name: The name that was given.
        known: The names that would have been accepted.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        self.name = name
        self.known = tuple(sorted(known))
        near = difflib.get_close_matches(name, self.known, n=1, cutoff=0.5)
        nearest = f" Did you mean {near[0]!r}?" if near else ""
        listing = ", ".join(self.known) if self.known else "none"
        tail = f" {hint}" if hint else ""
        super().__init__(f"Unknown {what} {name!r}.{nearest} Known: {listing}.{tail}")


class FileFormatError(InputError):
    """A file that is not what it should be: truncated, of another format, or with wrong values."""


class DataError(InputError):
    """Images or labels that cannot be used for training or evaluation."""


class SpaceMismatchError(InputError):
    """A table, checkpoint or run that was made for another search space."""


class BudgetError(InputError):
    """A budget that no architecture of the space can meet."""


class ExtraMissingError(InputError):
    """What was asked for needs an optional package that is not installed on this machine."""


class DeviceError(HwnasError):
    """The device, or what came back from it, is not as it should be."""


class TransportError(DeviceError):
    """A device could not be reached, or a command on it failed."""


class ConnectionLostError(TransportError):
    """The connection to a device broke, or it went offline; trying again may help."""


class ConditionsError(DeviceError):
    """A device cannot be treated as its file asks while it is measured, or is too hot."""


class UnstableError(DeviceError):
    """A device's speed changes too much for its timings to be believed."""


class RuntimeMissingError(DeviceError):
    """The runtime or precision that was asked for is not available on the device."""


class RunError(HwnasError):
    """A run directory that cannot be used as asked."""


class RunInUseError(RunError):
    """Another process is writing to the run directory."""


class StorageError(HwnasError):
    """A file could not be written; nothing recorded before is lost."""
