"""How far off is the ImageNet accuracy predictor that ships, on subnets that somebody measured?

Question: rank correlation, error and coverage of the stated intervals

- of the shipped predictor on any file of measured subnets (on the file that it was fitted on, this
  is not a test);
- of the same regression refitted in five folds, each judged on the fifth that was left out, beside
  Once-for-All's own predictor, MACs, parameters and depth, each after the affine fit to the whole
  file that suits it best;
- of a predictor for the user's own space (`hwnas.prediction.fit`), which knows nothing of ImageNet,
  from 300 random rows, judged on all others;

the mean change from 224 pixels to fewer, beside that of Once-for-All's predictor; and how many
architectures a CPU second gives means and deviations of, on one thread.

    python -m benchmarks.imagenet_predictor --rows FILE.jsonl [--mlp FILE.npz]

Hardware: any; about 25 CPU seconds. Only the last figures depend on the machine.

Expected on 1,556 subnets at 224 pixels: five-fold Spearman 0.9978, mean absolute error 0.047
points (Once-for-All's: 0.982, 0.21; MACs 0.949), 91 % in the 90 % intervals; over a million means
and some 170,000 deviations a second.

A line of a file of subnets holds `kernel_size` and `expand_ratio` (20 each, stage by stage),
`depth` (5) and `top1_pct`, and `resolution` where it is not 224. All but the shipped predictor is
judged on the lines at 224 pixels.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)

from hwnas import files, prediction  # noqa: E402
from hwnas.catalog import FloatArray, IntArray  # noqa: E402
from hwnas.prediction.features import TRIVIAL  # noqa: E402
from hwnas.prediction.imagenet import DIRECT_RESOLUTIONS, shipped_predictor  # noqa: E402
from hwnas.prediction.imagenet_features import SPACE  # noqa: E402
from hwnas.prediction.imagenet_fitting import held_out, score  # noqa: E402
from hwnas.prediction.measured_subnets import MeasuredSubnets, read_subnets  # noqa: E402
from hwnas.prediction.published_mlp import PublishedMlp  # noqa: E402
from hwnas.prediction.selection import spearman  # noqa: E402
from hwnas.protocols import SearchSpace  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402

SOME = 250_000  # architectures to time
FEW = 300  # rows that a user may have


def after_affine_fit(numbers: FloatArray, top1: FloatArray) -> dict[str, float]:
    """What a number that is no accuracy tells of accuracy."""
    slope, intercept = np.polyfit(numbers, top1, 1)
    error = np.abs(slope * numbers + intercept - top1).mean()
    return {"spearman": round(spearman(numbers, top1), 5), "mae": round(float(error), 4)}


def at_largest(measured: MeasuredSubnets, space: SearchSpace) -> MeasuredSubnets:
    """The subnets at 224 pixels."""
    kept = measured.genes[:, 0] == space.cardinalities[0] - 1
    return MeasuredSubnets(measured.genes[kept], measured.top1[kept])


def compared(
    measured: MeasuredSubnets, space: SearchSpace, mlp: PublishedMlp | None
) -> dict[str, dict[str, float]]:
    """Scores on measured subnets by what predicts them."""
    bound = shipped_predictor().bind(space)
    genes, top1 = measured.genes, measured.top1
    found = {"shipped": files.to_plain(score(bound.mean(genes), bound.std(genes), top1))}
    measured = at_largest(measured, space)
    genes, top1 = measured.genes, measured.top1
    everyday = space.sample(20_000, np.random.default_rng(0))
    found["five folds"] = files.to_plain(held_out(measured, space, everyday=everyday))
    if mlp is not None:
        found["Once-for-All's"] = after_affine_fit(mlp.top1(genes, 224), top1)
    numbers = prediction.encoding_of(space).trivial(genes)
    for name, column in zip(TRIVIAL, numbers.T, strict=True):
        found[name] = after_affine_fit(column, top1)
    return found


def from_few(measured: MeasuredSubnets, space: SearchSpace) -> dict[str, object]:
    """A predictor for any space, from a few of the rows, on all others."""
    order = np.random.default_rng(0).permutation(len(measured.top1))
    few, rest = order[:FEW], order[FEW:]
    if not len(rest):
        return {}
    predictor = prediction.fit(space, measured.genes[few], measured.top1[few])
    mean, std = predictor.mean(measured.genes[rest]), predictor.std(measured.genes[rest])
    own = {one.name: round(one.spearman, 4) for one in predictor.scores}
    held = files.to_plain(score(mean, std, measured.top1[rest]))
    return {"chosen": predictor.chosen, "cross_validation_spearman": own, "others": held}


def shifts(space: SearchSpace, mlp: PublishedMlp | None) -> dict[str, dict[str, float]]:
    """Mean change from 224 pixels over random subnets, by resolution."""
    bound = shipped_predictor().bind(space)
    genes = space.sample(20_000, np.random.default_rng(1))

    def ours(step: int) -> float:
        at = genes.copy()
        at[:, 0] = step
        return float(bound.mean(at).mean())

    last = len(DIRECT_RESOLUTIONS) - 1
    found = {}
    for step, resolution in enumerate(DIRECT_RESOLUTIONS[:-1]):
        found[str(resolution)] = {"shipped": round(ours(step) - ours(last), 3)}
        if mlp is not None:
            change = mlp.top1(genes, resolution) - mlp.top1(genes, DIRECT_RESOLUTIONS[-1])
            found[str(resolution)]["Once-for-All's"] = round(float(change.mean()), 3)
    return found


def per_second(of: Callable[[IntArray], FloatArray], genes: IntArray) -> int:
    """Architectures a CPU second, the best of three."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        of(genes)
        spent.append(time.process_time() - start)
    return int(len(genes) / min(spent))


def main() -> None:
    """Run the claim and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True, help="measured subnets, JSON lines")
    parser.add_argument("--mlp", type=Path, help="Once-for-All's predictor, .npz")
    arguments = parser.parse_args()
    known = range(DIRECT_RESOLUTIONS[0], DIRECT_RESOLUTIONS[-1] + 1, 4)
    space, wide = (load_space(SPACE, resolutions=list(r)) for r in (DIRECT_RESOLUTIONS, known))
    measured = read_subnets(arguments.rows, wide)
    mlp = PublishedMlp(arguments.mlp) if arguments.mlp else None
    bound = shipped_predictor().bind(space)
    some = space.sample(SOME, np.random.default_rng(2))
    result = {
        "rows": len(measured.top1),
        "accuracy": compared(measured, wide, mlp),
        f"own_space_predictor_from_{FEW}_rows": from_few(at_largest(measured, wide), wide),
        "mean_change_from_224_pixels": shifts(space, mlp),
        "architectures_per_cpu_second": {
            "mean": per_second(bound.mean, some),
            "std": per_second(bound.std, some),
        },
    }
    columns = ("spearman", "mae", "bias", "coverage_90", "coverage_50")
    print(f"{len(measured.top1)} subnets" + "".join(f"{column:>13}" for column in columns))
    for name, scores in result["accuracy"].items():
        cells = (f"{scores[column]:13.4f}" if column in scores else " " * 13 for column in columns)
        print(f"{name:12}" + "".join(cells))
    for key in list(result)[2:]:
        print(f"{key}: {result[key]}")
    print(f"written to {_results.write('imagenet_predictor', result)}")


if __name__ == "__main__":
    main()
