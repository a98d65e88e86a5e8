"""Files of measured latencies of whole networks, and how predictions of them are scored."""

import argparse
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks import _latency_spaces, _results
from benchmarks._latency_spaces import Description
from hwnas.calibration import Layout, Posterior, additive_costs, choose_networks, one_hot
from hwnas.catalog import FloatArray, IntArray
from hwnas.errors import InputError

POOL = 800  # networks that a design may choose from
HELD_OUT = 2500
INTERVAL = 1.6449  # 90 %
NOISE_OF_DESIGN = 0.1  # of the variance of latencies
_LEAST_NETWORKS = 20

DESIGNS = ("chosen", "random")


@dataclass(frozen=True, eq=False)
class Measured:
    """One file.

    Attributes:
        name: Of the file, without ``latency_``.
        genes: Shape (networks, positions).
        cardinalities: Number of choices at each position, shape (positions,).
        latency_ms: Shape (networks, devices).
        devices: Their names.
        described: The networks with what is known of their space.
    """

    name: str
    genes: IntArray
    cardinalities: IntArray
    latency_ms: FloatArray
    devices: tuple[str, ...]
    described: Description

    @cached_property
    def layout(self) -> Layout:
        """Of the choices."""
        return Layout.of_choices(self.cardinalities)

    @cached_property
    def counts(self) -> FloatArray:
        """Choices, one-hot, shape (networks, choices)."""
        return one_hot(self.genes, self.cardinalities)

    def ceilings(self) -> FloatArray:
        """Spearman correlation that the best additive costs reach, fitted on all, (devices,).

        NaN where there are too few networks to fit them.
        """
        counts = self.counts
        if len(counts) <= counts.shape[1]:
            return np.full(len(self.devices), np.nan)
        explained = counts @ additive_costs(counts, self.latency_ms)
        return np.array(
            [spearman(*pair) for pair in zip(explained.T, self.latency_ms.T, strict=True)]
        )


def read(path: Path, *, space: str = "auto") -> Measured:
    """A file of `genes`, `cardinalities`, `latency_ms` and `devices`.

    Args:
        path: The file.
        space: What its networks are described as, one of `SPACES`; ``auto`` to tell it by the
            choices.

    Raises:
        InputError: Something is missing, of another shape, or cannot have been measured.
    """
    arrays = _arrays(path)
    genes, cardinalities = _whole(arrays, "genes", path), _whole(arrays, "cardinalities", path)
    devices = tuple(str(name) for name in np.atleast_1d(arrays["devices"]))
    if genes.ndim != 2 or cardinalities.shape != genes.shape[1:]:
        raise InputError(
            f"{path}: expected genes of shape (networks, positions) and a number of choices for "
            f"each position, got shapes {genes.shape} and {cardinalities.shape}."
        )
    if len(genes) < _LEAST_NETWORKS:
        raise InputError(
            f"{path} holds {len(genes)} networks; at least {_LEAST_NETWORKS} are needed to measure "
            "some and predict others."
        )
    name = _latency_spaces.recognised(cardinalities) if space == "auto" else space
    return Measured(
        name=path.stem.removeprefix("latency_"),
        genes=genes,
        cardinalities=cardinalities,
        latency_ms=_latencies(arrays["latency_ms"], path, shape=(len(genes), len(devices))),
        devices=devices,
        described=_latency_spaces.described(genes, cardinalities, space=name),
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    wanted = ("genes", "cardinalities", "latency_ms", "devices")
    try:
        with np.load(path) as file:
            lacking = [name for name in wanted if name not in file]
            if not lacking:
                return {name: file[name] for name in wanted}
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no NPZ file of plain arrays: {error}.") from error
    raise InputError(f"{path} lacks {', '.join(lacking)}.")


def _whole(arrays: dict[str, np.ndarray], name: str, path: Path) -> IntArray:
    array = arrays[name]
    if array.dtype.kind not in "iuf" or not np.equal(np.mod(array, 1), 0).all():
        raise InputError(f"{path}: expected whole numbers in {name}.")
    return array.astype(np.int64)


def _latencies(array: np.ndarray, path: Path, *, shape: tuple[int, int]) -> FloatArray:
    if array.shape != shape or array.dtype.kind not in "iuf":
        raise InputError(
            f"{path}: expected latencies as numbers, of {shape[0]} networks on {shape[1]} devices; "
            f"got shape {array.shape} and type {array.dtype}."
        )
    wrong = ~(np.isfinite(array) & (array > 0))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{path}: {int(wrong.sum())} latencies are NaN, infinite or not above 0, the first of "
            f"network {row} on device {column}; leave these networks or devices out."
        )
    return array.astype(np.float64)


def split(networks: int, *, draw: int) -> tuple[IntArray, IntArray]:
    """Networks that may be measured, and others to predict, by the seed of a draw."""
    order = np.random.default_rng(draw).permutation(networks)
    pool = min(POOL, networks // 2)
    return order[:pool], order[pool : pool + HELD_OUT]


def measured_networks(
    design: str, counts: FloatArray, pool: IntArray, *, count: int, covariance: FloatArray
) -> IntArray:
    """Which networks of the pool are measured: its first, or those that tell most."""
    if count > len(pool):
        raise InputError(f"{count} networks cannot be measured of a pool of {len(pool)}; ask less.")
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


def averaged(draws: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Means over draws, and the worst share of the ceiling; None where the ceiling is not known."""
    means = {key: rounded(float(np.mean([draw[key] for draw in draws]))) for key in draws[0]}
    return {**means, "of_ceiling_least": rounded(min(draw["of_ceiling"] for draw in draws))}


def rounded(value: float) -> float | None:
    """To four digits, as results hold it."""
    return None if math.isnan(value) else round(value, 4)


def shown(value: float | None, width: int, digits: int) -> str:
    """A figure in a table, a dash where it is not known."""
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


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
    parser.add_argument(
        "--samples", nargs="+", type=int, default=list(samples), help="networks measured"
    )
    parser.add_argument("--draws", type=int, default=draws, help=f"default: {draws}")
    parser.add_argument(
        "--design",
        nargs="+",
        choices=DESIGNS,
        default=list(DESIGNS),
        help="which networks: chosen to tell most, or at random; both by default",
    )
    parser.add_argument("--devices", nargs="+", help="only these; all by default")
    parser.add_argument(
        "--out", type=Path, default=_results.RESULTS, help="folder of the JSON that is written"
    )


def wanted_devices(data: Measured, names: Sequence[str] | None) -> list[int]:
    """Columns of the devices that are asked for, all by default.

    Raises:
        InputError: The file has no such device.
    """
    unknown = set(names or ()) - set(data.devices)
    if unknown:
        raise InputError(
            f"There is no device {', '.join(sorted(unknown))} in {data.name}; it has "
            f"{', '.join(data.devices)}."
        )
    return [i for i, name in enumerate(data.devices) if not names or name in names]
