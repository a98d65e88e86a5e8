"""A device as the text of a TOML file, with what a reader of the file wants to know."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from hwnas.devices.descriptor import Device

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

_COMMENTS = {
    "title": "What people read in tables and plots.",
    "transport": "How the device is reached: a file name in hwnas/devices/transports.",
    "python": "The command that starts Python (3.8 or later) there, as a list of words.",
    "harness": "What times the models there: a file name in hwnas/profiling/harnesses.",
    "precisions": "Precisions that it has.",
    "options": "What the transport wants to know.",
    "harness_options": "What the harness wants to know.",
    "measuring": "How the device is treated while it is measured.",
    "measuring.cores": "CPUs that the models run on.",
    "measuring.governor": "CPU frequency governor to set meanwhile; needs root.",
    "measuring.max_temperature_c": "A visit waits while a sensor is hotter.",
    "measuring.cool_down_s": "The longest such wait.",
    "energy": "What measures energy, and the model that is used where nothing does.",
    "energy.meter": "What measures it.",
    "energy.block_s": "Seconds that a network runs for one reading of the meter.",
    "hardware": "What it is made of, with the source of each figure.",
}


def as_toml(device: Device) -> str:
    """The text of a device's file, without what is left at its default.

    `hwnas.devices.parse_device` makes an equal device of it.
    """
    blocks, tables = [], []
    for name, value in _given(device):
        if isinstance(value, Mapping):
            tables.append(_table(name, value.items()))
        elif dataclasses.is_dataclass(value):
            tables.append(_table(name, _given(value)))
        elif name != "name":
            blocks.append(_entry(name, name, value))
    return "\n".join(blocks + tables)


def _given(value: object) -> Iterator[tuple[str, object]]:
    """Name and value of each field of a dataclass that is not at its default."""
    for item in dataclasses.fields(value):  # type: ignore[arg-type]
        content = getattr(value, item.name)
        usual = item.default
        if item.default_factory is not dataclasses.MISSING:
            usual = item.default_factory()
        if content != usual:
            yield item.name, content


def _table(name: str, entries: Iterable[tuple[str, object]]) -> str:
    lines = [f"# {_COMMENTS[name]}\n"] if name in _COMMENTS else []
    lines.append(f"[{name}]\n")
    for key, value in entries:
        lines.append(_entry(f"{name}.{key}", key, value))
    return "".join(lines)


def _entry(path: str, key: str, value: object) -> str:
    comment = f"# {_COMMENTS[path]}\n" if path in _COMMENTS else ""
    return f"{comment}{_key(key)} = {_value(value)}\n"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if dataclasses.is_dataclass(value):
        return f"{{ {', '.join(f'{key} = {_value(one)}' for key, one in _given(value))} }}"
    # of printable text, numbers and truth values JSON and TOML say the same
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
