"""Transports: one file for each way to reach a device.

Such a file offers ``create(device, workdir)``, a `hwnas.protocols.Transport`, and
``reachable(device)``, None or one sentence that says what is missing.
"""

from pathlib import Path

from hwnas import plugins
from hwnas.devices.descriptor import Device
from hwnas.protocols import Transport


def create(device: Device, workdir: Path) -> Transport:
    """The transport that a device file names.

    Args:
        device: The device.
        workdir: A folder on this machine that stays the same when a job is continued. A local
            device works in it; a remote one derives the name of its own folder from it.
    """
    module = plugins.load(__name__, device.transport, what="transport")
    transport: Transport = module.create(device, workdir)
    return transport


def reachable(device: Device) -> str | None:
    """None when the device can be used now, else one sentence that says why not."""
    module = plugins.load(__name__, device.transport, what="transport")
    reason: str | None = module.reachable(device)
    return reason
