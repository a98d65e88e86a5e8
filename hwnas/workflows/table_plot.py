"""A latency table's picture: what it predicts of networks held out, beside what was measured."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwnas import report
from hwnas.errors import InputError
from hwnas.estimators.latency_table import LATENCY
from hwnas.imported_table import read_table
from hwnas.latency_table import LatencyTable, Quality
from hwnas.problem import Objective
from hwnas.profiling.quality import NORMAL_90
from hwnas.report import Figure, Mark


def plot_table(path: str | Path, picture: str | Path) -> tuple[Path, ...]:
    """Draw what a table predicts of networks held out beside what was measured.

    Args:
        path: Of the table.
        picture: File to write; PNG and SVG are both written, whatever its ending.

    Raises:
        InputError: The table has no networks held out.
    """
    table = read_table(Path(path))
    if not isinstance(table, LatencyTable) or table.quality is None:
        raise InputError(
            f"{path} holds no networks to compare predictions with, so there is nothing to draw; "
            "profile with --held-out."
        )
    target = Path(picture)
    stem = target.with_suffix("") if target.suffix in (".png", ".svg") else target
    return tuple(report.save(table_plot(table, table.quality), stem))


def table_plot(
    table: LatencyTable,
    quality: Quality,
    *,
    latency: Objective = LATENCY,
    marks: Sequence[Mark] = (),
) -> Figure:
    """A table's held-out networks, predicted against measured.

    Args:
        table: The table.
        quality: What it states of itself.
        latency: What the axes are called.
        marks: Networks to name.
    """
    held_out = [network for network in table.networks if network.held_out]
    stds = [network.predicted_std_ms for network in held_out]
    known = [NORMAL_90 * std for std in stds if std is not None]
    return report.prediction_plot(
        latency,
        np.array([network.predicted_ms for network in held_out]),
        np.array([network.measured_ms for network in held_out]),
        mape=quality.mape,
        bias=quality.bias,
        spearman=quality.spearman,
        repeatability=quality.repeatability_mape,
        intervals=np.array(known) if len(known) == len(stds) else None,
        marks=marks,
    )
