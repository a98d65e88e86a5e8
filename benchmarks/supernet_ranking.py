"""Does a supernet rank networks as training each of them alone does?

Question: rank correlation (Spearman, Kendall) of what the supernet of NAS-Bench-Macro says of
random networks with their published accuracies (each trained alone for 50 epochs), beside that of
parameters, multiply-accumulates and depth, on the same networks. The supernet is trained on
CIFAR-10 and asked on training images that were held out, each network's batch-norm recalibrated.
It is asked in two ways: accuracy, and mean cross-entropy, which few images tell more finely.

    python -m benchmarks.supernet_ranking --data CIFAR10.npz --table SEARCH.npz

The data file holds JPEG images one after another (`train_blob`, `train_off`) and `y_train`; the
table `genes`, `objectives` and `objective_names`, of which the first is the error in percent.
Training goes on where it was interrupted, after each epoch, and evaluation after each network; the
same command prints the same again. Results are kept side by side, by setting.

Hardware: any; at 16 px, a quarter of the published pixels, 150 images a CPU second. A training
worth the name needs a GPU, such as `--device cuda --bf16 --pixels 32 --images 45000 --epochs 100
--largest-first 10 --batch 256 --average 0.999 --held-out 1000`, which has not been run; evaluation
is on the CPU.

Expected, Spearman by accuracy and by cross-entropy, one seed each, where depth has 0.83,
multiply-accumulates have 0.74 and parameters 0.28:

    0.75  0.90  four times as long, weights averaged; 436 CPU seconds (`--images 20000
                --epochs 4 --average 0.999 --held-out 512`)
    0.76  0.81  the options as they stand: the largest network alone for half of 20,000 images,
                then single random networks; 150 CPU seconds
    0.50  0.61  single random networks from the start, 30,000 images; 190 CPU seconds
                (`--images 15000 --largest-first 0`)
    0.19  0.33  the same at 32 px, 4,800 images; 80 CPU seconds

Minutes of training say somewhat more than counting layers does: networks that reach 90 % when
trained are 42 % right in the longest of these, on average.
"""

import argparse
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.stats import kendalltau  # noqa: E402
from torch.nn import functional  # noqa: E402

from hwnas import files  # noqa: E402
from hwnas.catalog import FloatArray, IntArray, total  # noqa: E402
from hwnas.networks.pixels import to_batch  # noqa: E402
from hwnas.networks.recalibrating import RecalibratingSupernet  # noqa: E402
from hwnas.networks.supernet import Supernet  # noqa: E402
from hwnas.prediction.selection import spearman  # noqa: E402
from hwnas.protocols import SearchSpace  # noqa: E402
from hwnas.spaces import load_space  # noqa: E402
from hwnas.training.config import Recipe, SupernetConfig  # noqa: E402
from hwnas.training.data import DataSet  # noqa: E402
from hwnas.training.evaluation import recalibration_part  # noqa: E402
from hwnas.training.images import LabelledImages, fit, stack  # noqa: E402
from hwnas.training.supernet import slot_layers_of, train_supernet  # noqa: E402

SPACE = "nas_bench_macro"
NETWORKS_SEED = 0


def decoded(
    blob: Any, offsets: Any, labels: Any, which: IntArray, *, pixels: int
) -> LabelledImages:
    """Images of a file of JPEGs one after another, at one resolution."""
    images = []
    for i in which:
        content = blob[offsets[i] : offsets[i + 1]].tobytes()
        images.append(fit(Image.open(io.BytesIO(content)).convert("RGB"), pixels))
    return LabelledImages(stack(images), labels[which].astype(np.int64))


def load(path: Path, *, images: int, held_out: int, pixels: int) -> DataSet:
    """Random images of the training part to train on, and others that are held out."""
    with np.load(path) as content:
        blob, offsets, labels = (content[k] for k in ("train_blob", "train_off", "y_train"))
        classes = tuple(str(name) for name in content["classes"])
    order = np.random.default_rng(0).permutation(len(labels))
    held, used = order[:held_out], order[held_out : held_out + images]
    train = decoded(blob, offsets, labels, used, pixels=pixels)
    validation = decoded(blob, offsets, labels, held, pixels=pixels)
    return DataSet("CIFAR-10", train, validation, validation, classes)


