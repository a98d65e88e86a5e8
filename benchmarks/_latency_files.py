"""Files of measured latencies of whole networks, and how predictions of them are scored."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hwnas.calibration import Layout, Posterior, additive_costs, choose_networks, one_hot
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError

POOL = 800  # networks that a design may choose from
HELD_OUT = 2500
INTERVAL = 1.6449  # 90 %
NOISE_OF_DESIGN = 0.1  # of the variance of latencies

DESIGNS = ("chosen", "random")


@dataclass(frozen=True, eq=False)
class Measured:
    """One file.

    Attributes:
        name: Of the file, without ``latency_``.
        genes: Shape (networks, positions).
        layout: Of its choices.
        counts: Choices, one-hot, shape (networks, choices).
        latency_ms: Shape (networks, devices).
        devices: Their names.
    """

    name: str
    genes: IntArray
    layout: Layout
    counts: FloatArray
    latency_ms: FloatArray
    devices: tuple[str, ...]

    def ceilings(self) -> FloatArray:
        """Spearman correlation that the best additive costs reach, fitted on all, (devices,)."""
        explained = self.counts @ additive_costs(self.counts, self.latency_ms)
        return np.array(
            [spearman(*pair) for pair in zip(explained.T, self.latency_ms.T, strict=True)]
        )


def read(path: Path) -> Measured:
    """A file of `genes`, `cardinalities`, `latency_ms` and `devices`.

    Raises:
        InputError: Something is missing, of another shape, or cannot have been measured.
    """
    with np.load(path) as file:
        lacking = {"genes", "cardinalities", "latency_ms", "devices"} - set(file.files)
        if lacking:
            raise InputError(f"{path} lacks {', '.join(sorted(lacking))}.")
        genes = file["genes"].astype(np.int64)
        cardinalities = file["cardinalities"].astype(np.int64)
        latency_ms = file["latency_ms"].astype(np.float64)
        devices = tuple(str(name) for name in file["devices"])
    if latency_ms.shape != (len(genes), len(devices)):
        raise InputError(
            f"{path}: expected latencies of {len(genes)} networks on {len(devices)} devices, got "
            f"shape {latency_ms.shape}."
        )
    if not np.isfinite(latency_ms).all() or (latency_ms <= 0).any():
        raise InputError(f"{path} holds latencies that are NaN, infinite or not above 0.")
    return Measured(
        name=path.stem.removeprefix("latency_"),
        genes=genes,
        layout=Layout.of_choices(cardinalities),
        counts=one_hot(genes, cardinalities),
        latency_ms=latency_ms,
        devices=devices,
    )


def split(networks: int, *, draw: int) -> tuple[IntArray, IntArray]:
    """Networks that may be measured, and others to predict, by the seed of a draw."""
    order = np.random.default_rng(draw).permutation(networks)
    pool = min(POOL, networks // 2)
    return order[:pool], order[pool : pool + HELD_OUT]


def measured_networks(
    design: str, counts: FloatArray, pool: IntArray, *, count: int, covariance: FloatArray
) -> IntArray:
    """Which networks of the pool are measured: its first, or those that tell most."""
    if design == "random":
        return pool[:count]
    centred = counts[pool] - counts[pool].mean(axis=0)
    return pool[
        choose_networks(centred, count, covariance=covariance, noise=NOISE_OF_DESIGN, criterion="A")
    ]


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Rank correlation; 0 where one of both does not vary."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second)[0])


def scores(predicted: FloatArray, measured: FloatArray, *, ceiling: float) -> dict[str, float]:
    """Rank correlation, its share of the ceiling, and mean absolute error in percent."""
    correlation = spearman(predicted, measured)
    return {
        "spearman": correlation,
        "of_ceiling": correlation / ceiling,
        "mape": 100 * float(np.mean(np.abs(predicted / measured - 1))),
    }


def posterior_scores(
    posterior: Posterior, counts: FloatArray, measured: FloatArray, *, ceiling: float
) -> dict[str, float]:
    """As `scores`, and the share that 90 % intervals cover, in percent."""
    predicted = posterior.means(counts)
    inside = np.abs(predicted - measured) <= INTERVAL * posterior.deviations(counts)
    return {
        **scores(predicted, measured, ceiling=ceiling),
        "coverage_90": 100 * float(np.mean(inside)),
    }


def averaged(draws: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over draws, and the worst share of the ceiling."""
    means = {key: round(float(np.mean([draw[key] for draw in draws])), 4) for key in draws[0]}
    return {**means, "of_ceiling_least": round(min(draw["of_ceiling"] for draw in draws), 4)}


def ridge(
    features: FloatArray,
    targets: FloatArray,
    *,
    strengths: Sequence[float] = tuple(10.0 ** np.arange(-4, 4)),
) -> Callable[[FloatArray], FloatArray]:
    """Ridge regression on standardised features, its strength by leave-one-out errors."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    left, singular, right = np.linalg.svd((features - mean) / spread, full_matrices=False)
    level = targets.mean()
    projected = left.T @ (targets - level)

    def left_out(strength: float) -> float:
        shrunk = singular**2 / (singular**2 + strength)
        leverage = (left**2) @ shrunk + 1 / len(targets)
        errors = (targets - level - left @ (shrunk * projected)) / np.maximum(1 - leverage, 1e-9)
        return float(errors @ errors)

    scale = float(np.mean(singular**2)) or 1.0
    best = min((strength * scale for strength in strengths), key=left_out)
    weights = right.T @ (singular / (singular**2 + best) * projected)
    return lambda rows: level + ((rows - mean) / spread) @ weights


def arguments(parser: argparse.ArgumentParser, *, samples: Sequence[int], draws: int) -> None:
    """Add what both benchmarks can be asked."""
    parser.add_argument("--samples", nargs="+", type=int, default=list(samples))
    parser.add_argument("--draws", type=int, default=draws)
    parser.add_argument("--design", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--devices", nargs="+", help="only these; all by default")
