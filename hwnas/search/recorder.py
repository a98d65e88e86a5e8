"""The memory of a run: its log replayed, what is new appended, and what came ahead of its turn.

Evaluations in parallel end in any order, and the log has them in the order of the proposals. One
that has to wait for those before it is kept in ``ahead.jsonl`` meanwhile, so that nothing is lost
when the search is killed. A finished search leaves no such file.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import RunError
from hwnas.search import log
from hwnas.search.executors import Outcome
from hwnas.search.log import LogWriter
from hwnas.search.records import Records, joined
from hwnas.search.run import Run

AHEAD = "ahead.jsonl"


class Recorder:
    """A context manager; the caller holds the lock of the run's directory.

    Args:
        run: Whose log it is.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._names = [quantity.name for quantity in run.config.quantities]
        self._logged = self._read(run.log_path)
        earlier = self._read(run.directory / AHEAD)
        self._ahead = dict(zip(_keys(earlier.genes), _outcomes(earlier), strict=True))
        self._recorded: set[bytes] = set()
        self._parts: list[Records] = []
        self._files = ExitStack()
        self._writer = self._files.enter_context(LogWriter(run.log_path))
        self._ahead_writer = self._files.enter_context(LogWriter(run.directory / AHEAD))

    def replay(self, batch: Records) -> Records:
        """What the log holds of a batch: as many of its first rows as were recorded before.

        Args:
            batch: Rows that a strategy proposes, with what is cheap to know.

        Raises:
            RunError: The log is not what this search would have done, or a row is no new one.
        """
        keys = _keys(batch.genes)
        if len(set(keys)) < len(keys) or not self._recorded.isdisjoint(keys):
            raise RunError(
                f"Strategy {self._run.config.strategy} proposed an architecture twice, which none "
                "may do; search with another one."
            )
        start = len(self._recorded)
        logged = self._logged.part(start, start + len(batch))
        self._check_genes(logged, batch)
        for name, column in logged.values.items():
            self._check_values(logged, name, batch.values[name][: len(column)])
        return logged

    def record(self, records: Records) -> None:
        """Take in the next evaluations in order; those that the log lacks are appended to it.

        Raises:
            StorageError: There was no room; the log is as it was before.
        """
        start = len(self._recorded)
        known = min(max(len(self._logged) - start, 0), len(records))
        if known < len(records):
            self._writer.append(records.part(known, len(records)), first=start + known)
        self._recorded.update(_keys(records.genes))
        self._parts.append(records)

    def all(self) -> Records:
        """What the log holds now."""
        rest = self._logged.part(len(self._recorded), len(self._logged))
        return joined([*self._parts, rest], self._logged)

    def keep_ahead(self, record: Records) -> None:
        """Keep one evaluation whose turn in the log has not come.

        Raises:
            StorageError: There was no room; the file is as it was before.
        """
        key = _keys(record.genes)[0]
        if key not in self._ahead:
            self._ahead_writer.append(record, first=len(self._ahead))
            self._ahead[key] = _outcomes(record)[0]

    def ahead(self, genes: IntArray) -> dict[int, Outcome]:
        """What came ahead of its turn, by index of the row."""
        if not self._ahead:
            return {}
        return {i: self._ahead[key] for i, key in enumerate(_keys(genes)) if key in self._ahead}

    def end_batch(self) -> None:
        """Forget what came ahead, once the turn of all has come."""
        if self._recorded.issuperset(self._ahead):
            self._ahead_writer.clear()
            self._ahead.clear()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()
        if not self._ahead:
            (self._run.directory / AHEAD).unlink()

    def _read(self, path: Path) -> Records:
        return log.read(path, self._names, genes=len(self._run.space.cardinalities))

    def _check_genes(self, logged: Records, batch: Records) -> None:
        """Refuse to go on where the log has other rows than are proposed."""
        wrong = (logged.genes != batch.genes[: len(logged)]).any(axis=1)
        if wrong.any():
            i, config = int(wrong.argmax()), self._run.config
            made_with = ", ".join(f"{k} {v}" for k, v in config.versions.items())
            raise RunError(
                f"{self._line(i)} records {logged.genes[i].tolist()}, but strategy "
                f"{config.strategy} now proposes {batch.genes[i].tolist()}: the run was made with "
                "other versions or another population. Use those of its config.json "
                f"({made_with}), or start a new run."
            )

    def _check_values(self, logged: Records, name: str, now: FloatArray) -> None:
        """Refuse to go on where what is cheap to know is not what it was."""
        then = np.nan_to_num(logged.values[name], nan=0.0)
        wrong = ~np.isnan(now) & ~np.isclose(then, now, rtol=1e-9, atol=0.0)
        if wrong.any():
            i = int(wrong.argmax())
            raise RunError(
                f"{self._line(i)} records {name} {then[i]}, but it is now estimated as {now[i]}: "
                "what it is estimated from has changed (a latency table, a device file). Restore "
                "that, or start a new run."
            )

    def _line(self, index: int) -> str:
        return f"{self._run.log_path}, line {len(self._recorded) + index + 1}"


def _keys(genes: IntArray) -> list[bytes]:
    # as one column of opaque values, which numpy turns into bytes without a call for each row
    rows = np.ascontiguousarray(genes, dtype=np.int32)
    if rows.shape[1] == 0:
        return [b""] * len(rows)
    keys: list[bytes] = rows.view(f"V{rows.shape[1] * rows.itemsize}")[:, 0].tolist()
    return keys


def _outcomes(records: Records) -> list[Outcome]:
    """Evaluations as executors give them; with what is cheap to know among the values."""
    found = []
    for i in range(len(records)):
        values = {n: float(column[i]) for n, column in records.values.items()}
        stds = {n: float(column[i]) for n, column in records.stds.items()}
        failure = records.failures.get(i, "")
        found.append(Outcome({} if failure else values, stds, failure))
    return found
