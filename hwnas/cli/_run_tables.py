"""How runs and models are shown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwnas.cli._console import say, show_table

if TYPE_CHECKING:
    from hwnas.search.run import Run
    from hwnas.workflows import ModelCard, Outcome


def show_front(run: "Run", *, reference: str = "", even: int = 0) -> None:
    """The front in its objectives and what budgets bound, the most accurate network first.

    Args:
        run: With its evaluations.
        reference: As that of `hwnas.search.preferred`.
        even: Likewise.
    """
    # numpy and the rest of a search are imported when there is a run to show
    from hwnas.search import departures, front_table, preferred, shortfall

    within = f" within {', '.join(map(str, run.budgets))}" if run.budgets else ""
    done = f"{int(run.complete.sum())} of {run.config.evaluations} evaluations"
    members = preferred(run, reference=reference, even=even)
    shown = "" if len(members) == len(run.front) else f"{len(members)} of "
    title = f"{run.directory}: {shown}{len(run.front)} networks on the front{within} after {done}"
    show_table(title, *front_table(run, members))
    left = departures(run)
    if left:
        columns, rows = front_table(run, [departure.member for departure in left])
        reasons = [[*row, departure.reason] for row, departure in zip(rows, left, strict=True)]
        show_table("Left the front when they were measured:", [*columns, "reason"], reasons)
    near = shortfall(run)
    if near is not None:
        say(f"Nothing found meets the budgets. {near}")
    say(f"Every quantity and each architecture: {run.directory / 'front.csv'}")


def show_predictor(run: "Run") -> None:
    """How good the run's own predictor of accuracy is, beside what needs none; else nothing."""
    from hwnas.workflows.predicted_accuracy import predictor_scores, rows_of

    fitted, scores = predictor_scores(run.directory)
    if scores:
        title = f"Accuracy is predicted from {fitted} evaluated networks; in cross-validation:"
        show_table(title, ("", "Spearman", "RMSE", "in 90 % intervals"), rows_of(scores))


def show_card(card: "ModelCard") -> None:
    """What is known of an exported file, predicted beside measured."""
    show_table(f"{card.file}", ("", "predicted", "measured on the file"), card.rows())
    say(f"Model card: {card.file}.md")


def show_files(cards: "Sequence[ModelCard]") -> None:
    """Several files of one network, a row each."""
    from hwnas.workflows.model_card import overview

    show_table(*overview(cards))
    say(f"Model cards: beside them, such as {cards[0].file}.md")


def show_outcome(outcome: "Outcome") -> None:
    """The end of a whole experiment."""
    show_front(outcome.run)
    for path in outcome.plots:
        say(str(path))
    columns, rows = outcome.comparison()
    show_table("The chosen network", columns, rows)
    if outcome.table_quality is not None:
        say(outcome.table_quality)
    if len(outcome.cards) == 1:
        say(f"Model file: {outcome.card.file}")
    else:
        show_files(outcome.cards)
