"""Devices: what they are (TOML files), how they are reached (transports), who measures there."""

from hwnas.devices.descriptor import (
    Device,
    EnergyModel,
    Measuring,
    device_names,
    load_device,
)
from hwnas.devices.transports import reachable

__all__ = ["Device", "EnergyModel", "Measuring", "device_names", "load_device", "reachable"]
