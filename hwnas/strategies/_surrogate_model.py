"""What a surrogate search believes: losses that are known or learned, and who meets the budgets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from hwnas.catalog import FloatArray, IntArray
from hwnas.pareto import BoolArray
from hwnas.protocols import StrategyProblem
from hwnas.strategies._surrogate_improvement import expected_improvement
from hwnas.strategies._surrogate_kernel import ChoiceKernel, Encoded
from hwnas.strategies._surrogate_process import Beliefs, ChoiceProcess

_STEEPNESS = 0.5
_TYPICAL = 1_000


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows with all that is known of them without an evaluation.

    Attributes:
        genes: Canonical, shape (architectures, genes).
        encoded: The same rows as the kernel reads them.
        losses: Where known, shape (architectures, known objectives).
        broken: Sum of the known violations, shape (architectures,); 0 meets those budgets.
    """

    genes: IntArray
    encoded: Encoded
    losses: FloatArray
    broken: FloatArray

    def __getitem__(self, index: IntArray | BoolArray) -> "Candidates":
        return Candidates(
            self.genes[index], self.encoded[index], self.losses[index], self.broken[index]
        )


class SurrogateModel:
    """Learns from evaluations; forecasts of candidates.

    Args:
        problem: What may be known.
        first: The reference point follows from so many evaluations.
    """

    def __init__(self, problem: StrategyProblem, *, first: int) -> None:
        self._first = first
        self._known = problem.known
        known = problem.known.objectives if problem.known else ()
        checked = problem.known.budgets if problem.known else ()
        self._columns = list(known)
        self._checked = list(checked)
        self._expensive = [j for j in range(problem.objectives) if j not in known]
        self._unsure = [j for j in range(problem.budgets) if j not in checked]
        self._kernel = ChoiceKernel(problem.cardinalities)
        self._processes = [ChoiceProcess(self._kernel) for _ in self._expensive]
        self._limits = [ChoiceProcess(self._kernel) for _ in self._unsure]
        self._stds = np.zeros(problem.objectives)
        self.reference = np.zeros(0)
        shape = (_TYPICAL, len(problem.cardinalities))
        typical = np.random.default_rng(0).integers(problem.cardinalities, size=shape)
        self._typical = self.candidates(problem.canonical(typical)).losses
        self._genes = np.zeros((0, len(problem.cardinalities)), dtype=np.int64)
        self._losses = np.zeros((0, problem.objectives))
        self._violations = np.zeros((0, problem.budgets))

    def candidates(self, genes: IntArray) -> Candidates:
        """Canonical rows with what is known of them."""
        losses, broken = np.zeros((len(genes), 0)), np.zeros(len(genes))
        if self._known:
            losses, violations = self._known.of(genes)
            broken = violations.sum(axis=1)
        return Candidates(genes, self._kernel.encode(genes), losses, broken)

    def add(self, genes: IntArray, losses: FloatArray, violations: FloatArray) -> None:
        """Take in evaluations.

        Where a budget known beforehand is broken, expensive losses are not evaluated but made
        up: nothing is to be learned from them.
        """
        real = (violations[:, self._checked] == 0).all(axis=1)
        self._genes = np.concatenate([self._genes, genes[real]])
        self._losses = np.concatenate([self._losses, losses[real]])
        self._violations = np.concatenate([self._violations, violations[real]])

    @property
    def genes(self) -> IntArray:
        """Rows that were evaluated in full, shape (architectures, genes)."""
        return self._genes

    @property
    def front(self) -> FloatArray:
        """Losses of those that meet all budgets, shape (architectures, objectives)."""
        front: FloatArray = self._losses[(self._violations == 0).all(axis=1)]
        return front

    def fit(self) -> None:
        """Learn from all evaluations; there must be one."""
        self.reference = self._reference()
        best = self._losses.min(axis=0)
        for j, process in zip(self._expensive, self._processes, strict=True):
            knee = (best[j], self.reference[j])
            values = compressed(self._losses[:, j], *knee)
            process.fit(self._genes, values)
            self._stds[j] = self._stds[j] or values.std()
        for j, process in zip(self._unsure, self._limits, strict=True):
            process.fit(self._genes, margin(self._violations[:, j]))

    def _reference(self) -> FloatArray:
        typical = [self._losses[: self._first, j] for j in range(self._losses.shape[1])]
        for j, values in zip(self._columns, self._typical.T, strict=True):
            typical[j] = values
        return reference_point(typical, self._losses.min(axis=0))

    def judge(self, genes: IntArray) -> tuple[FloatArray, FloatArray]:
        """Expected losses and worth of rows, both by violation alone where a budget is broken.

        Before anything is learned, by violation alone for all.
        """
        candidates = self.candidates(genes)
        broken = candidates.broken
        if len(self.reference) == 0:
            return broken[:, None], -broken
        losses, worth = self.worth(candidates)
        outside = broken > 0
        worth[outside] = -broken[outside]
        losses[outside] = np.abs(losses).max(axis=0) + broken[outside, None]
        return losses, worth

    def worth(self, candidates: Candidates) -> tuple[FloatArray, FloatArray]:
        """A quick forecast, with the same deviation for all.

        Returns:
            Expected losses, shape (architectures, objectives), and what `improvement` says of
            them, shape (architectures,).
        """
        means = [process.mean(candidates.encoded) for process in self._processes]
        losses = self._joined(candidates, means)
        stds = np.broadcast_to(self._stds, losses.shape)
        limits = [process.mean(candidates.encoded) for process in self._limits]
        likely = np.ones(len(losses))
        for mean in limits:
            likely = likely * ndtr(-mean)
        gain = self._gain(losses, stds, self.front)
        return losses, gain * likely

    def picked(self, candidates: Candidates, count: int) -> IntArray:
        """Indices of the candidates to evaluate next, best first, shape (count,).

        Each is taken to turn out as expected before the next one is chosen.
        """
        processes = [process.beliefs(candidates.encoded) for process in self._processes]
        limits = [process.beliefs(candidates.encoded) for process in self._limits]
        losses = self._joined(candidates, [beliefs.mean for beliefs in processes])
        stds = np.zeros_like(losses)
        front, chosen = self.front, list[int]()
        for _ in range(min(count, len(losses))):
            for j, beliefs in zip(self._expensive, processes, strict=True):
                stds[:, j] = beliefs.std
            likely = _likely(limits, len(losses))
            worth = self._gain(losses, stds, front) * likely
            worth[chosen] = 0.0
            # the last digits depend on the machine, and the choice must not
            rounded = np.round(worth / max(worth.max(), 1e-100), 9)
            rounded[chosen] = -1.0
            index = int(np.argmax(rounded))
            chosen.append(index)
            if likely[index] >= 0.5:
                front = np.concatenate([front, losses[[index]]])
            for beliefs in (*processes, *limits):
                beliefs.pick(index)
        for j in self._expensive:
            self._stds[j] = np.median(stds[:, j])
        return np.array(chosen, dtype=np.int64)

    def _joined(self, candidates: Candidates, means: Sequence[FloatArray]) -> FloatArray:
        losses = np.zeros((len(candidates.genes), len(self._columns) + len(means)))
        losses[:, self._columns] = candidates.losses
        for j, mean in zip(self._expensive, means, strict=True):
            losses[:, j] = mean
        return losses

    def _gain(self, losses: FloatArray, stds: FloatArray, front: FloatArray) -> FloatArray:
        """Expected improvement; where nothing meets the budgets yet, the same for all."""
        if len(front) == 0 and self._violations.any():
            return np.ones(len(losses))
        return expected_improvement(losses, stds, front, self.reference)


