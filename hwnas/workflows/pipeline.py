"""The main job, end to end: profile, search, export, compare, plot."""

import warnings
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from hwnas import estimators, files
from hwnas.errors import ExtraMissingError, HwnasWarning, RunError
from hwnas.estimators.latency_table import LATENCY
from hwnas.progress import Progress, silent
from hwnas.protocols import architecture_layers
from hwnas.search.run import Run
from hwnas.workflows.experiment import Experiment, SearchSection, anchored, load_experiment
from hwnas.workflows.model_card import ModelCard
from hwnas.workflows.plotting import plot
from hwnas.workflows.profiling import profile, quality_sentence
from hwnas.workflows.quantities import asked_quantities, other_experiments
from hwnas.workflows.references import References, measure_references, train_references
from hwnas.workflows.runs import experiment_of, load_run
from hwnas.workflows.searching import resume, search
from hwnas.workflows.setting import space_for
from hwnas.workflows.shipping import export
from hwnas.workflows.variants import rehearse, table_beside, variants

EXPERIMENT = "experiment.toml"

_SHOWN_COSTS = (
    "params", "macs", "model_size_bytes", "peak_memory_bytes", "energy_mj",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished experiment holds.

    Attributes:
        directory: Of the run.
        run: The search.
        cards: Of the exported files, the one that the search was made for first.
        references: Hand-made networks beside the first file.
        plots: Picture files.
        table_quality: What the latency table says of itself; None without a table.
    """

    directory: Path
    run: Run
    cards: tuple[ModelCard, ...]
    references: References
    plots: tuple[Path, ...]
    table_quality: str | None

    @property
    def card(self) -> ModelCard:
        """Of the file that the search was made for: its runtime, format and precision."""
        return self.cards[0]

    def comparison(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Columns and rows: the chosen network beside the best hand-made one not slower.

        Of several files, the first is shown; a hand-made network's accuracy is that of its fp32
        torch module.
        """
        card, best = self.card, self.references.best
        columns = ("", f"chosen ({card.id})", best.label if best else "no hand-made network")
        drift = "none known" if card.latency_drift is None else f"{card.latency_drift:.2f}"
        own = [
            ("accuracy predicted (validation)", _percent(card.accuracy_predicted)),
            ("accuracy after fine-tuning (test)", _percent(card.accuracy_fine_tuned)),
            (f"accuracy of {card.file.name} (test)", _percent(card.accuracy_file)),
            ("latency predicted", _milliseconds(card.latency_predicted_ms)),
            ("latency of the file, drift divided out", _milliseconds(card.latency_measured_ms)),
            (f"drift since the table was measured: {drift}", ""),
            ("latency, both in one session", _milliseconds(self.references.model_latency_ms)),
        ]
        costs = [estimators.objective(name) for name in _SHOWN_COSTS]
        own += [(cost.title, cost.format(card.costs[cost.name])) for cost in costs]
        own.append(("images trained on", f"{card.images_seen:,}"))
        beside = [""] * len(own)
        if best is not None:
            trained, timed = _percent(best.accuracy), _milliseconds(best.values[LATENCY.name])
            values = [cost.format(best.values[cost.name]) for cost in costs]
            beside = ["", trained, "", "", "", "", timed, *values, f"{best.images_seen:,}"]
        return columns, [(*row, other) for row, other in zip(own, beside, strict=True)]


def run(
    experiment: Experiment, directory: str | Path, *, on_progress: Progress = silent
) -> Outcome:
    """Carry an experiment through: profile, search, export, compare, plot.

    What the directory holds already is kept, so the same call goes on after an interruption.

    Args:
        experiment: What to do.
        directory: Of the run.
        on_progress: Told how far it is.

    Raises:
        RunError: The directory holds the run of another experiment.
        ExtraMissingError: A package that writes a format is not installed.
        RuntimeMissingError: The device or a runtime lacks a precision.
    """
    _rehearse(experiment, experiment.export.formats)
    return _carry_through(experiment, Path(directory), experiment.export.formats, on_progress)


def _carry_through(
    experiment: Experiment, directory: Path, formats: tuple[str, ...], on_progress: Progress
) -> Outcome:
    if (directory / "config.json").exists():
        _check_same(experiment, directory)
        section = experiment.search
        resume(
            directory, executor=section.executor, workers=section.workers,
            ray_address=section.ray_address, ray_timeout_s=section.ray_timeout_s,
            on_progress=on_progress,
        )  # fmt: skip
    else:
        _profile(experiment, on_progress)
        search(experiment, directory, on_progress=on_progress)
    cards = export(directory, formats=formats, on_progress=on_progress)
    references = measure_references(directory, cards[0], on_progress=on_progress)
    if experiment.references.train:
        references = train_references(
            directory, cards[0], count=experiment.references.train, on_progress=on_progress
        )
    finished = load_run(directory)
    table = table_beside(finished, cards[0].runtime, cards[0].precision)
    quality = None if table is None or table.quality is None else quality_sentence(table.quality)
    return Outcome(directory, finished, cards, references, plot(directory), quality)


def quickstart(directory: str | Path, *, on_progress: Progress = silent) -> Outcome:
    """The experiment that ships with hwnas; its file is copied into the run to be changed.

    Formats whose packages are not installed are left out, with a warning.
    """
    shipped = resources.files("hwnas.workflows") / "quickstart.toml"
    copy = Path(directory) / EXPERIMENT
    if not copy.exists():
        files.write_text(copy, shipped.read_text())
    with resources.as_file(shipped) as path:
        experiment = load_experiment(path)
    formats = writable_formats(experiment)
    return _carry_through(experiment, Path(directory), formats, on_progress)


def writable_formats(experiment: Experiment) -> tuple[str, ...]:
    """The formats that an experiment exports to and that can be written on this machine.

    Of each other one a warning says what to install.
    """
    found = []
    for name in experiment.export.formats:
        try:
            _rehearse(experiment, (name,))
        except ExtraMissingError as error:
            warnings.warn(f"No .{name} files are exported: {error}", HwnasWarning, stacklevel=3)
        else:
            found.append(name)
    return tuple(found)


def _rehearse(experiment: Experiment, formats: tuple[str, ...]) -> None:
    """Fail before anything is measured or trained when what is to be exported cannot be."""
    space = space_for(experiment.space)
    layers = architecture_layers(space, space.sample(1, np.random.default_rng(0))[0])
    device, precisions = experiment.device, experiment.export.precisions
    wanted = [
        variant
        for own in device.precisions
        for variant in variants(device, formats=formats, precisions=precisions, own=own)
    ]
    rehearse(dict.fromkeys(wanted), layers)


def _profile(experiment: Experiment, on_progress: Progress) -> None:
    """Measure the tables of all devices whose latency is asked for."""
    asked, space = asked_quantities(experiment), experiment.space
    sections = {LATENCY.name: experiment.device}
    for name, elsewhere in other_experiments(experiment).items():
        sections[LATENCY.on(name).name] = elsewhere.device
    wanted = [section for name, section in sections.items() if name in asked]
    for device, precision in [(d, precision) for d in wanted for precision in d.precisions]:
        profile(
            device.name, space.source, resolutions=space.resolutions, data=experiment.data.source,
            runtime=device.runtime, precision=precision, threads=device.threads,
            accept_unsteady=device.accept_unsteady, on_progress=on_progress,
        )  # fmt: skip


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} %"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else LATENCY.format(value)


def _wherever(experiment: Experiment) -> Experiment:
    """The experiment without where its evaluations are made, which changes nothing it finds."""
    usual = SearchSection()
    section = replace(
        experiment.search, executor=usual.executor, workers=usual.workers,
        ray_address=usual.ray_address, ray_timeout_s=usual.ray_timeout_s, retries=usual.retries,
    )  # fmt: skip
    return replace(experiment, search=section)


def _check_same(experiment: Experiment, directory: Path) -> None:
    before = files.to_plain(_wherever(experiment_of(load_run(directory))))
    wanted = files.to_plain(_wherever(anchored(experiment)))
    changed = [key for key, value in wanted.items() if before[key] != value]
    if changed:
        raise RunError(
            f"{directory} holds a run of another experiment ({', '.join(changed)} differ); give "
            "another directory with --out."
        )
