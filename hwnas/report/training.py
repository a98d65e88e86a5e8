"""How training went: accuracy by epoch."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hwnas.report.style import SERIES, legend, new_figure


def training_plot(
    epochs: Sequence[int], accuracies: Mapping[str, Sequence[float]], *, what: str = "validation"
) -> Figure:
    """Accuracy of one or more networks by epoch, such as a supernet's smallest and largest.

    Args:
        epochs: After which accuracy was measured.
        accuracies: By network, in percent, one for each of the epochs.
        what: Images it was measured on.
    """
    figure, axes = new_figure()
    for (name, values), colour in zip(accuracies.items(), SERIES * 2, strict=False):
        axes.plot(
            epochs, values, "-o", color=colour, linewidth=1.8, markersize=4,
            label=f"{name} ({values[-1]:.1f} %)",
        )  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{what} accuracy (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure)
    return figure
