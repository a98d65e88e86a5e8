"""Devices: what they are (TOML files), how they are reached (transports), who measures there."""

from hwnas.devices.descriptor import (
    Device,
    EnergyModel,
    Measuring,
    device_names,
    is_name,
    load_device,
    parse_device,
)
from hwnas.devices.hardware import Cores, Hardware
from hwnas.devices.transports import reachable

__all__ = [
    "Cores",
    "Device",
    "EnergyModel",
    "Hardware",
    "Measuring",
    "device_names",
    "is_name",
    "load_device",
    "parse_device",
    "reachable",
]
