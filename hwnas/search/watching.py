"""What is told of a search while it goes on: how far it is, how good, and how fast."""

import time

import numpy as np

from hwnas.progress import Progress
from hwnas.search.told import Told

_LOOK_S = 0.5


class Watcher:
    """Watches one sitting of a search.

    Args:
        on_progress: Who is told.
    """

    def __init__(self, on_progress: Progress) -> None:
        self._on_progress = on_progress
        self._note = ""
        self._looked = -np.inf
        self._begun = 0, time.monotonic()

    def step(self, complete: int, evaluations: int) -> None:
        """An evaluation has ended; of the last one `look` tells, when all is known."""
        if complete < evaluations:
            self._tell(complete, evaluations)

    def look(self, told: Told, complete: int, evaluations: int, *, last: bool = False) -> None:
        """A batch has ended; how good it was costs time to say, so not every one is looked at."""
        now = time.monotonic()
        if last or complete >= evaluations or now - self._looked >= _LOOK_S:
            self._note, self._looked = f"{told.state()}{self._rate(complete, now)}", now
        self._tell(complete, evaluations)

    def replayed(self, complete: int) -> None:
        """So many evaluations are those of earlier sittings."""
        self._begun = complete, time.monotonic()

    def _tell(self, complete: int, evaluations: int) -> None:
        self._on_progress("searching", complete, evaluations, self._note)

    def _rate(self, complete: int, now: float) -> str:
        if complete == self._begun[0]:
            return ""
        rate = (complete - self._begun[0]) / max(now - self._begun[1], 1e-9)
        return f", {rate:,.0f} evaluations/s" if rate >= 10 else f", {rate:.2g} evaluations/s"
