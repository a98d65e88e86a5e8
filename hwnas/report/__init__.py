"""Plots of a search, a latency table and a training run, from plain data; matplotlib lives here."""

from matplotlib.figure import Figure

from hwnas.report.front import Mark, front_plot
from hwnas.report.prediction import prediction_plot
from hwnas.report.progress import progress_plot
from hwnas.report.style import save
from hwnas.report.training import training_plot

__all__ = [
    "Figure",
    "Mark",
    "front_plot",
    "prediction_plot",
    "progress_plot",
    "save",
    "training_plot",
]
