"""Successive halving: what looks poor in a cheap, rough evaluation is not evaluated in full.

Of the architectures of a batch that are to be evaluated, all are evaluated at the first fidelity;
the best part goes on to the next one, and what is left after the last is evaluated in full
(Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
optimization", section 3). We rank by fronts, since there are several objectives: cheap ones are
exact at every fidelity, and those on the first front of the batch, together with what was found
before, go on first.
"""

from collections.abc import Sequence

import moocore
import numpy as np

from hwnas.catalog import FloatArray


def partial_name(objective: str, fidelity: float) -> str:
    """What a value of an objective at a fidelity is called in a log."""
    return f"{objective} at {fidelity:g}"


def survivors(losses: FloatArray, front: FloatArray, keep: float) -> list[int]:
    """Which candidates go on, in their order.

    Args:
        losses: Of the candidates, as well as they are known, shape (candidates, objectives).
        front: Losses of the best found before, shape (points, objectives).
        keep: The part of the candidates that goes on, above 0; at least one does.
    """
    if len(losses) == 0:
        return []
    ranks = moocore.pareto_rank(np.concatenate([losses, front]))[: len(losses)]
    count = max(1, round(keep * len(losses)))
    return sorted(np.argsort(ranks, kind="stable")[:count].tolist())


class Offsets:
    """How far rough values are from full ones, learnt from what was evaluated at both.

    Args:
        fidelities: In rising order.
    """

    def __init__(self, fidelities: Sequence[float]) -> None:
        self._fidelities = fidelities
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, full: FloatArray, partial: dict[str, FloatArray]) -> None:
        """Take in full values of an objective and rough ones, NaN where there are none."""
        for fidelity in self._fidelities:
            key = partial_name(name, fidelity)
            if key in partial:
                both = ~np.isnan(full) & ~np.isnan(partial[key])
                self._sums[key] = self._sums.get(key, 0.0) + float(
                    (full[both] - partial[key][both]).sum()
                )
                self._counts[key] = self._counts.get(key, 0) + int(both.sum())

    def filled(self, name: str, full: FloatArray, partial: dict[str, FloatArray]) -> FloatArray:
        """Full values, where there are none those of the highest fidelity, moved by its offset."""
        found = full
        for fidelity in reversed(self._fidelities):
            key = partial_name(name, fidelity)
            if key in partial:
                offset = self._sums.get(key, 0.0) / max(1, self._counts.get(key, 0))
                found = np.where(np.isnan(found), partial[key] + offset, found)
        return found
