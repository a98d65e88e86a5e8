"""The search loop: ask, evaluate, record, tell; and resuming by replaying the log.

A budget that cheap estimators show to be broken settles an architecture's fate, so nothing
expensive is spent on it, and its expensive values are recorded as null. An evaluation that failed
again and again is recorded with its reason. What the strategy is told of both is said in
`hwnas.search.told`. Only architectures that were evaluated in full count as evaluations; at most
`PROPOSALS_PER_EVALUATION` times as many are proposed.

A strategy's proposals follow from its seed and from what it was told. So a stopped search is
resumed by asking a fresh strategy again and answering from the log as long as it lasts; each
proposal must equal the logged one. Cheap objectives are always estimated for whole batches, as
they were in the first place: an estimator may round differently when asked for fewer rows.
Expensive ones are asked for one architecture at a time, wherever that is (`executors`), and
recorded in the order of the proposals, in whatever order they end.
"""

from collections.abc import Sequence

import numpy as np

from hwnas.catalog import IntArray
from hwnas.errors import InputError, RunError
from hwnas.pareto import BoolArray
from hwnas.problem import violations
from hwnas.progress import Progress, silent
from hwnas.protocols import Estimator
from hwnas.search import executors, log
from hwnas.search.archive import read_archive
from hwnas.search.dispatch import outcomes
from hwnas.search.evaluating import estimate_of
from hwnas.search.executors import Executor, ExecutorContext, Outcome
from hwnas.search.front_files import write_front
from hwnas.search.halving import partial_name, survivors
from hwnas.search.recorder import Recorder
from hwnas.search.records import Records
from hwnas.search.run import Run, RunConfig
from hwnas.search.told import Told, fresh_strategy
from hwnas.search.watching import Watcher

PROPOSALS_PER_EVALUATION = 100
RETRIES = 2
FAILURES_IN_A_ROW = 10


def search(
    run: Run,
    estimators: Sequence[Estimator],
    *,
    evaluations: int | None = None,
    executor: Executor | None = None,
    retries: int = RETRIES,
    on_progress: Progress = silent,
) -> Run:
    """Search, or continue a search, until enough architectures are evaluated.

    Whether it is stopped and resumed or not, and how often, and wherever expensive estimators are
    asked, the log and the front end with the same bytes.

    Args:
        run: Where to record; a new run or a stopped one.
        estimators: One for each quantity of the run's config.
        evaluations: How many architectures to evaluate in full, those of earlier sittings
            included; None for what the config says.
        executor: Where expensive estimators are asked; None for one after another, here. Closed
            by the caller.
        retries: How often a failed evaluation is tried again before it is recorded as failed.
        on_progress: Told after each evaluation.

    Returns:
        The run with its front. It has fewer evaluations than asked for when the space has no
        more architectures, or when too few of those proposed meet the budgets.

    Raises:
        InputError: An estimator is missing, or gave NaN.
        RunInUseError: Another process is writing to the run.
        RunError: The log is not what this search would have done: another version or seed. Or
            `FAILURES_IN_A_ROW` evaluations failed, one after another.
        StorageError: The log cannot be written; what it held before is kept.
    """
    ordered = _in_order(estimators, run.config)
    expensive = [estimator for estimator in ordered if not estimator.cheap]
    here = ExecutorContext(build=lambda: (run.space, expensive))
    executor = executor or executors.create(executors.SERIAL, here)
    wanted = run.config.evaluations if evaluations is None else evaluations
    with log.locked(run.directory):
        with Recorder(run) as recorder:
            _Search(run, ordered, recorder, executor, retries, on_progress).go(wanted)
        finished = Run(run.directory, run.config, space=run.space, records=recorder.all())
        write_front(finished)
    return finished


