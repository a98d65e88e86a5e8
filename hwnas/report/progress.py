"""How a search gets better: hypervolume over evaluations."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from hwnas.catalog import FloatArray
from hwnas.report.style import SERIES, legend, new_figure


def progress_plot(
    curves: Mapping[str, tuple[FloatArray, FloatArray]], *, label: str = "hypervolume"
) -> Figure:
    """Hypervolume, or another measure of progress, over evaluations.

    Args:
        curves: By name: evaluations, shape (steps,), and hypervolume, shape (steps,), or
            (runs, steps) of which the median and the quartiles are drawn.
        label: Of the y axis.
    """
    figure, axes = new_figure()
    for (name, (evaluations, values)), colour in zip(curves.items(), SERIES * 2, strict=False):
        runs = np.atleast_2d(values)
        low, middle, high = np.quantile(runs, (0.25, 0.5, 0.75), axis=0)
        text = name if len(runs) == 1 else f"{name} (median and quartiles of {len(runs)} runs)"
        axes.plot(evaluations, middle, color=colour, linewidth=1.8, label=text)
        if len(runs) > 1:
            axes.fill_between(evaluations, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set_xlabel("architectures evaluated")
    axes.set_ylabel(label)
    axes.set_xlim(left=0)
    axes.margins(y=0.06)
    if len(curves) > 1:
        legend(figure)
    return figure
