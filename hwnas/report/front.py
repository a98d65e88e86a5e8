"""The trade-off: accuracy, or whatever comes first, against one cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwnas.catalog import FloatArray
from hwnas.pareto import BoolArray, non_dominated
from hwnas.problem import Budget, Objective
from hwnas.report import labels
from hwnas.report.style import (
    BLUE,
    GREY,
    INK,
    LOG_FROM,
    ORANGE,
    PURPLE,
    SMALL,
    VERMILION,
    axis_label,
    legend,
    log_axis,
    new_figure,
    unit_scale,
)

_HEIGHT_SHOWN = 2.5  # of the front without its worst tenth; what lies beyond is only counted
_SLANT = 40  # degrees, of the labels above the axes


@dataclass(frozen=True, slots=True)
class Mark:
    """One labelled network.

    Attributes:
        label: Such as ``MobileNetV2 0.5``.
        cost: Of the x axis, in its objective's unit.
        value: Of the y axis, in its objective's unit; None when it is not known.
    """

    label: str
    cost: float
    value: float | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """What is drawn, in the units of the axes; each array has the shape (points, 2)."""

    others: FloatArray
    front: FloatArray
    line: FloatArray
    references: FloatArray
    chosen: FloatArray
    ticks: FloatArray
    measured: FloatArray
    predicted: FloatArray


def front_plot(
    quality: Objective,
    cost: Objective,
    *,
    values: FloatArray,
    costs: FloatArray,
    on_front: BoolArray,
    predicted: FloatArray | None = None,
    budgets: Sequence[Budget] = (),
    references: Sequence[Mark] = (),
    chosen: Mark | None = None,
    note: str = "",
) -> Figure:
    """Evaluated architectures in one objective against another.

    The line joins the front's members that are best in these two objectives. With more than two,
    the other members owe their place to the objectives not shown; they are circles without a
    line.

    Args:
        quality: The objective of the y axis.
        cost: The objective of the x axis.
        values: Of ``quality``, shape (architectures,), at least one.
        costs: Of ``cost``, shape (architectures,).
        on_front: Which architectures are on the search's front, shape (architectures,).
        predicted: What had been predicted of those costs that are measured, shape
            (architectures,), NaN for the others; None where nothing is measured.
        budgets: Those that bound neither of the two objectives are not shown.
        references: Hand-made networks; without a value they are ticks at their cost.
        chosen: The network to highlight; it has a value.
        note: Written below the x axis's title, such as how its values came about.
    """
    figure, axes = new_figure()
    known = [mark for mark in references if mark.value is not None]
    unknown = [mark for mark in references if mark.value is None]
    picked = [chosen] if chosen is not None else []
    x_scale, x_unit = unit_scale(cost, max([*costs, *(mark.cost for mark in references)]))
    y_scale, y_unit = unit_scale(quality, max([*values, *(mark.value or 0 for mark in known)]))
    points = np.stack([costs / x_scale, values / y_scale], axis=1)
    before = np.full(len(costs), np.nan) if predicted is None else predicted
    is_measured = ~np.isnan(before)
    view = _View(
        others=points[~on_front],
        front=points[on_front],
        line=_best(points[on_front], cost, quality),
        references=_positions(known, x_scale, y_scale),
        chosen=_positions(picked, x_scale, y_scale),
        ticks=_positions(unknown, x_scale, y_scale),
        measured=points[is_measured],
        predicted=np.stack([before / x_scale, points[:, 1]], axis=1)[is_measured],
    )
    axes.set_xlabel(axis_label(cost, x_unit))
    axes.set_ylabel(axis_label(quality, y_unit))
    if note:
        axes.set_xlabel(f"{axis_label(cost, x_unit)}\n")
        axes.annotate(
            note, (0.5, 0), xycoords="axes fraction", xytext=(0, -42),
            textcoords="offset points", ha="center", va="top", fontsize=SMALL, color=INK,
        )  # fmt: skip
    _set_limits(axes, quality, view)
    _draw_points(axes, view)
    for budget in budgets:
        if budget.objective == cost.name:
            _draw_cost_budget(axes, budget, budget.bound / x_scale, cost)
        elif budget.objective == quality.name:
            _draw_quality_budget(axes, budget, budget.bound / y_scale, quality)
    legend(figure)
    _draw_ticks(figure, axes, view.ticks[:, 0], [mark.label for mark in unknown])
    wanted = [
        labels.Label(mark.label, mark.cost / x_scale, (mark.value or 0) / y_scale, colour)
        for marks, colour in ((picked, VERMILION), (known, INK))
        for mark in marks
    ]
    labels.place(figure, axes, wanted, line=view.line, markers=view.front)
    return figure


def _positions(marks: Sequence[Mark], x_scale: float, y_scale: float) -> FloatArray:
    found = [(mark.cost / x_scale, (mark.value or 0) / y_scale) for mark in marks]
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def _best(front: FloatArray, cost: Objective, quality: Objective) -> FloatArray:
    """The front's members that no other dominates in the two objectives shown, by cost."""
    losses = np.stack([cost.losses(front[:, 0]), quality.losses(front[:, 1])], axis=1)
    line = front[non_dominated(losses)]
    return line[np.argsort(line[:, 0], kind="stable")]