class _Search:
    """One sitting: answers from the log while that lasts, evaluates and records after it."""

    def __init__(
        self,
        run: Run,
        estimators: Sequence[Estimator],
        recorder: Recorder,
        executor: Executor,
        retries: int,
        on_progress: Progress,
    ) -> None:
        self._run = run
        self._estimators = estimators
        self._recorder = recorder
        self._executor = executor
        self._retries = retries
        self._archive = read_archive(run.directory)
        self._told = Told(run.config)
        self._watcher = Watcher(on_progress)
        self._names = [quantity.name for quantity in run.config.quantities]
        self._expensive = [e.objective.name for e in estimators if not e.cheap]
        self._complete = 0
        self._evaluations = 0
        self._failed_in_a_row = 0

    def go(self, evaluations: int) -> None:
        """Search until so many architectures are evaluated in full."""
        self._evaluations = evaluations
        strategy = fresh_strategy(
            self._run.space, self._run.config, self._estimators, self._archive
        )
        proposed, most = 0, evaluations * PROPOSALS_PER_EVALUATION + len(self._archive)
        while self._complete < evaluations and proposed < most:
            genes = self._run.space.canonical(strategy.ask())
            if len(genes) == 0:
                break
            proposed += len(genes)
            records = self._evaluate(genes)
            losses, violated = self._told.answers(records)
            self._watcher.look(self._told, self._complete, evaluations)
            if len(records) == len(genes):
                strategy.tell(genes, losses, violated)
        self._watcher.look(self._told, self._complete, evaluations, last=True)

    def _evaluate(self, genes: IntArray) -> Records:
        """Evaluations of a batch in order; fewer when there are enough before its end."""
        batch = self._estimated(genes)
        logged = self._recorder.replay(batch)
        decided = self._spared(batch)
        decided[: len(logged)] = True
        _copy(logged, batch)
        stop = self._record(batch, 0, decided)
        if len(logged):
            self._watcher.replayed(self._complete)
        begun = [] if self._complete >= self._evaluations else self._promising(batch, decided)
        stop = self._record(batch, stop, decided)
        for row, outcome in outcomes(
            self._executor, genes, begun,
            wanted=self._evaluations - self._complete, retries=self._retries,
            known=self._archive.outcomes(genes) | self._recorder.ahead(genes) if begun else {},
        ):  # fmt: skip
            _take(outcome, batch, row)
            decided[row] = True
            if decided[stop : row + 1].all():
                stop = self._record(batch, stop, decided)
            else:
                self._recorder.keep_ahead(batch.part(row, row + 1))
            self._watcher.step(self._complete, self._evaluations)
            self._check_failures(outcome)
        self._recorder.end_batch()
        return batch.part(0, stop)

    def _promising(self, batch: Records, decided: BoolArray) -> list[int]:
        """Undecided rows that are worth a full evaluation; the others are decided here."""
        waiting = np.flatnonzero(~decided).tolist()
        if not self._run.config.fidelities or not waiting:
            return waiting
        known = self._archive.outcomes(batch.genes)
        # rows that the log holds compete again as they did then
        going = [i for i in np.flatnonzero(~self._spared(batch)).tolist() if i not in known]
        for fidelity in self._run.config.fidelities:
            going = self._going_on(fidelity, batch, self._seen_at(fidelity, batch, going))
        promising = [i for i in waiting if i in known or i in going]
        decided[np.setdiff1d(waiting, promising)] = True
        return promising

    def _going_on(self, fidelity: float, batch: Records, rows: Sequence[int]) -> list[int]:
        """Those of the rows that were seen at a fidelity which are worth more than that."""
        config = self._run.config
        if not config.stop_below:
            losses = self._told.losses_at(fidelity, batch, self._expensive)[rows]
            return [rows[i] for i in survivors(losses, self._told.tracker.front, config.keep)]
        chance, foreseen = self._told.chances(fidelity, batch)
        stopped = [i for i in rows if chance[i] < config.stop_below]
        known = {"fidelity": np.full(len(batch), fidelity), "chance": chance, **foreseen}
        for name, column in known.items():
            kept = batch.stopped.setdefault(name, np.full(len(batch), np.nan))
            kept[stopped] = column[stopped]
        return [i for i in rows if i not in stopped]

    def _seen_at(self, fidelity: float, batch: Records, rows: Sequence[int]) -> list[int]:
        """Evaluate rows at a fidelity; those that did not fail."""
        names = [partial_name(name, fidelity) for name in self._expensive]
        columns = [batch.partial.setdefault(n, np.full(len(batch), np.nan)) for n in names]
        missing = [i for i in rows if np.isnan(columns[0][i]) and i not in batch.failures]
        for row, outcome in outcomes(
            self._executor, batch.genes, missing,
            wanted=len(missing), retries=self._retries, known={}, fidelity=fidelity,
        ):  # fmt: skip
            for name, column in zip(self._expensive, columns, strict=True):
                column[row] = outcome.values.get(name, np.nan)
            if outcome.failure:
                batch.failures[row] = outcome.failure
            self._watcher.step(self._complete, self._evaluations)
            self._check_failures(outcome)
        return [i for i in rows if not np.isnan(columns[0][i])]

    def _estimated(self, genes: IntArray) -> Records:
        """A batch with what is cheap to know, and NaN for the rest."""
        values = {name: np.full(len(genes), np.nan) for name in self._names}
        stds = {name: np.full(len(genes), np.nan) for name in self._expensive}
        for estimator in self._estimators:
            if estimator.cheap:
                estimate = estimate_of(estimator, genes, self._run.space)
                # copies: what the log holds is put in their place
                values[estimator.objective.name] = np.array(estimate.mean)
                if estimate.std is not None:
                    stds[estimator.objective.name] = np.array(estimate.std)
        return Records(genes, values, stds)

    def _spared(self, batch: Records) -> BoolArray:
        """On which rows nothing expensive is spent: a budget is broken, or nothing is expensive."""
        known = [b for b in self._run.budgets if b.objective not in self._expensive]
        if not self._expensive or not known:
            return np.full(len(batch), not self._expensive)
        return np.asarray((violations(known, batch.values, batch.stds) > 0).any(axis=1))

    def _record(self, batch: Records, start: int, decided: BoolArray) -> int:
        """Record the decided rows from one on, up to the last evaluation asked for.

        Returns:
            Where it stopped.
        """
        left = self._evaluations - self._complete
        if left <= 0:
            return start
        waiting = np.flatnonzero(~decided[start:])
        stop = start + int(waiting[0]) if len(waiting) else len(batch)
        found = np.cumsum(batch.part(start, stop).complete)
        stop = min(stop, start + int(np.searchsorted(found, left)) + 1)
        part = batch.part(start, stop)
        self._recorder.record(part)
        self._complete += int(part.complete.sum())
        return stop

    def _check_failures(self, outcome: Outcome) -> None:
        """Stop where it seems that every evaluation fails."""
        self._failed_in_a_row = self._failed_in_a_row + 1 if outcome.failure else 0
        if self._failed_in_a_row >= FAILURES_IN_A_ROW:
            raise RunError(
                f"{FAILURES_IN_A_ROW} evaluations failed one after another, the last with: "
                f"{outcome.failure}. Mend the cause, then run `hwnas resume`; to have those "
                f"evaluated again, first delete their lines at the end of {self._run.log_path}."
            )


