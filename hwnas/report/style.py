"""What all plots share: size, colours, axes with units, and files that are the same every time."""

import io
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hwnas import files
from hwnas.problem import Objective

# Okabe and Ito (2008), "Color Universal Design": told apart with any colour vision
BLUE = "#0072B2"
ORANGE = "#E69F00"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
INK = "#333333"
GREY = "#9A9A9A"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, VERMILION)

DPI = 200  # 1,500 pixels: sharp at 800 pixels in a README, also on dense screens
SMALL = 8.5  # font size of labels beside points
LOG_FROM = 8.0  # ratio of the largest to the smallest value shown that takes a logarithmic axis

_SIZE_INCHES = (7.5, 4.7)
_ROW_LENGTH = 105  # of a legend's row, in letters
_MARKER_LENGTH = 7  # of what stands before and after a legend's text, in letters
_STYLE: dict[str, Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",  # ships with matplotlib, so it is the same everywhere
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "hwnas",  # otherwise the ids in the file are random
    "svg.fonttype": "path",
}


def new_figure() -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes; pyplot and its global state stay out of it."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # keys are literals there
        figure = Figure(figsize=_SIZE_INCHES, dpi=DPI, layout="constrained", facecolor="white")
        return figure, figure.subplots()


def legend(figure: Figure) -> None:
    """Name the labelled artists below the axes, where nothing can be hidden."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    length = sum(len(label) + _MARKER_LENGTH for label in labels)
    columns = len(labels) if length <= _ROW_LENGTH else -(-len(labels) // 2)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns,
        fontsize=SMALL + 0.5, frameon=False, labelcolor=INK, handletextpad=0.5, columnspacing=1.4,
    )  # fmt: skip


def save(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write a figure as PNG and SVG; the same figure gives the same bytes.

    Args:
        figure: What a plot function returned.
        path: Without suffix, such as ``run/plots/front_latency_ms``.

    Returns:
        The paths of the PNG and of the SVG.

    Raises:
        StorageError: A file could not be written.
    """
    written = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        buffer = io.BytesIO()
        with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # keys are literals there
            figure.savefig(buffer, format=suffix[1:], dpi=DPI, metadata=metadata)
        target = path.with_name(path.name + suffix)
        files.write_bytes(target, buffer.getvalue())
        written.append(target)
    return written[0], written[1]


def unit_scale(objective: Objective, largest: float) -> tuple[float, str]:
    """What to divide an objective's values by for an axis, and the unit they then have.

    Args:
        objective: Whose values are shown.
        largest: The largest value shown; decides between kilo and mega.
    """
    if objective.unit == "bytes":
        return (2.0**20, "MiB") if largest >= 2**20 else (2.0**10, "KiB")
    if objective.unit == "":
        if largest >= 1e9:
            return 1e9, "G"
        if largest >= 1e6:
            return 1e6, "M"
        return (1e3, "k") if largest >= 1e3 else (1.0, "")
    return 1.0, objective.unit


def axis_label(objective: Objective, unit: str) -> str:
    """An axis title such as ``peak memory (MiB)``; computed quantities are said to be a model."""
    notes = ", ".join(note for note in (unit, "model" if objective.model else "") if note)
    return f"{objective.label} ({notes})" if notes else objective.label


def log_axis(axes: Axes, name: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, labelled with plain numbers at 1, 2 and 5."""
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
