"""Extrapolated learning curves: what a rough evaluation says of the full value, and how surely.

A full value is foreseen from those at lower fidelities by a linear regression on the last of them,
on its gains over the ones before, and on the objectives that are known exactly; it is learnt from
the networks of the same run that were evaluated at all fidelities. A power law
``a - b * fidelity ** -c`` with one exponent for all networks is such a regression: its end is the
last value and a fixed multiple of the last gain.

How far off that may be is told by the residuals of those networks, each left out of its own fit,
without a distribution being assumed. A candidate's chance of belonging to the front is the share
of residuals that would leave it undominated by what was found before, with one more for what was
not seen yet: so nothing can be called improbable before enough is learnt.

After Baker, Gupta, Raskar and Naik (2017), "Accelerating neural architecture search using
performance prediction", who regress final values on partial curves, and stop what will improbably
be the best. We differ in that there is a front to be on, and in the residuals, which they take to
be normal. Whoever looks poor at a later fidelity is never learnt from, so the fits at earlier ones
expect somewhat too much, and stop fewer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwnas.catalog import FloatArray
from hwnas.search.halving import partial_name
from hwnas.search.records import Records

LEAST_LEARNT = 8
"""Networks evaluated at all fidelities, below which nothing is foreseen."""


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """Full values of some candidates.

    Attributes:
        mean: Shape (candidates,).
        draws: What they may turn out to be, equally probable, shape (candidates, draws). Draws of
            several objectives belong together.
    """

    mean: FloatArray
    draws: FloatArray


class Curves:
    """Values at all fidelities of the networks that were evaluated at all of them.

    Args:
        fidelities: Rising, without the full one.
        objectives: Their names; the exact ones, which have no fidelities, help to foresee others.
    """

    def __init__(self, fidelities: Sequence[float], objectives: Sequence[str]) -> None:
        self._fidelities = fidelities
        self._objectives = objectives
        self._learnt: dict[str, FloatArray] = {}

    def add(self, records: Records) -> None:
        """Learn from evaluations, of which only those at every fidelity tell anything."""
        rough = [partial_name(n, f) for n in self._rough(records) for f in self._fidelities]
        if not rough or not records.partial.keys() >= set(rough):
            return
        columns = {name: records.partial[name] for name in rough}
        seen = ~np.isnan(np.stack(list(columns.values()))).any(axis=0) & records.complete
        for name in self._objectives:
            columns[name] = records.values[name]
        for name, column in columns.items():
            before = self._learnt.get(name, np.zeros(0))
            self._learnt[name] = np.concatenate([before, column[seen]])

    def foreseen(self, records: Records, fidelity: float) -> dict[str, Foreseen]:
        """Full values of candidates, by objective; none while too little is learnt.

        Args:
            records: The candidates, with what is exact, and rough values up to ``fidelity``.
            fidelity: The last at which they were evaluated.
        """
        rough = self._rough(records)
        if not rough or len(self._learnt.get(rough[0], ())) < LEAST_LEARNT:
            return {}
        until = [each for each in self._fidelities if each <= fidelity]
        exact = [name for name in self._objectives if name not in rough]
        here = {**records.values, **records.partial}
        found = {}
        for name in rough:
            known, candidates = (
                _inputs(
                    np.column_stack([columns[partial_name(name, each)] for each in until]),
                    [columns[each] for each in exact],
                )
                for columns in (self._learnt, here)
            )
            found[name] = _extrapolated(known, self._learnt[name], candidates)
        return found

    def _rough(self, records: Records) -> list[str]:
        """The objectives that have fidelities."""
        if not self._fidelities:
            return []
        lowest = self._fidelities[0]
        return [name for name in self._objectives if partial_name(name, lowest) in records.partial]


def chances(losses: FloatArray, front: FloatArray) -> FloatArray:
    """The chance that each candidate is not dominated, shape (candidates,).

    Args:
        losses: That each may turn out to have, shape (candidates, draws, objectives).
        front: Losses of the best found before, shape (points, objectives); a point that a
            candidate equals dominates it too.
    """
    candidates, draws, _ = losses.shape
    free = np.zeros(candidates)
    for i, each in enumerate(losses):  # all at once would take the memory of a whole search
        free[i] = (~(front[None] <= each[:, None]).all(axis=2).any(axis=1)).sum()
    return np.asarray((free + 1) / (draws + 1))


def _inputs(curves: FloatArray, exact: Sequence[FloatArray]) -> FloatArray:
    """The last value, its gains over those before, and what is exact."""
    return np.column_stack([curves[:, -1], np.diff(curves, axis=1), *exact])


def _extrapolated(known: FloatArray, full: FloatArray, candidates: FloatArray) -> Foreseen:
    """Regression of what full values gain over the last ones known, and its left-out residuals.

    The coefficients are drawn towards 0, that is towards one gain for all, as much as a single
    observation would draw them.

    Args:
        known: As `_inputs` gives them, shape (networks, inputs).
        full: Shape (networks,).
        candidates: Like ``known``, of others.
    """
    centre, spread = known.mean(axis=0), known.std(axis=0)
    spread[spread == 0] = 1.0
    design, new = (
        np.column_stack([np.ones(len(rows)), (rows - centre) / spread])
        for rows in (known, candidates)
    )
    drawn = np.diag([0.0] + [1.0] * len(centre))
    inverse = np.linalg.inv(design.T @ design + drawn)
    gains = full - known[:, 0]
    coefficients = inverse @ design.T @ gains
    # scaled by the leverages, residuals are alike, and those of strange candidates are wider
    leverage = ((design @ inverse) * design).sum(axis=1)
    residuals = (gains - design @ coefficients) / np.sqrt(1.0 - leverage)
    width = np.sqrt(1.0 + ((new @ inverse) * new).sum(axis=1))
    mean = candidates[:, 0] + new @ coefficients
    return Foreseen(mean, mean[:, None] + width[:, None] * residuals)
