"""The main job, end to end: profile, search, export, compare, plot."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from hwnas import estimators, files
from hwnas.errors import RunError
from hwnas.estimators.latency_table import LATENCY
from hwnas.progress import Progress, silent
from hwnas.search.run import Run
from hwnas.workflows.experiment import Experiment, anchored, load_experiment
from hwnas.workflows.model_card import ModelCard
from hwnas.workflows.plotting import plot
from hwnas.workflows.profiling import profile, quality_sentence
from hwnas.workflows.references import References, measure_references, train_references
from hwnas.workflows.searching import (
    asked_quantities,
    experiment_of,
    load_run,
    resume,
    run_table,
    search,
)
from hwnas.workflows.shipping import export

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
        card: Of the exported file.
        references: Hand-made networks beside it.
        plots: Picture files.
        table_quality: What the latency table says of itself; None without a table.
    """

    directory: Path
    run: Run
    card: ModelCard
    references: References
    plots: tuple[Path, ...]
    table_quality: str | None

    def comparison(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Columns and rows: the chosen network beside the best hand-made one not slower."""
        card, best = self.card, self.references.best
        columns = ("", f"chosen ({card.id})", best.label if best else "no hand-made network")
        predicted = LATENCY.format(card.latency_predicted_ms) if card.latency_predicted_ms else ""
        own = [
            ("accuracy predicted (validation)", f"{card.accuracy_predicted:.2f} %"),
            ("accuracy after fine-tuning (test)", f"{card.accuracy_fine_tuned:.2f} %"),
            (f"accuracy of the {card.format} file (test)", f"{card.accuracy_file:.2f} %"),
            ("latency predicted", predicted),
            ("latency of the file, drift divided out", LATENCY.format(card.latency_measured_ms)),
            (f"drift since the table was measured: {card.latency_drift:.2f}", ""),
            ("latency, both in one session", LATENCY.format(self.references.model_latency_ms)),
        ]
        costs = [estimators.objective(name) for name in _SHOWN_COSTS]
        own += [(cost.title, cost.format(card.costs[cost.name])) for cost in costs]
        own.append(("images trained on", f"{card.images_seen:,}"))
        beside = [""] * len(own)
        if best is not None:
            trained, timed = f"{best.accuracy:.2f} %", LATENCY.format(best.values[LATENCY.name])
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
    """
    directory = Path(directory)
    if (directory / "config.json").exists():
        _check_same(experiment, directory)
        resume(directory, on_progress=on_progress)
    else:
        if LATENCY.name in asked_quantities(experiment):
            _profile(experiment, on_progress)
        search(experiment, directory, on_progress=on_progress)
    card = export(directory, on_progress=on_progress)
    references = measure_references(directory, card, on_progress=on_progress)
    if experiment.references.train:
        references = train_references(
            directory, card, count=experiment.references.train, on_progress=on_progress
        )
    finished = load_run(directory)
    table = run_table(finished)
    quality = None if table is None or table.quality is None else quality_sentence(table.quality)
    return Outcome(directory, finished, card, references, plot(directory), quality)


def quickstart(directory: str | Path, *, on_progress: Progress = silent) -> Outcome:
    """The experiment that ships with hwnas; its file is copied into the run to be changed."""
    shipped = resources.files("hwnas.workflows") / "quickstart.toml"
    copy = Path(directory) / EXPERIMENT
    if not copy.exists():
        files.write_text(copy, shipped.read_text())
    with resources.as_file(shipped) as path:
        experiment = load_experiment(path)
    return run(experiment, directory, on_progress=on_progress)


def _profile(experiment: Experiment, on_progress: Progress) -> None:
    device, space = experiment.device, experiment.space
    profile(
        device.name, space.source, resolutions=space.resolutions, data=experiment.data.source,
        runtime=device.runtime, precision=device.precision, threads=device.threads,
        on_progress=on_progress,
    )  # fmt: skip


def _check_same(experiment: Experiment, directory: Path) -> None:
    before = files.to_plain(experiment_of(load_run(directory)))
    wanted = files.to_plain(anchored(experiment))
    changed = [key for key, value in wanted.items() if before[key] != value]
    if changed:
        raise RunError(
            f"{directory} holds a run of another experiment ({', '.join(changed)} differ); give "
            "another directory with --out."
        )