def _set_limits(axes: Axes, quality: Objective, view: _View) -> None:
    """Show the front, all marks, and what lies near; a few very bad points must not squash it."""
    every = np.concatenate([view.others, view.front, view.references, view.chosen, view.predicted])
    x = np.concatenate([every[:, 0], view.ticks[:, 0]])
    if x.min() > 0 and x.max() / x.min() > LOG_FROM:
        log_axis(axes, "x")
        axes.set_xlim(x.min() / 1.15, x.max() * 1.15)
    else:
        margin = 0.05 * (np.ptp(x) or abs(x[0]) or 1.0)
        axes.set_xlim(x.min() - margin, x.max() + margin)
    # worked out as if more were better, and turned over at the end
    sign = 1.0 if quality.maximise else -1.0
    y = sign * every[:, 1]
    marks = sign * np.concatenate([view.references, view.chosen])[:, 1]
    front = sign * (view.front if len(view.front) else every)[:, 1]
    low, high = y.min(), y.max()
    reach = _HEIGHT_SHOWN * (front.max() - np.quantile(front, 0.1))
    if reach > 0:
        low = max(low, min([front.max() - reach, *marks]))
    margin = 0.07 * (high - low or abs(high) or 1.0)
    axes.set_ylim(*sorted((sign * (low - margin), sign * (high + margin))))


def _draw_points(axes: Axes, view: _View) -> None:
    low, high = axes.get_ylim()

    def named(name: str, points: FloatArray) -> str:
        outside = int(((points[:, 1] < low) | (points[:, 1] > high)).sum())
        return f"{name} ({outside} out of view)" if outside else name

    if len(view.line):
        axes.plot(
            view.line[:, 0], view.line[:, 1], "-o", color=BLUE, markersize=4.5, linewidth=1.6,
            zorder=4, label=named("front", view.line),
        )  # fmt: skip
    if len(view.measured):
        _draw_measured(axes, view)
    if len(view.front) > len(view.line):
        # members of the line are drawn over
        axes.scatter(
            view.front[:, 0], view.front[:, 1], s=20, facecolor="white", edgecolor=BLUE,
            linewidth=0.9, zorder=3, label="front, for another objective",
        )  # fmt: skip
    if len(view.others):
        axes.scatter(
            view.others[:, 0], view.others[:, 1], s=13, color=GREY, alpha=0.45, linewidth=0,
            zorder=2, label=named("evaluated", view.others),
        )  # fmt: skip
    if len(view.references):
        axes.scatter(
            view.references[:, 0], view.references[:, 1], s=46, marker="D", color=ORANGE,
            edgecolor="white", linewidth=0.7, zorder=5, label="hand-made network",
        )  # fmt: skip
    if len(view.chosen):
        axes.scatter(
            view.chosen[:, 0], view.chosen[:, 1], s=190, marker="*", color=VERMILION,
            edgecolor="white", linewidth=0.8, zorder=6, label="chosen",
        )  # fmt: skip


