"""Labels beside points that cover neither each other nor what matters in the plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from hwnas.catalog import FloatArray
from hwnas.report.style import GREY, SMALL

_DIRECTIONS = 16
_DISTANCES = (8.0, 15.0, 24.0, 36.0, 50.0)  # tried from near to far, in typographic points
_LEADER_FROM = 13.0  # farther labels get a line to their point
_MARKER_RADIUS = 5.0  # that labels keep away from, in typographic points
_LINE_STEP = 4.0  # a line counts as a point every so many typographic points

# what a place costs; the unit is one point of a line hidden
_MARKER_HIDDEN = 6.0
_LABEL_CROSSED = 40.0
_OUTSIDE = 200.0
_FAR = 0.12  # for each typographic point of distance


@dataclass(frozen=True, slots=True)
class Label:
    """A text and the point it belongs to, in data coordinates."""

    text: str
    x: float
    y: float
    colour: str


@dataclass(frozen=True, slots=True)
class _Canvas:
    """The finished plot in pixels, where places are judged."""

    axes: Bbox
    markers: FloatArray
    line: FloatArray
    taken: list[Bbox]
    pixels_per_point: float

    def cost(self, box: Bbox, distance: float) -> float:
        """How bad it is to write into a box."""
        near = box.padded(_MARKER_RADIUS * self.pixels_per_point)
        hidden = _MARKER_HIDDEN * _inside(self.markers, near) + _inside(self.line, near)
        crossed = sum(near.overlaps(other) for other in self.taken)
        within = self.axes.containsx(box.x0) and self.axes.containsx(box.x1)
        within = within and self.axes.containsy(box.y0) and self.axes.containsy(box.y1)
        return hidden + _LABEL_CROSSED * crossed + _OUTSIDE * (not within) + _FAR * distance


def place(
    figure: Figure, axes: Axes, wanted: Sequence[Label], *, line: FloatArray, markers: FloatArray
) -> None:
    """Write labels beside their points, each in the best place left, the first one first.

    Freezes the figure's layout, because places are chosen for the axes as they now are.

    Args:
        figure: Which has nothing more to come.
        axes: Where to write.
        wanted: The labels, the most important first.
        line: Corners of a line to leave visible, in data coordinates, shape (corners, 2).
        markers: More points to leave visible, shape (markers, 2).
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    pixels_per_point = figure.dpi / 72
    points = np.array([(label.x, label.y) for label in wanted]).reshape(-1, 2)
    canvas = _Canvas(
        axes=axes.get_window_extent(),
        markers=axes.transData.transform(np.concatenate([points, markers])),
        line=_along(axes.transData.transform(line), _LINE_STEP * pixels_per_point),
        taken=[text.get_window_extent() for text in axes.texts],
        pixels_per_point=pixels_per_point,
    )
    for label in wanted:
        _write(axes, canvas, label)


def _write(axes: Axes, canvas: _Canvas, label: Label) -> None:
    text = axes.annotate(
        label.text, (label.x, label.y), xytext=(0, 0), textcoords="offset points",
        ha="center", va="center", fontsize=SMALL, color=label.colour, zorder=7,
        path_effects=[withStroke(linewidth=2.5, foreground="white", alpha=0.85)],
    )  # fmt: skip
    size = text.get_window_extent()
    x, y = axes.transData.transform((label.x, label.y))
    best = math.inf, (0.0, 0.0), size
    for distance in _DISTANCES:
        for across, up in _offsets(size, distance * canvas.pixels_per_point):
            box = Bbox.from_bounds(
                x + across - size.width / 2, y + up - size.height / 2, size.width, size.height
            )
            cost = canvas.cost(box, distance)
            if cost < best[0]:
                offset = across / canvas.pixels_per_point, up / canvas.pixels_per_point
                best = cost, offset, box
    _, offset, box = best
    text.set_position(offset)
    canvas.taken.append(box)
    gap = math.hypot(max(box.x0 - x, 0.0, x - box.x1), max(box.y0 - y, 0.0, y - box.y1))
    if gap > _LEADER_FROM * canvas.pixels_per_point:
        axes.annotate(
            "", (label.x, label.y), xytext=offset, textcoords="offset points", zorder=6,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkB": 4,
                        "shrinkA": SMALL * 0.8},
        )  # fmt: skip


def _offsets(size: Bbox, distance: float) -> list[tuple[float, float]]:
    """From a point to the centres of boxes all around, whose edges keep a distance; in pixels."""
    angles = [2 * math.pi * step / _DIRECTIONS for step in range(_DIRECTIONS)]
    return [
        (
            math.cos(angle) * (distance + size.width / 2),
            math.sin(angle) * (distance + size.height / 2),
        )
        for angle in angles
    ]


def _inside(points: FloatArray, box: Bbox) -> int:
    """How many points lie in a box."""
    x, y = points.T
    return int(((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).sum())


def _along(corners: FloatArray, step: float) -> FloatArray:
    """Points on a line at most ``step`` apart, shape (points, 2)."""
    found = [corners]
    for start, end in pairwise(corners):
        count = int(np.hypot(*(end - start)) // step) + 1
        found.append(np.linspace(start, end, count, endpoint=False))
    return np.concatenate(found)
