"""A run's pictures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hwnas import report
from hwnas.catalog import FloatArray
from hwnas.errors import RunError
from hwnas.estimators.latency_table import LATENCY
from hwnas.latency_table import LatencyTable, Quality
from hwnas.problem import Objective, split_device, violations
from hwnas.report import Figure, Mark
from hwnas.search import hypervolume_history
from hwnas.search.run import Run
from hwnas.workflows.experiment import BY_IMAGENET, BY_PREDICTOR, BY_SUPERNET
from hwnas.workflows.model_card import ModelCard, read_cards
from hwnas.workflows.quantities import ACCURACY
from hwnas.workflows.references import References, read_references
from hwnas.workflows.runs import experiment_of, load_run, member_precision, run_tables
from hwnas.workflows.table_plot import table_plot
from hwnas.workflows.trained import SUPERNET, training_log

PLOTS = "plots"

_NOTES = {
    BY_SUPERNET: "Circles and dots: the supernet's weights, validation images. "
    "Diamonds and star: trained to the end, test images.",
    BY_IMAGENET: "Accuracies are predicted from subnets that others measured on ImageNet.",
    BY_PREDICTOR: "Accuracies are predicted from the evaluations of another run.",
}
"""How accuracies came about, below the plot."""
_REACH = 2.0
"""Hand-made networks of unknown accuracy are shown up to this multiple of the largest cost seen:
farther out they would squash the front."""


def plot(directory: str | Path) -> tuple[Path, ...]:
    """Draw what a run holds so far, as PNG and SVG files in its ``plots`` folder.

    - ``front_<cost>``: the first objective against each cost, with the budget, hand-made networks
      and the exported one;
    - ``progress``: hypervolume over evaluations;
    - ``prediction``: predicted against measured latency; where the search chose among precisions,
      ``prediction_<precision>`` for each, and ``prediction_<device>`` for each further device;
    - ``training``: accuracy of the supernet's smallest and largest network by epoch. Of a
      directory where only a supernet is trained, this alone is drawn.

    Returns:
        The files, PNG before SVG.

    Raises:
        RunError: The run has no evaluations, or the training no accuracies, yet.
    """
    directory = Path(directory)
    written: list[Path] = []
    for name, figure in _all_figures(directory):
        written += report.save(figure, directory / PLOTS / name)
    return tuple(written)


def _all_figures(directory: Path) -> Iterator[tuple[str, Figure]]:
    if training_log(directory / SUPERNET) and not (directory / "config.json").exists():
        figures = tuple(_training(directory))
        if not figures:
            raise RunError(f"{directory} has no accuracies to draw yet; see `hwnas train`.")
        return iter(figures)
    run = load_run(directory)
    if not run.complete.any():
        raise RunError(f"{run.directory} has no evaluations to draw yet; see `hwnas resume`.")
    return _figures(run)


def _figures(run: Run) -> Iterator[tuple[str, Figure]]:
    cards = read_cards(run.directory)
    references = read_references(run.directory)
    quality = run.objectives[0]
    for cost in run.config.quantities:
        if cost != quality:
            yield f"front_{cost.name}", _front(run, quality, cost, references, cards)
    yield "progress", _progress(run)
    yield from _predictions(run, cards)
    yield from _training(run.directory)


def _training(directory: Path) -> Iterator[tuple[str, Figure]]:
    log = training_log(directory / SUPERNET)
    epochs = [epoch for epoch in log if "largest_accuracy" in epoch]
    if epochs:
        curves = {
            f"{size} network": [epoch[f"{size}_accuracy"] for epoch in epochs]
            for size in ("largest", "smallest")
        }
        yield "training", report.training_plot([int(epoch["epoch"]) for epoch in epochs], curves)


def _front(
    run: Run,
    quality: Objective,
    cost: Objective,
    references: References | None,
    cards: tuple[ModelCard, ...],
) -> Figure:
    done, values = run.complete, run.values
    reach = _REACH * max(values[cost.name][done])
    marks = [
        Mark(network.label, network.values[cost.name], network.accuracy)
        for network in (references.networks if references else ())
        if quality.name == ACCURACY
        and cost.name in network.values  # they were not asked about other devices
        and (network.accuracy is not None or network.values[cost.name] <= reach)
    ]
    chosen = None
    if cards:
        card = _searched_for(run, cards)
        index = run.evaluations.ids.index(card.id)
        # as hand-made networks are shown: trained to the end, on the test part
        value = card.accuracy_file if quality.name == ACCURACY else values[quality.name][index]
        chosen = Mark("chosen, exported", values[cost.name][index], value)
    return report.front_plot(
        quality, cost, values=values[quality.name][done], costs=values[cost.name][done],
        on_front=run.on_front[done], predicted=_predicted(run, cost), budgets=run.budgets,
        references=marks, chosen=chosen,
        note=_NOTES[experiment_of(run).accuracy] if quality.name == ACCURACY else "",
    )  # fmt: skip


def _predicted(run: Run, cost: Objective) -> FloatArray | None:
    """What was predicted of the complete evaluations whose cost is measured, NaN of others."""
    if cost.name not in run.measured:
        return None
    measured, _ = run.measured[cost.name]
    predicted = np.where(np.isnan(measured), np.nan, run.evaluations.values[cost.name])
    return np.asarray(predicted[run.complete])


def _progress(run: Run) -> Figure:
    """Hypervolume as the search saw it, which knew nothing of what was measured later."""
    values, stds = run.evaluations.values, run.evaluations.stds
    losses = np.stack([each.losses(values[each.name]) for each in run.objectives], axis=1)
    met = violations(run.budgets, values, stds) == 0
    evaluations, volumes = hypervolume_history(losses, run.complete & met.all(axis=1))
    history = {run.config.strategy: (evaluations.astype(float), volumes)}
    return report.progress_plot(history, label="hypervolume (share of the box)")


def _searched_for(run: Run, cards: tuple[ModelCard, ...]) -> ModelCard:
    """Of the files of the network exported last, the one in what the search was made for."""
    of_last = [card for card in cards if card.id == cards[-1].id]
    member = run.member(run.evaluations.ids.index(of_last[0].id))
    wanted = (experiment_of(run).device.runtime, member_precision(run, member))
    return next((c for c in of_last if (c.runtime, c.precision) == wanted), of_last[-1])


def _predictions(run: Run, cards: tuple[ModelCard, ...]) -> Iterator[tuple[str, Figure]]:
    """A picture for each of the run's measured tables: of each device, at each precision."""
    for latency in run.config.quantities:
        base, device = split_device(latency.name)
        tables = run_tables(run, device) if base == LATENCY.name else {}
        for precision, table in tables.items():
            if isinstance(table, LatencyTable) and table.quality is not None:
                parts = (device, precision if len(tables) > 1 else "")
                name = "_".join(["prediction", *filter(None, parts)])
                # files were measured on the run's own device only
                measured = cards if not device else ()
                yield name, _prediction(latency, table, table.quality, measured)


def _prediction(
    latency: Objective, table: LatencyTable, quality: Quality, cards: tuple[ModelCard, ...]
) -> Figure:
    marks = [
        Mark(card.id, card.latency_measured_ms, card.latency_predicted_ms)
        for card in cards
        if card.latency_predicted_ms is not None
        and (card.runtime, card.precision) == (table.runtime, table.precision)
    ]
    return table_plot(table, quality, latency=latency, marks=marks)
