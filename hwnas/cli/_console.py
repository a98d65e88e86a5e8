"""What people see: tables, progress bars with time left, notes.

rich is imported when something is shown: ``hwnas --help`` has nothing to show through it here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@cache
def console() -> "Console":
    """Standard output as a terminal."""
    from rich.console import Console

    return Console(highlight=False)


_WIDE = 130
"""Columns of a terminal with room for a long bar beside the note."""


class _Bars:
    """Progress bars by task name; where nobody watches a terminal, a line at a task's end."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._ended: set[str] = set()

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total, note="")
        self._bars.update(self._tasks[task], completed=done, total=total, note=note)
        if done >= total and task not in self._ended:
            self._ended.add(task)
            if not console().is_terminal:
                seconds = self._bars.tasks[self._tasks[task]].elapsed or 0.0
                say(f"{task}: done in {seconds:.0f} s. {note}".rstrip())


@contextmanager
def progress_bars() -> Iterator[_Bars]:
    """Progress for long work, as a context."""
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24 if console().width > _WIDE else 8),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        # the note is cut where the terminal is narrow, not the time that is left
        TextColumn("[dim]{task.fields[note]}", table_column=Column(no_wrap=True, ratio=1)),
    )
    # an invisible progress still counts time, which _Bars reports at the end of a task
    with Progress(
        *columns, console=console(), disable=not console().is_terminal, expand=True
    ) as bars:
        yield _Bars(bars)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; the first column is left-aligned, the others right-aligned."""
    from rich.table import Table

    say(title)
    table = Table(header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for row in rows:
        table.add_row(*row)
    console().print(table)


def say(text: str) -> None:
    """One line for the user."""
    console().print(text, soft_wrap=True, markup=False)