def configured(arguments: argparse.Namespace) -> SupernetConfig:
    """The training that the options ask for."""
    recipe = Recipe(
        batch_size=arguments.batch, learning_rate=arguments.learning_rate,
        crop_padding=arguments.pixels // 8, weight_decay=arguments.weight_decay,
        label_smoothing=arguments.label_smoothing, threads=1, optimizer=arguments.optimizer,
    )  # fmt: skip
    return SupernetConfig(
        epochs=arguments.epochs, largest_first=arguments.largest_first,
        random_networks=arguments.random_networks, sandwich=arguments.sampling == "sandwich",
        average=arguments.average, device=arguments.device, mixed_precision=arguments.bf16,
        recipe=recipe, evaluate_every=max(1, arguments.epochs // 10),
    )  # fmt: skip


def trained(
    space: SearchSpace, data: DataSet, config: SupernetConfig, folder: Path
) -> tuple[Supernet, float]:
    """The supernet, and CPU seconds spent on it by those processes that came to the end."""
    begun, log = time.process_time(), folder / "seconds.json"
    before = json.loads(log.read_text()) if log.is_file() else 0.0
    shown = [0.0]

    def progress(task: str, done: float, total: float, note: str = "") -> None:
        if time.time() - shown[0] > 20 or done == total:
            shown[0] = time.time()
            print(f"{task} {done}/{total}: {note}", flush=True)

    supernet = train_supernet(space, data, config, folder, progress)
    spent = before + time.process_time() - begun
    files.write_json(log, spent)
    return supernet, spent


def evaluated(
    space: SearchSpace, supernet: Supernet, data: DataSet, rows: IntArray, path: Path,
    *, recalibration: int,
) -> FloatArray:  # fmt: skip
    """Accuracy in percent and minus mean cross-entropy, shape (networks, 2).

    What the file has is read, what it lacks appended to it, a line at once.
    """
    known = dict(lines(path))
    rest = [row for row in sorted(map(tuple, rows.tolist())) if row not in known]
    calibration = to_batch(recalibration_part(data.train, recalibration).images)
    images, labels = to_batch(data.validation.images), torch.from_numpy(data.validation.labels)
    networks = slot_layers_of(space, np.array(rest)) if rest else []
    answers = RecalibratingSupernet(supernet).logits_of_each(calibration, images, networks)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for done, (row, logits) in enumerate(zip(rest, answers, strict=True), 1):
            right = 100.0 * float((logits.argmax(dim=1) == labels).double().mean())
            known[row] = (right, -float(functional.cross_entropy(logits, labels)))
            file.write(json.dumps([row, known[row]]) + "\n")
            file.flush()
            if done % 50 == 0:
                print(f"evaluating {done}/{len(rest)}", flush=True)
    return np.array([known[tuple(row)] for row in rows.tolist()])


def lines(path: Path) -> Iterator[tuple[tuple[int, ...], tuple[float, float]]]:
    """Networks and what was said of them; a last line without its end is dropped."""
    if not path.is_file():
        return
    whole = path.read_bytes().rpartition(b"\n")[0]
    path.write_bytes(whole + b"\n" if whole else b"")
    for line in whole.splitlines():
        row, (accuracy, minus_loss) = json.loads(line)
        yield tuple(row), (accuracy, minus_loss)


def correlations(said: FloatArray, truth: FloatArray) -> dict[str, float]:
    """Spearman and Kendall, over all networks and over the better half."""
    better = truth >= np.median(truth)
    return {
        "spearman": round(spearman(said, truth), 4),
        "kendall": round(float(kendalltau(said, truth).statistic), 4),
        "spearman_of_better_half": round(spearman(said[better], truth[better]), 4),
    }


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="CIFAR-10 as JPEGs in an .npz file")
    add("--table", type=Path, required=True, help="the published accuracies, .npz")
    add("--work", type=Path, default=Path("runs/supernet_ranking"), help="where checkpoints lie")
    add("--networks", type=int, default=500, help="random networks to rank")
    add("--sampling", choices=("sandwich", "uniform"), default="uniform", help="of each step")
    add("--random-networks", type=int, default=1, help="random networks a step")
    add("--largest-first", type=int, default=1, help="epochs of the largest network alone")
    add(
        "--weights",
        choices=("shared", "separate"),
        default="shared",
        help="whether a position's blocks are cut from the largest or have weights of their own",
    )
    add("--pixels", type=int, default=16, help="to train and ask at; the published are of 32")
    add("--images", type=int, default=10_000, help="images to train on")
    add("--epochs", type=int, default=2, help="passes over them")
    add("--held-out", type=int, default=384, help="images to ask on")
    add("--recalibration", type=int, default=128, help="images that batch-norms are set by")
    add("--batch", type=int, default=32, help="images a step")
    add("--optimizer", choices=("adamw", "sgd"), default="adamw", help="how weights are updated")
    add("--learning-rate", type=float, default=0.002, help="the highest")
    add("--weight-decay", type=float, default=0.02, help="of convolutions and the classifier")
    add("--label-smoothing", type=float, default=0.0, help="probability spread over all classes")
    add("--average", type=float, default=0.99, help="decay of a moving average of the weights")
    add("--device", default="cpu", help="of torch, for training")
    add("--bf16", action="store_true", help="train in bfloat16")
    return parser.parse_args()


