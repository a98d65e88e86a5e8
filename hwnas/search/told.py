"""What a strategy is told: of the problem before it begins, and of what it proposed.

Everything it sees is minimised, and violations are relative to the bounds. Where nothing was
spent on an architecture because it breaks a budget that is cheap to know, the worst loss seen so
far stands in place of the losses that are not known, together with the violation. An architecture
whose evaluation failed is told as the worst in all: the worst loss seen so far in every
objective, the cheap ones included, and in every budget the worst violation seen so far, at least
as far beyond the bound as the bound is from 0. So it is never better than one that was evaluated.

One that was stopped at a fidelity below the full one (`hwnas.search.halving`) is told with what it
reached there, moved by how far, on average, full values were from values at that fidelity; or
with what was foreseen, where that is why it was stopped (`hwnas.search.extrapolation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hwnas import strategies
from hwnas.catalog import FloatArray, IntArray
from hwnas.problem import Budget, violations
from hwnas.protocols import (
    Estimator,
    KnownLosses,
    SearchSpace,
    SearchStrategy,
    StrategyProblem,
)
from hwnas.search.archive import Archive, WarmStarted
from hwnas.search.evaluating import estimate_of, judged_values
from hwnas.search.extrapolation import Curves, chances
from hwnas.search.halving import Offsets, partial_name
from hwnas.search.indicators import FrontTracker
from hwnas.search.records import Records
from hwnas.search.run import RunConfig


def fresh_strategy(
    space: SearchSpace,
    config: RunConfig,
    estimators: Sequence[Estimator],
    archive: Archive | None = None,
) -> SearchStrategy:
    """The strategy of a run as it is before its first proposal.

    Args:
        space: The search space.
        config: Of the run.
        estimators: Of its quantities; a strategy may ask the cheap ones as it likes.
        archive: What earlier runs know; the strategy's first proposals.
    """
    problem = StrategyProblem(
        cardinalities=space.cardinalities,
        canonical=space.canonical,
        objectives=len(config.objectives),
        budgets=len(config.budgets),
        seed=config.seed,
        batch=config.population,
        known=known_losses(space, config, estimators),
        archive=archive.genes if archive else None,
    )
    strategy = strategies.create(config.strategy, problem)
    return WarmStarted(strategy, archive) if archive else strategy


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
    doubted = {budget.objective for budget in bounds if budget.confidence is not None}

    def of(genes: IntArray) -> tuple[FloatArray, FloatArray]:
        estimates = {name: estimate_of(cheap[name], genes, space) for name in sorted(needed)}
        values = {name: estimate.mean for name, estimate in estimates.items()}
        # deviations cost more than values, so only those that a budget needs are asked for
        stds = {n: std for n in sorted(doubted) if (std := estimates[n].std) is not None}
        losses = [
            config.objectives[i].losses(values[config.objectives[i].name]) for i in objectives
        ]
        return (
            np.stack(losses, axis=1) if losses else np.zeros((len(genes), 0)),
            relative_violations(bounds, values, stds) if bounds else np.zeros((len(genes), 0)),
        )

    def margins(genes: IntArray) -> FloatArray:
        beyond = np.zeros((len(genes), len(bounds)))
        for column, bound in zip(beyond.T, bounds, strict=True):
            judged = judged_values(bound, cheap[bound.objective], genes, space)
            column[:] = replace(bound, confidence=None).excess(judged) / (abs(bound.bound) or 1.0)
        return beyond

    return KnownLosses(tuple(objectives), tuple(budgets), of, margins)


def relative_violations(
    budgets: Sequence[Budget],
    values: Mapping[str, FloatArray],
    stds: Mapping[str, FloatArray],
) -> FloatArray:
    """Violations as strategies are told them, shape (architectures, budgets).

    Relative to the bounds, so that bytes do not outweigh milliseconds in their sum.
    """
    scale = np.array([abs(budget.bound) or 1.0 for budget in budgets])
    return np.asarray(violations(budgets, values, stds) / scale)


class Told:
    """The answers to a strategy, and how good what it found is.

    Args:
        config: Of the run.

    Attributes:
        tracker: The front so far.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.tracker = FrontTracker(len(config.objectives))
        self._offsets = Offsets(config.fidelities)
        self._curves = Curves(config.fidelities, [each.name for each in config.objectives])
        self._worst_violations = np.ones(len(config.budgets))

    def answers(self, records: Records) -> tuple[FloatArray, FloatArray]:
        """Losses (records, objectives) and relative violations (records, budgets)."""
        failed = list(records.failures)
        for name, full in records.values.items():
            self._offsets.add(name, full, records.partial)
        self._curves.add(records)
        losses = self._losses(records)
        # unknown only where a budget of a known quantity is broken, which then decides
        violated = np.nan_to_num(
            relative_violations(self._config.budgets, self._values(records), records.stds), nan=0.0
        )
        complete = records.complete
        self.tracker.add(losses[complete], (violated == 0).all(axis=1)[complete])
        self._worst_violations = np.maximum(
            self._worst_violations, violated.max(axis=0, initial=0.0)
        )
        worst = np.where(np.isfinite(self.tracker.worst), self.tracker.worst, 0.0)
        losses = np.where(np.isnan(losses), worst, losses)
        losses[failed], violated[failed] = worst, self._worst_violations
        return losses, violated

    def losses_at(self, fidelity: float, records: Records, expensive: Sequence[str]) -> FloatArray:
        """Losses with expensive values as a fidelity shows them, shape (records, objectives)."""
        unknown = np.full(len(records), np.nan)
        values = dict.fromkeys(expensive, unknown)
        names = [partial_name(name, fidelity) for name in expensive]
        seen = {name: records.partial[name] for name in names}
        return self._losses(Records(records.genes, {**records.values, **values}, partial=seen))

    def chances(
        self, fidelity: float, records: Records
    ) -> tuple[FloatArray, dict[str, FloatArray]]:
        """How probably each would be on the front, as a fidelity shows it, and what is foreseen.

        Returns:
            Chances, shape (records,), 1 for all while too little is learnt; and full values by
            expensive objective, each of shape (records,).
        """
        foreseen = self._curves.foreseen(records, fidelity)
        if not foreseen:
            return np.ones(len(records)), {}
        draws = next(iter(foreseen.values())).draws
        losses = np.empty((*draws.shape, len(self._config.objectives)))
        for i, each in enumerate(self._config.objectives):
            known = foreseen[each.name].draws if each.name in foreseen else None
            exact = records.values[each.name][:, None]
            losses[:, :, i] = each.losses(exact if known is None else known)
        found = chances(losses, self.tracker.front)
        return found, {name: each.mean for name, each in foreseen.items()}

    def _losses(self, records: Records) -> FloatArray:
        values = self._values(records)
        return np.stack([o.losses(values[o.name]) for o in self._config.objectives], axis=1)

    def _values(self, records: Records) -> dict[str, FloatArray]:
        found = {}
        for name, full in records.values.items():
            foreseen = records.stopped.get(name, full)
            known = np.where(np.isnan(full), foreseen, full)
            found[name] = self._offsets.filled(name, known, records.partial)
        return found

    def state(self) -> str:
        """How good what was found is, in a few words."""
        front = self.tracker.front
        if len(front) == 0:
            return "nothing within the budgets yet"
        first = self._config.objectives[0]
        best = first.losses(front[:, 0].min(keepdims=True))[0]
        return (
            f"hypervolume {self.tracker.hypervolume():.3f}, best {first.label} {first.format(best)}"
        )
