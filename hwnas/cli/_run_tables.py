"""How runs and models are shown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hwnas.cli._console import say, show_table

if TYPE_CHECKING:
    from hwnas.search.run import Run
    from hwnas.workflows import ModelCard, Outcome


def show_front(run: "Run") -> None:
    """The front in its objectives and what budgets bound, the most accurate network first."""
    bounded = {budget.objective for budget in run.budgets}
    quantities = [q for q in run.config.quantities if q in run.objectives or q.name in bounded]
    rows = [
        (member.id, *(quantity.format(member.values[quantity.name]) for quantity in quantities))
        for member in run.front
    ]
    within = f" within {', '.join(map(str, run.budgets))}" if run.budgets else ""
    done = f"{int(run.complete.sum())} of {run.config.evaluations} evaluations"
    title = f"{run.directory}: {len(rows)} networks on the front{within} after {done}"
    show_table(title, ("id", *(quantity.title for quantity in quantities)), rows)
    say(f"Every quantity and each architecture: {run.directory / 'front.csv'}")


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