def main() -> None:
    """Run the claim and write its result."""
    arguments = parsed()
    torch.set_num_threads(1)
    shared, pixels = arguments.weights == "shared", arguments.pixels
    space = load_space(SPACE, shared_weights=shared, resolutions=[pixels])
    with np.load(arguments.table) as table:
        genes, truth = table["genes"].astype(np.int64), -table["objectives"][:, 0]
    chosen = np.random.default_rng(NETWORKS_SEED).permutation(len(genes))[: arguments.networks]
    genes, truth = genes[chosen], truth[chosen]

    data = load(arguments.data, images=arguments.images, held_out=arguments.held_out, pixels=pixels)
    setting = {
        k: v for k, v in vars(arguments).items() if k not in ("data", "table", "work", "networks")
    }
    folder = arguments.work / files.digest(setting)
    supernet, seconds = trained(space, data, configured(arguments), folder)
    said = evaluated(
        space, supernet, data, genes, folder / "evaluations.jsonl",
        recalibration=arguments.recalibration,
    )  # fmt: skip
    published = load_space(SPACE)  # at its own resolution
    indices = published.layer_indices(genes)
    found = {
        "supernet, accuracy": said[:, 0], "supernet, cross-entropy": said[:, 1],
        "depth": (genes > 0).sum(axis=1).astype(float),
        "multiply-accumulates": total(published.catalog.macs, indices),
        "parameters": total(published.catalog.params, indices),
    }  # fmt: skip
    scored = {name: correlations(column, truth) for name, column in found.items()}
    result = {
        "setting": setting, "networks": len(genes), "training_cpu_s": round(seconds, 1),
        "supernet_accuracy_mean": round(float(said[:, 0].mean()), 2),
        "supernet_accuracy_best": round(float(said[:, 0].max()), 2),
        "correlation": scored,
    }  # fmt: skip
    print(f"{len(genes)} networks" + " " * 14 + "Spearman   Kendall   better half (Spearman)")
    for name, scores in scored.items():
        print(f"{name:26}" + "".join(f"{value:10.3f}" for value in scores.values()))
    print(f"written to {keep(result, files.digest(setting))}")


def keep(result: dict[str, Any], key: str) -> Path:
    """Put a result beside those of other settings."""
    path = _results.RESULTS / "supernet_ranking.json"
    before = json.loads(path.read_text())["runs"] if path.is_file() else {}
    return _results.write("supernet_ranking", {"runs": {**before, key: result}})


if __name__ == "__main__":
    main()