def _copy(logged: Records, batch: Records) -> None:
    """Put what the log holds in place of the first rows of a batch."""
    for name, column in logged.values.items():
        batch.values[name][: len(logged)] = column
    for name, column in logged.stds.items():
        batch.stds.setdefault(name, np.full(len(batch), np.nan))[: len(logged)] = column
    for name, column in logged.partial.items():
        batch.partial.setdefault(name, np.full(len(batch), np.nan))[: len(logged)] = column
    for name, column in logged.stopped.items():
        batch.stopped.setdefault(name, np.full(len(batch), np.nan))[: len(logged)] = column
    batch.failures.update(logged.failures)


def _take(outcome: Outcome, batch: Records, row: int) -> None:
    """Put what came of a row into its batch."""
    if outcome.failure:
        batch.failures[row] = outcome.failure
        return
    for name, value in outcome.values.items():
        batch.values[name][row] = value
    for name, std in outcome.stds.items():
        batch.stds[name][row] = std


def _in_order(estimators: Sequence[Estimator], config: RunConfig) -> list[Estimator]:
    """The estimators in the order of the config's quantities."""
    given = {estimator.objective.name: estimator for estimator in estimators}
    missing = [quantity.name for quantity in config.quantities if quantity.name not in given]
    if missing:
        raise InputError(
            f"The run needs an estimator of {missing[0]}, but only {', '.join(given) or 'none'} "
            "were given."
        )
    return [given[quantity.name] for quantity in config.quantities]
