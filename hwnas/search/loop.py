"""The search loop: ask, evaluate, record, tell; and resuming by replaying the log.

A budget that cheap estimators show to be broken settles an architecture's fate, so nothing
expensive is spent on it: its expensive values are recorded as null, and the strategy is told the
worst loss seen so far in their place, together with the violation. Only architectures that
were evaluated in full count as evaluations; at most `PROPOSALS_PER_EVALUATION` times as many
are proposed.

A strategy's proposals follow from its seed and from what it was told. So a stopped search is
resumed by asking a fresh strategy again and answering from the log as long as it lasts; each
proposal must equal the logged one. Cheap objectives are always estimated for whole batches, as
they were in the first place: an estimator may round differently when asked for fewer rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from hwnas import strategies
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError, RunError
from hwnas.problem import Budget, violations
from hwnas.progress import Progress, silent
from hwnas.protocols import (
    Estimator,
    KnownLosses,
    SearchSpace,
    SearchStrategy,
    StrategyProblem,
)
from hwnas.search import log
from hwnas.search.evaluating import values_of
from hwnas.search.indicators import FrontTracker
from hwnas.search.log import LogWriter, Record
from hwnas.search.run import Run, RunConfig, write_front

PROPOSALS_PER_EVALUATION = 100


def search(
    run: Run,
    estimators: Sequence[Estimator],
    *,
    evaluations: int | None = None,
    on_progress: Progress = silent,
) -> Run:
    """Search, or continue a search, until enough architectures are evaluated.

    Whether it is stopped and resumed or not, and how often, the log and the front end with the
    same bytes.

    Args:
        run: Where to record; a new run or a stopped one.
        estimators: One for each quantity of the run's config.
        evaluations: How many architectures to evaluate in full, those of earlier sittings
            included; None for what the config says.
        on_progress: Told after each evaluation.

    Returns:
        The run with its front. It has fewer evaluations than asked for when the space has no
        more architectures, or when too few of those proposed meet the budgets.

    Raises:
        InputError: An estimator is missing, or gave NaN.
        RunInUseError: Another process is writing to the run.
        RunError: The log is not what this search would have done: another version or seed.
        StorageError: The log cannot be written; what it held before is kept.
    """
    ordered = _in_order(estimators, run.config)
    wanted = run.config.evaluations if evaluations is None else evaluations
    with log.locked(run.directory):
        with LogWriter(run.log_path) as writer:
            _Search(run, ordered, writer, on_progress).go(wanted)
        finished = Run.open(run.directory)
        write_front(finished)
    return finished


def fresh_strategy(
    space: SearchSpace, config: RunConfig, estimators: Sequence[Estimator]
) -> SearchStrategy:
    """The strategy of a run as it is before its first proposal.

    Args:
        space: The search space.
        config: Of the run.
        estimators: Of its quantities; a strategy may ask the cheap ones as it likes.
    """
    problem = StrategyProblem(
        cardinalities=space.cardinalities,
        canonical=space.canonical,
        objectives=len(config.objectives),
        budgets=len(config.budgets),
        seed=config.seed,
        batch=config.population,
        known=known_losses(space, config, estimators),
    )
    return strategies.create(config.strategy, problem)


def known_losses(
    space: SearchSpace, config: RunConfig, estimators: Sequence[Estimator]
) -> KnownLosses | None:
    """The losses and violations of a run that are cheap to know; None when there are none."""
    cheap = {estimator.objective.name: estimator for estimator in estimators if estimator.cheap}
    objectives = [i for i, o in enumerate(config.objectives) if o.name in cheap]
    budgets = [i for i, budget in enumerate(config.budgets) if budget.objective in cheap]
    if not objectives and not budgets:
        return None
    bounds = [config.budgets[i] for i in budgets]
    needed = {config.objectives[i].name for i in objectives} | {b.objective for b in bounds}

    def of(genes: IntArray) -> tuple[FloatArray, FloatArray]:
        values = {name: values_of(cheap[name], genes, space) for name in sorted(needed)}
        losses = [
            config.objectives[i].losses(values[config.objectives[i].name]) for i in objectives
        ]
        return (
            np.stack(losses, axis=1) if losses else np.zeros((len(genes), 0)),
            relative_violations(bounds, values) if bounds else np.zeros((len(genes), 0)),
        )

    return KnownLosses(tuple(objectives), tuple(budgets), of)


def relative_violations(budgets: Sequence[Budget], values: Mapping[str, FloatArray]) -> FloatArray:
    """Violations as strategies are told them, shape (architectures, budgets).

    Relative to the bounds, so that bytes do not outweigh milliseconds in their sum.
    """
    scale = np.array([abs(budget.bound) or 1.0 for budget in budgets])
    return np.asarray(violations(budgets, values) / scale)


class _Search:
    """One sitting: answers from the log while that lasts, evaluates and records after it."""

    def __init__(
        self,
        run: Run,
        estimators: Sequence[Estimator],
        writer: LogWriter,
        on_progress: Progress,
    ) -> None:
        self._run = run
        self._estimators = estimators
        self._writer = writer
        self._on_progress = on_progress
        self._note = ""
        names = [quantity.name for quantity in run.config.quantities]
        self._logged = log.read(run.log_path, names, genes=len(run.space.cardinalities))
        self._records: dict[tuple[int, ...], Record] = {}
        self._complete = 0
        self._tracker = FrontTracker(len(run.objectives))

    def go(self, evaluations: int) -> None:
        """Search until so many architectures are evaluated in full."""
        strategy = fresh_strategy(self._run.space, self._run.config, self._estimators)
        proposed = 0
        while self._complete < evaluations and proposed < evaluations * PROPOSALS_PER_EVALUATION:
            genes = self._run.space.canonical(strategy.ask())
            if len(genes) == 0:
                break
            proposed += len(genes)
            records = self._evaluate(genes, evaluations)
            losses, violated = self._answers(records)
            self._note = self._state()
            self._report(evaluations)
            if len(records) == len(genes):
                strategy.tell(genes, losses, violated)

    def _evaluate(self, genes: IntArray, evaluations: int) -> list[Record]:
        """Evaluations of a batch in order; fewer when there are enough before its end."""
        cheap = {
            estimator.objective.name: values_of(estimator, genes, self._run.space)
            for estimator in self._estimators
            if estimator.cheap
        }
        batch: list[Record] = []
        for i, row in enumerate(genes):
            if self._complete >= evaluations:
                break
            known = {name: float(values[i]) for name, values in cheap.items()}
            key = tuple(int(gene) for gene in row)
            batch.append(self._records.get(key) or self._next(key, known))
            if len(cheap) < len(self._estimators):
                self._report(evaluations)
        return batch

    def _next(self, key: tuple[int, ...], known: Mapping[str, float]) -> Record:
        """The evaluation of a new row: the log's next, or made and appended to it."""
        index = len(self._records)
        if index < len(self._logged):
            record = self._logged[index]
            self._check_replayed(record, key, known)
        else:
            record = Record(key, self._values(key, known))
            self._writer.append([record], first=index)
        self._records[key] = record
        if record.complete:
            self._complete += 1
        return record

    def _values(self, key: tuple[int, ...], known: Mapping[str, float]) -> dict[str, float | None]:
        """Values in the order of the config; None for expensive ones a broken budget spares."""
        broken = any(
            budget.violation(np.array([known[budget.objective]]))[0] > 0
            for budget in self._run.budgets
            if budget.objective in known
        )
        row = np.array(key, dtype=np.int64)[None, :]
        values: dict[str, float | None] = {}
        for estimator in self._estimators:
            name = estimator.objective.name
            if name in known:
                values[name] = known[name]
            elif broken:
                values[name] = None
            else:
                values[name] = float(values_of(estimator, row, self._run.space)[0])
        return values

    def _check_replayed(
        self, record: Record, key: tuple[int, ...], known: Mapping[str, float]
    ) -> None:
        """Refuse to go on where the log is not what this search would have done."""
        where = f"{self._run.log_path}, line {len(self._records) + 1}"
        if record.genes != key:
            made_with = ", ".join(f"{k} {v}" for k, v in self._run.config.versions.items())
            raise RunError(
                f"{where} records {list(record.genes)}, but strategy {self._run.config.strategy} "
                f"now proposes {list(key)}: the run was made with other versions or another "
                f"population. Use those of its config.json ({made_with}), or start a new run."
            )
        for name, value in known.items():
            if not np.isclose(float(record.values[name] or 0.0), value, rtol=1e-9, atol=0.0):
                raise RunError(
                    f"{where} records {name} {record.values[name]}, but it is now estimated as "
                    f"{value}: what it is estimated from has changed (a latency table, a device "
                    "file). Restore that, or start a new run."
                )

    def _answers(self, records: Sequence[Record]) -> tuple[FloatArray, FloatArray]:
        """Losses and relative violations as the strategy is told them."""
        config = self._run.config
        values = {
            quantity.name: np.array([r.values[quantity.name] for r in records], dtype=np.float64)
            for quantity in config.quantities
        }
        losses = np.stack([o.losses(values[o.name]) for o in config.objectives], axis=1)
        # unknown only where a budget of a known quantity is broken, which then decides
        violated = np.nan_to_num(relative_violations(config.budgets, values), nan=0.0)
        complete = np.array([record.complete for record in records])
        self._tracker.add(losses[complete], (violated == 0).all(axis=1)[complete])
        worst = np.where(np.isfinite(self._tracker.worst), self._tracker.worst, 0.0)
        return np.where(np.isnan(losses), worst, losses), violated

    def _report(self, evaluations: int) -> None:
        self._on_progress("searching", self._complete, evaluations, self._note)

    def _state(self) -> str:
        """How good what was found is, in a few words."""
        front = self._tracker.front
        if len(front) == 0:
            return "nothing within the budgets yet"
        first = self._run.objectives[0]
        best = first.losses(front[:, 0].min(keepdims=True))[0]
        return (
            f"hypervolume {self._tracker.hypervolume():.3f}, "
            f"best {first.label} {first.format(best)}"
        )


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