def _likely(limits: Sequence[Beliefs], count: int) -> FloatArray:
    """Probability that all uncertain budgets are met, shape (count,)."""
    result = np.ones(count)
    for beliefs in limits:
        result *= ndtr(-beliefs.mean / beliefs.std)
    return result


def compressed(values: FloatArray, best: float, knee: float) -> FloatArray:
    """Values as they are up to the knee, and logarithmic beyond it."""
    width = _STEEPNESS * max(knee - best, 1e-12)
    beyond = np.log1p(np.maximum(values - knee, 0.0) / width)
    return np.asarray(np.minimum(values, knee) + width * beyond)


def reference_point(typical: Sequence[FloatArray], best: FloatArray) -> FloatArray:
    """The median of the first objective, the 90th percentile of the others.

    Args:
        typical: Losses of ordinary architectures, objective by objective.
        best: The smallest losses known, shape (objectives,); the reference is beyond them.
    """
    reference = np.array([np.quantile(v, 0.9 if j else 0.5) for j, v in enumerate(typical)])
    return np.asarray(np.where(reference > best, reference, best + 1.0))


def margin(violations: FloatArray) -> FloatArray:
    """Below 0 where a budget is met, above 0 where it is broken, logarithmic in how far."""
    broken = violations > 0
    scale = np.median(violations[broken]) if broken.any() else 1.0
    return np.asarray(np.where(broken, np.log1p(violations / scale), -1.0))
