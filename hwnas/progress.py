"""How long work tells how far it is; who shows it is not its business."""

from typing import Protocol


class Progress(Protocol):
    """Called again and again while work goes on; must be quick and must not raise."""

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        """One step of progress.

        Args:
            task: What is being done, such as ``training the supernet``; starts a new bar when new.
            done: How much of it is done, in any unit.
            total: How much there is, in the same unit.
            note: A short state, such as ``accuracy 84.1 %``.
        """


def silent(task: str, done: float, total: float, note: str = "") -> None:
    """Progress that nobody watches."""
