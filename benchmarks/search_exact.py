"""The exact front, how long it takes, and how near searches come to it.

Two claims. On a whole tabulated space whose accuracy is replaced by its additive fit (least
squares on one-hot genes), the front of `exact` is the one found by looking at every row. On the
Once-for-All space at five resolutions, 1e19 networks, with the additive part of the shipped
ImageNet predictor (least squares on the blocks of 20,000 random networks) against MACs, `exact`
finds the whole front with a gap of 0; the hypervolume that other strategies reach is stated as a
share of its own.

    python -m benchmarks.search_exact [--problem search_nbmacro_params.npz] [--seeds 3]

Hardware: any; one thread. Figures other than seconds do not depend on the machine. Expected: the
fronts identical, 51 points; for Once-for-All 2,214 points in 2 CPU seconds. Of the exact
hypervolume, medians of 3 seeds: random 0.85 and nsga2 0.90 after 1,000 evaluations, 0.88 and 0.98
after 10,000; surrogate, which knows MACs beforehand, 0.83 after 100 and 0.88 after 200.

A problem file holds `genes` (N, G), `cardinalities` (G,), `objectives` (N, M) minimised. The
reference point of hypervolumes is the worst of the exact front in each objective.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from hwnas import strategies  # noqa: E402
from hwnas.catalog import FloatArray, IntArray, total  # noqa: E402
from hwnas.pareto import hypervolume, non_dominated  # noqa: E402
from hwnas.prediction.imagenet import DIRECT_RESOLUTIONS, shipped_predictor  # noqa: E402
from hwnas.protocols import KnownLosses, SearchSpace, StrategyProblem  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402
from hwnas.strategies.exact import ExactFront, exact_front  # noqa: E402

Losses = Callable[[IntArray], FloatArray]

_FITTED_ON = 20_000


def problem_of(
    cardinalities: IntArray,
    canonical: Callable[[IntArray], IntArray],
    losses: Losses,
    *,
    objectives: int,
    known: Sequence[int],
    seed: int = 0,
    batch: int = 100,
) -> StrategyProblem:
    """A problem without budgets, some of whose objectives are cheap to know."""

    def of(genes: IntArray) -> tuple[FloatArray, FloatArray]:
        return losses(genes)[:, list(known)], np.zeros((len(genes), 0))

    cheap = KnownLosses(tuple(known), (), of) if known else None
    return StrategyProblem(cardinalities, canonical, objectives, 0, seed, batch, cheap)


def timed(problem: StrategyProblem) -> tuple[ExactFront, float]:
    """The exact front, and CPU seconds."""
    start = time.process_time()
    front = exact_front(problem)
    return front, time.process_time() - start


def additive_fit(genes: IntArray, cardinalities: IntArray, values: FloatArray) -> FloatArray:
    """Least-squares sum of a number for each choice of each gene, shape (genes, choices)."""
    columns = [genes[:, g] == c for g, count in enumerate(cardinalities) for c in range(count)]
    weights = np.linalg.lstsq(np.stack(columns, axis=1).astype(float), values, rcond=None)[0]
    table = np.zeros((len(cardinalities), cardinalities.max()))
    for g, start in enumerate(np.cumsum([0, *cardinalities[:-1]])):
        table[g, : cardinalities[g]] = weights[start : start + cardinalities[g]]
    return table


def tabulated(path: Path) -> dict[str, object]:
    """`exact` beside looking at every row of a file, all objectives replaced by additive fits."""
    with np.load(path) as content:
        genes, cardinalities = content["genes"], content["cardinalities"].astype(np.int64)
        objectives = content["objectives"].astype(float)
    tables = [additive_fit(genes, cardinalities, column) for column in objectives.T]
    places = np.arange(len(cardinalities))

    def losses(rows: IntArray) -> FloatArray:
        return np.stack([table[places, rows].sum(axis=1) for table in tables], axis=1)

    count = objectives.shape[1]
    known = range(count)
    front, seconds = timed(
        problem_of(cardinalities, np.asarray, losses, objectives=count, known=known)
    )
    every = losses(genes)
    low, spread = every.min(axis=0), np.ptp(every, axis=0)

    def points(values: FloatArray) -> FloatArray:
        # sums that are equal differ in their last digits when floats are added in another order
        rounded = np.unique(np.round((values - low) / spread, 9), axis=0)
        return rounded[non_dominated(rounded)]

    found, expected = points(front.losses), points(every)
    same = found.shape == expected.shape and np.allclose(found, expected, rtol=0, atol=2e-9)
    explained = [1 - np.var(e - o) / np.var(o) for e, o in zip(every.T, objectives.T, strict=True)]
    print(
        f"{path.stem}: additive fits explain {', '.join(f'{e:.3f}' for e in explained)}; exact "
        f"{len(found)} points in {seconds:.2f} CPU s, enumerated {len(expected)}: "
        f"{'identical' if same else 'DIFFERENT'}, gap {front.gap.max():g}"
    )
    return {
        "rows": len(genes), "explained": np.round(explained, 4).tolist(), "points": len(found),
        "enumerated": len(expected), "identical": bool(same), "gap": front.gap.tolist(),
        "cpu_s": round(seconds, 2),
    }  # fmt: skip


def blocks(space: SearchSpace, genes: IntArray) -> IntArray:
    """Which kernel and expansion each searched block has, -1 where absent, (networks, blocks)."""
    described = space.describe(space.canonical(genes[:1])[0])
    depths = genes[:, 1 : 1 + len(described["d"])]
    choices = genes[:, 1 + len(described["d"]) :].reshape(len(genes), -1, 2)
    position = np.arange(choices.shape[1]) % 4
    absent = position >= 2 + np.repeat(depths, 4, axis=1)
    return np.where(absent, -1, choices[:, :, 0] * 3 + choices[:, :, 1])


def imagenet_losses(space: SearchSpace) -> tuple[Losses, float]:
    """The predictor's additive part, negated, beside MACs; and how much it explains."""
    predictor = shipped_predictor().bind(space)

    def features(genes: IntArray) -> FloatArray:
        kinds = blocks(space, genes)
        one_hot = (kinds[:, :, None] == np.arange(9)).reshape(len(genes), -1)
        resolution = genes[:, :1] == np.arange(space.cardinalities[0])
        return np.concatenate([one_hot, resolution], axis=1).astype(float)

    rng = np.random.default_rng(0)
    fitted, held_out = space.sample(_FITTED_ON, rng), space.sample(2_000, rng)
    weights = np.linalg.lstsq(features(fitted), predictor.mean(fitted), rcond=None)[0]
    truth = predictor.mean(held_out)
    explained = 1 - np.var(features(held_out) @ weights - truth) / np.var(truth)

    def losses(genes: IntArray) -> FloatArray:
        macs = total(space.catalog.macs, space.layer_indices(genes))
        return np.stack([-(features(genes) @ weights), macs], axis=1)

    return losses, float(explained)


