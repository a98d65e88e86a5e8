"""How far a latency table's predictions are from whole networks measured on the device."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from hwnas.catalog import FloatArray
from hwnas.problem import Objective
from hwnas.report import labels
from hwnas.report.front import Mark
from hwnas.report.style import (
    BLUE,
    INK,
    LOG_FROM,
    ORANGE,
    SMALL,
    axis_label,
    legend,
    log_axis,
    new_figure,
    unit_scale,
)

_BAND = 0.10  # what nn-Meter (Zhang et al., MobiSys 2021, section 5) counts as a good prediction


def prediction_plot(
    objective: Objective,
    predicted: FloatArray,
    measured: FloatArray,
    *,
    mape: float,
    bias: float,
    spearman: float,
    repeatability: float | None = None,
    intervals: FloatArray | None = None,
    marks: Sequence[Mark] = (),
) -> Figure:
    """Predicted against measured, with the line of perfect predictions and a band of 10 %.

    Args:
        objective: What was predicted, such as latency.
        predicted: Shape (networks,).
        measured: Shape (networks,).
        mape: Mean absolute percentage error, in percent.
        bias: Mean signed error in percent; negative when predictions are too low.
        spearman: Rank correlation, from -1 to 1.
        repeatability: How far two measurements of one network differ, in percent; None if unknown.
        intervals: Half widths of the 90 % intervals of predictions, shape (networks,); None if none
            were stated.
        marks: Networks to name: ``cost`` is what was measured, ``value`` what was predicted.
    """
    figure, axes = new_figure()
    named = [mark for mark in marks if mark.value is not None]
    every = [*predicted, *measured, *(x for mark in named for x in (mark.cost, mark.value or 0))]
    scale, unit = unit_scale(objective, max(every))
    ends = np.array([0.93 * min(every), 1.07 * max(every)]) / scale
    if ends[1] / ends[0] > LOG_FROM:
        log_axis(axes, "x")
        log_axis(axes, "y")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel(f"measured {axis_label(objective, unit)}")
    axes.set_ylabel(f"predicted {axis_label(objective, unit)}")
    axes.plot(ends, ends, color=INK, linewidth=1.0, zorder=1, label="predicted = measured")
    axes.fill_between(
        ends, ends * (1 - _BAND), ends * (1 + _BAND), color=INK, alpha=0.08, linewidth=0,
        zorder=0.5, label=f"within {_BAND:.0%}",
    )  # fmt: skip
    if intervals is not None:
        axes.errorbar(
            measured / scale, predicted / scale, yerr=intervals / scale, fmt="none", ecolor=BLUE,
            elinewidth=0.9, alpha=0.45, zorder=2, label="90 % interval",
        )  # fmt: skip
    axes.scatter(
        measured / scale, predicted / scale, s=26, color=BLUE, alpha=0.75, edgecolor="white",
        linewidth=0.4, zorder=3, label=f"{len(predicted)} networks",
    )  # fmt: skip
    wanted = [
        labels.Label(mark.label, mark.cost / scale, (mark.value or 0) / scale, INK)
        for mark in named
    ]
    if wanted:
        axes.scatter(
            [label.x for label in wanted], [label.y for label in wanted], s=46, marker="D",
            color=ORANGE, edgecolor="white", linewidth=0.7, zorder=4,
            label="reference or chosen network",
        )  # fmt: skip
    lines = [f"MAPE {mape:.1f} %", f"bias {bias:+.1f} %".replace("-", "\N{MINUS SIGN}")]
    lines.append(f"Spearman {spearman:.3f}")
    if repeatability is not None:
        lines.append(f"repeatability {repeatability:.1f} %")
    axes.text(
        0.02, 0.98, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=SMALL + 0.5,
        linespacing=1.45, color=INK,
    )  # fmt: skip
    legend(figure)
    points = np.stack([measured, predicted], axis=1) / scale
    labels.place(figure, axes, wanted, line=np.stack([ends, ends], axis=1), markers=points)
    return figure
