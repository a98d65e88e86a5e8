"""Latency tables that others published, read as layers of ours; one file for each format.

A format's file offers ``KINDS``: for each first word of an entry's name, a function of the entry
that says which layer it is a figure of, and which further layers the same figure holds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwnas import plugins
from hwnas.imported_table import LayerMean
from hwnas.layers import LayerSpec
from hwnas.published_tables._entries import Entry, read_entries

_Kinds = Mapping[str, Callable[[Entry], tuple[LayerSpec, ...]]]


@dataclass(frozen=True, slots=True)
class Published:
    """What files hold.

    Attributes:
        format: Their common format: a file name in ``hwnas/published_tables``.
        layers: The figures.
        contained: Layers whose time is part of another layer's figure.
    """

    format: str
    layers: tuple[LayerMean, ...]
    contained: tuple[LayerSpec, ...]


def formats() -> dict[str, _Kinds]:
    """Each known format's kinds of entries, and what they mean."""
    return {
        name: plugins.load(__name__, name, what="published format").KINDS
        for name in plugins.names(__name__)
    }


def read_published(paths: Sequence[Path]) -> Published:
    """The layers in published files, which are of one format and one device.

    A layer in several files takes the mean of all its samples together.

    Raises:
        FileFormatError: A file is no such table, they are of different formats, or several have
            figures of one layer without saying of how many samples.
    """
    known = formats()
    found: dict[LayerSpec, tuple[Entry, LayerMean]] = {}
    contained: dict[LayerSpec, None] = {}
    common = ""
    for path in paths:
        for entry in read_entries(path):
            name = _format_of(entry, known)
            if common and name != common:
                raise entry.fault(
                    f"is of format {name}, and what came before of {common}; import them apart, "
                    "as different devices"
                )
            common = name
            layer, *held = _layers(entry, known[name][entry.kind])
            figure = LayerMean(layer, entry.figures["mean"], entry.std_ms, entry.samples)
            if layer in found:
                figure = _together(found[layer], (entry, figure))
            found[layer] = entry, figure
            contained.update(dict.fromkeys(held))
    return Published(common, tuple(figure for _, figure in found.values()), tuple(contained))


def _format_of(entry: Entry, known: Mapping[str, _Kinds]) -> str:
    for name, kinds in known.items():
        if entry.kind in kinds:
            return name
    every = "; ".join(f"{name} has {', '.join(kinds)}" for name, kinds in known.items())
    raise entry.fault(f"is of the unknown kind {entry.kind}: {every}")


def _layers(entry: Entry, convert: Callable[[Entry], tuple[LayerSpec, ...]]) -> Sequence[LayerSpec]:
    layers = convert(entry)
    if layers[0].out_resolution != entry.out_resolution:
        raise entry.fault(
            f"has an output of {entry.out_resolution} px; its input and stride give "
            f"{layers[0].out_resolution} px"
        )
    return layers


def _together(one: tuple[Entry, LayerMean], other: tuple[Entry, LayerMean]) -> LayerMean:
    """A layer's samples in two files as if they were one set: mean and deviation of all."""
    (before, first), (entry, second) = one, other
    if first.samples is None or second.samples is None:
        raise entry.fault(
            f"stands at {before.where} too, and without a count nobody knows how much each weighs; "
            "import one of the files"
        )
    count = first.samples + second.samples
    parts = (first, second)
    mean = math.fsum((p.samples or 0) * p.mean_ms for p in parts) / count
    spread = math.fsum((p.samples or 0) * (p.std_ms**2 + (p.mean_ms - mean) ** 2) for p in parts)
    return LayerMean(first.layer, mean, math.sqrt(spread / count), count)