def reached(
    space: SearchSpace, losses: Losses, strategy: str, front: FloatArray, seed: int, upto: int
) -> list[float]:
    """Hypervolume after each batch, as a share of the exact front's."""
    reference, low = front.max(axis=0), front.min(axis=0)

    def scaled(values: FloatArray) -> FloatArray:
        return (values - low) / (reference - low)

    whole, one = hypervolume(scaled(front), np.ones(2)), np.ones(2)
    batch = 20 if strategy == "surrogate" else 100
    problem = problem_of(
        space.cardinalities, space.canonical, losses, objectives=2, known=[1], seed=seed,
        batch=batch,
    )  # fmt: skip
    searching, best, shares = strategies.create(strategy, problem), np.zeros((0, 2)), []
    for _ in range(upto // batch):
        genes = searching.ask()
        values = losses(genes)
        searching.tell(genes, values, np.zeros((len(genes), 0)))
        best = np.concatenate([best, values])
        best = best[non_dominated(best)]
        shares += [hypervolume(scaled(best), one) / whole] * batch
    return shares


def once_for_all(arguments: argparse.Namespace) -> dict[str, object]:
    """The exact front of Once-for-All's space, and how near other strategies come."""
    # resolutions that the predictor knows
    space = load_space("ofa_mbv3_w1.0", resolutions=list(DIRECT_RESOLUTIONS))
    losses, explained = imagenet_losses(space)
    front, seconds = timed(
        problem_of(space.cardinalities, space.canonical, losses, objectives=2, known=[0, 1])
    )
    print(
        f"ofa_mbv3_w1.0: the additive part explains {explained:.3f}; exact {len(front.losses)} "
        f"points in {seconds:.1f} CPU s, gap {front.gap.max():g}"
    )
    result: dict[str, object] = {
        "explained": round(explained, 4), "points": len(front.losses),
        "cpu_s": round(seconds, 1), "gap": front.gap.tolist(),
        "extremes": {"top1": (-front.losses[[0, -1], 0]).round(2).tolist(),
                     "macs": front.losses[[0, -1], 1].tolist()},
    }  # fmt: skip
    wanted = {"random": arguments.evaluations, "nsga2": arguments.evaluations,
              "surrogate": arguments.surrogate_evaluations}  # fmt: skip
    for strategy, evaluations in wanted.items():
        if strategy not in strategies.names() or not evaluations:
            continue
        shares = np.array([
            reached(space, losses, strategy, front.losses, seed, max(evaluations))
            for seed in range(arguments.seeds)
        ])  # fmt: skip
        medians = {n: round(float(np.median(shares[:, n - 1])), 4) for n in evaluations}
        result[strategy] = medians
        cells = ", ".join(f"{share:.3f} after {n:,}" for n, share in medians.items())
        print(f"  {strategy}: share of the exact hypervolume {cells}")
    return result


def main() -> None:
    """Run the claims and write their result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--problem", type=Path, nargs="*", default=[], metavar="FILE", help="whole tabulated spaces"
    )
    parser.add_argument("--seeds", type=int, default=3, help="of each searching strategy")
    parser.add_argument(
        "--evaluations", type=int, nargs="+", default=[1_000, 10_000], help="of random and nsga2"
    )
    parser.add_argument(
        "--surrogate-evaluations", type=int, nargs="*", default=[100, 200], metavar="N",
        help="of surrogate, which knows MACs beforehand; none to leave it out",
    )  # fmt: skip
    arguments = parser.parse_args()
    result = {
        "seeds": arguments.seeds,
        "tabulated": {path.stem: tabulated(path) for path in arguments.problem},
        "ofa_mbv3_w1.0": once_for_all(arguments),
    }
    print(f"written to {_results.write('search_exact', result)}")


if __name__ == "__main__":
    main()
