"""Accuracy by a predictor that is fitted on another run's evaluations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwnas import files
from hwnas.errors import InputError, SpaceMismatchError
from hwnas.prediction import Predictor, Score, fit
from hwnas.protocols import SearchSpace
from hwnas.search.run import Run
from hwnas.spaces import load_space
from hwnas.workflows.experiment import BY_SUPERNET, SpaceSection
from hwnas.workflows.quantities import ACCURACY
from hwnas.workflows.runs import experiment_of

_FILE = "accuracy_predictor.json"


def fitted_on(run: Run) -> Predictor:
    """The predictor that is best on the accuracies that a run evaluated.

    Raises:
        InputError: It evaluated none, or too few.
    """
    accuracies = run.evaluations.values.get(ACCURACY)
    if accuracies is None or experiment_of(run).accuracy != BY_SUPERNET:
        raise InputError(
            f"{run.directory} evaluated no accuracy, so nothing can be learned from it; name a "
            "run whose objectives have accuracy, by a supernet."
        )
    known = np.isfinite(accuracies)
    return fit(run.space, run.evaluations.genes[known], accuracies[known])


def space_of(run: Run, section: SpaceSection) -> SearchSpace:
    """The space of a run whose accuracies are learned from; it must be the one that is named.

    Raises:
        SpaceMismatchError: It is another one, or of several precisions.
    """
    own = run.space.definition()
    changes = {key: own[key] for key in ("classes", "in_channels", "resolutions") if key in own}
    if section.resolutions:
        changes["resolutions"] = sorted(set(section.resolutions))
    if load_space(section.source, **changes).definition() != own:
        raise SpaceMismatchError(
            f"{run.directory} searched space {run.space.name}, and a predictor that learned from "
            f"it knows that space alone, with its resolutions and one precision; got "
            f"{section.source}. Name the same one with --space."
        )
    return run.space


def write_scores(directory: Path, predictor: Predictor) -> None:
    """Write how good a predictor was in cross-validation into the run that uses it."""
    content = {
        "chosen": predictor.chosen,
        "rows": predictor.rows,
        "scores": [
            {name: value for name, value in files.to_plain(score).items() if value == value}
            for score in predictor.scores
        ],
    }
    files.write_json(directory / _FILE, content)


def predictor_scores(directory: str | Path) -> tuple[int, tuple[Score, ...]]:
    """Of the predictor that a run uses: on how many networks it was fitted, and its scores.

    Returns:
        The scores of the one that was chosen come first, those of MACs, parameters and depth
        last; none where the run uses no predictor of its own.
    """
    path = Path(directory) / _FILE
    if not path.is_file():
        return 0, ()
    content = files.read_json(path)
    return content["rows"], tuple(_score(entry) for entry in content["scores"])


def _score(entry: dict[str, object]) -> Score:
    return files.parse({"spearman": float("nan"), **entry}, Score, source=_FILE)


def rows_of(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    """Scores as rows of a table."""
    return [
        (
            score.name.replace("_", " "),
            f"{score.spearman:.3f}",
            "" if score.rmse is None else f"{score.rmse:.2f}",
            "" if score.coverage_90 is None else f"{100 * score.coverage_90:.0f} %",
        )
        for score in scores
    ]
