"""The entries of a published table: a layer's name, and below it what was measured.

Both known formats use so little of YAML that it is read line by line, and anything else refused::

    Conv-input:224x224x3-output:112x112x24:
      count: 500
      mean: 0.994418
      std: 0.01726798413249215
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hwnas import files
from hwnas.errors import FileFormatError

_NAME = re.compile(r"(\w+)-input:([0-9x]{1,30})-output:([0-9x]{1,30})((?:-[a-z]+:[0-9]{1,9})*):")
_FIGURE = re.compile(r"\s+(count|mean|std|var): (\S+)")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_ABOVE_0 = ("count", "mean")


@dataclass(slots=True)
class Entry:
    """A layer as its publisher names it.

    Attributes:
        where: File and line, for errors.
        name: In full.
        kind: The first word of it.
        resolution: Height and width of the input.
        in_channels: Channels in.
        out_resolution: Height and width of the output.
        out_channels: Channels out.
        options: The other numbers of the name, such as ``kernel``.
        figures: What was measured, by name, such as ``mean``.
    """

    where: str
    name: str
    kind: str
    resolution: int
    in_channels: int
    out_resolution: int
    out_channels: int
    options: Mapping[str, int]
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def samples(self) -> int | None:
        """How many the mean is of; None where it is not said."""
        return int(self.figures["count"]) if "count" in self.figures else None

    @property
    def std_ms(self) -> float:
        """Standard deviation that is stated."""
        return self.figures["std"] if "std" in self.figures else math.sqrt(self.figures["var"])

    def check_options(self, *expected: str) -> None:
        """Refuse an entry that has other options than these: FileFormatError."""
        if set(self.options) != set(expected):
            raise self.fault(
                f"has the options {', '.join(self.options) or 'none'}; expected "
                f"{', '.join(expected) or 'none'}"
            )

    def flag(self, option: str) -> bool:
        """An option that must be 0 or 1; FileFormatError for another number."""
        if self.options[option] > 1:
            raise self.fault(f"has {option} {self.options[option]}; expected 0 or 1")
        return self.options[option] == 1

    def fault(self, what: str) -> FileFormatError:
        """An error about this entry."""
        return FileFormatError(f"{self.where}: {self.name} {what}.")


def read_entries(path: Path) -> list[Entry]:
    """The entries of one file, in order.

    Raises:
        FileFormatError: The file is no such table; names the line.
    """
    entries: dict[str, Entry] = {}
    current: Entry | None = None
    for number, line in enumerate(files.read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        figure = _FIGURE.fullmatch(line.rstrip())
        if figure is None:
            current = _entry(line.rstrip(), where, entries)
            entries[current.name] = current
        elif current is None or figure[1] in current.figures:
            raise FileFormatError(
                f"{where}: {line.strip()!r} belongs to no layer, or stands twice."
            )
        else:
            current.figures[figure[1]] = _number(figure[1], figure[2], where)
    if not entries:
        raise FileFormatError(f"{path} holds no layers; expected a published latency table.")
    for entry in entries.values():
        _check_figures(entry)
    return list(entries.values())


def _entry(line: str, where: str, known: Collection[str]) -> Entry:
    match = _NAME.fullmatch(line)
    if match is None:
        raise FileFormatError(
            f"{where}: {line[:80]!r} is neither a layer, such as "
            "'Conv-input:224x224x3-output:112x112x24:', nor its count, mean, std or var; known are "
            "the tables of Once-for-All and NSGANetV2."
        )
    name = line.removesuffix(":")
    if name in known:
        raise FileFormatError(f"{where}: {name} stands in the file twice.")
    given = [option.split(":") for option in match[4].split("-")[1:]]
    options = {key: int(value) for key, value in given}
    if len(options) < len(given):
        raise FileFormatError(f"{where}: {name} names an option twice.")
    return Entry(
        where, name, match[1], *_shape(match[2], where), *_shape(match[3], where), options
    )  # fmt: skip


def _shape(text: str, where: str) -> tuple[int, int]:
    """Resolution and channels, from ``112x112x24``, or ``1000`` for a vector."""
    sizes = [int(size or 0) for size in text.split("x")]
    height, width, channels = sizes if len(sizes) == 3 else (1, 1, sizes[0])
    if len(sizes) not in (1, 3) or height != width or min(height, channels) < 1:
        raise FileFormatError(
            f"{where}: {text!r} is no shape; expected such as 112x112x24, as high as wide, or 1000."
        )
    return height, channels


def _number(name: str, text: str, where: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value) or (value == 0 and name in _ABOVE_0):
        expected = "above 0" if name in _ABOVE_0 else "of 0 or more"
        raise FileFormatError(f"{where}: {name} is {text}; expected a number {expected}.")
    if name == "count" and not value.is_integer():
        raise FileFormatError(f"{where}: count is {text}; expected a whole number.")
    return value


def _check_figures(entry: Entry) -> None:
    given = entry.figures.keys()
    if "mean" not in given or not given & {"std", "var"}:
        raise entry.fault(
            f"has {', '.join(given) or 'no figures'}; expected its mean and its std or var"
        )