def _draw_measured(axes: Axes, view: _View) -> None:
    """Rings around measured networks, each with a line from where it was predicted to be."""
    for (start, y), (end, _) in zip(view.predicted, view.measured, strict=True):
        axes.plot([start, end], [y, y], color=PURPLE, linewidth=1.0, zorder=3.5)
    axes.scatter(
        view.predicted[:, 0], view.predicted[:, 1], s=22, marker="|", color=PURPLE, linewidth=1.0,
        zorder=3.5, label="predicted, before it was measured",
    )  # fmt: skip
    axes.scatter(
        view.measured[:, 0], view.measured[:, 1], s=42, facecolor="none", edgecolor=PURPLE,
        linewidth=1.0, zorder=4.5, label="measured",
    )  # fmt: skip


_SHADE: dict[str, Any] = {"facecolor": "#F3E3DC", "alpha": 0.55, "linewidth": 0, "zorder": 0.5}
_BOUND: dict[str, Any] = {
    "color": VERMILION, "linestyle": (0, (5, 3)), "linewidth": 1.2, "zorder": 2.5,
}  # fmt: skip


def _budget_label(budget: Budget, objective: Objective) -> str:
    sure = "" if budget.confidence is None else f", {budget.confidence:g} % sure"
    return f"budget {objective.format(budget.bound)}{sure}"


def _draw_cost_budget(axes: Axes, budget: Budget, bound: float, cost: Objective) -> None:
    """The bound as a dashed line, and what it forbids shaded."""
    low, high = axes.get_xlim()
    if not low < bound < high:
        return
    axes.axvspan(bound, high if budget.at_most else low, **_SHADE)
    axes.axvline(bound, **_BOUND)
    axes.annotate(
        _budget_label(budget, cost), (bound, 0.02), xycoords=axes.get_xaxis_transform(),
        xytext=(4, 0), textcoords="offset points", rotation=90, ha="left", va="bottom",
        fontsize=SMALL, color=VERMILION,
    )  # fmt: skip


def _draw_quality_budget(axes: Axes, budget: Budget, bound: float, quality: Objective) -> None:
    """The bound as a dashed line, and what it forbids shaded."""
    low, high = axes.get_ylim()
    if not low < bound < high:
        return
    axes.axhspan(bound, high if budget.at_most else low, **_SHADE)
    axes.axhline(bound, **_BOUND)
    axes.annotate(
        _budget_label(budget, quality), (0.99, bound),
        xycoords=axes.get_yaxis_transform(), xytext=(0, -3), textcoords="offset points",
        ha="right", va="top", fontsize=SMALL, color=VERMILION,
    )  # fmt: skip


def _draw_ticks(figure: Figure, axes: Axes, costs: FloatArray, names: Sequence[str]) -> None:
    """Networks of unknown accuracy: ticks on the upper edge, with slanted labels spread apart."""
    if not names:
        return
    figure.draw_without_rendering()
    inside = axes.get_window_extent()
    font_size = SMALL - 1
    # of lines of text that lean, measured across them
    spacing = 1.35 * font_size / math.sin(math.radians(_SLANT)) / 72 * figure.dpi / inside.width
    order = np.argsort(costs, kind="stable")
    pixels = axes.transData.transform(np.stack([costs[order], np.zeros(len(costs))], axis=1))
    ticks = [float(place) for place in (pixels[:, 0] - inside.x0) / inside.width]
    for index, tick, place in zip(order, ticks, _spread(ticks, spacing), strict=True):
        axes.plot(
            [tick, tick, place], [0.965, 1.0, 1.035], transform=axes.transAxes, clip_on=False,
            color=ORANGE, linewidth=1.3, solid_joinstyle="round",
        )  # fmt: skip
        axes.annotate(
            names[index], (place, 1.04), xycoords="axes fraction", rotation=_SLANT,
            rotation_mode="anchor", ha="left", va="bottom", fontsize=font_size, color=INK,
            annotation_clip=False,
        )  # fmt: skip


def _spread(wanted: Sequence[float], spacing: float) -> list[float]:
    """Ascending places between 0 and 1, at least ``spacing`` apart, near where they are wanted."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + spacing if places else 0.0))
    limit = 1.0
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - spacing
    return places
