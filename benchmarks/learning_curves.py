"""Learning curves of every network of a small space: a table that searches can stop early on.

Question: how much of a network's final accuracy shows after the first epochs of its training?
Each of 256 networks (three stages of a block each, with two widths and expansions, and two kernels
but in the first) is trained from scratch on 1,000 images of Fashion-MNIST, and judged on as many
others after each epoch. The learning rate falls to 0 along a cosine over all epochs, as when
nothing is stopped.

    python -m benchmarks.learning_curves

goes on where it was interrupted; `benchmarks.search_halving --curves` searches in the table.

Hardware: any; about ten minutes of CPU. Accuracies depend on the version of torch.

Expected: Spearman's correlation with the accuracy after all eight epochs is 0.44, 0.51, 0.67 and
0.84 after one, two, three and four of them; accuracies end between 54 % and 71 %.
"""

import argparse

from benchmarks import _results

_results.one_thread()

import numpy as np  # noqa: E402  (after the thread count is set)
import torch  # noqa: E402

from hwnas import files  # noqa: E402
from hwnas.catalog import IntArray  # noqa: E402
from hwnas.networks.pixels import channels_last  # noqa: E402
from hwnas.networks.static import build, initialise  # noqa: E402
from hwnas.prediction.selection import spearman  # noqa: E402
from hwnas.protocols import SearchSpace, architecture_layers  # noqa: E402
from hwnas.spaces import from_definition  # noqa: E402
from hwnas.training.config import Recipe  # noqa: E402
from hwnas.training.data import DataSet, load_data  # noqa: E402
from hwnas.training.evaluation import batches_at, recalibrate  # noqa: E402
from hwnas.training.images import LabelledImages  # noqa: E402
from hwnas.training.recipe import (  # noqa: E402
    create_optimizer,
    epoch_batches,
    label_loss,
    set_learning_rate,
    steps_per_epoch,
)

RESULT = _results.RESULTS / "learning_curves.json"
EPOCHS = 8
TRAINED_ON, JUDGED_ON, RECALIBRATED_ON = 1_000, 1_000, 128
_SAVE_EVERY = 16
_STAGE = {"depth": [1], "kernel_size": [3, 5], "stride": 2}
SPACE = {
    "family": "mobilenet_v3", "name": "learning_curves", "classes": 10, "in_channels": 1,
    "resolutions": [16],
    "stem": {"width": 8},
    "stages": [
        {**_STAGE, "width": [8, 16], "expand_ratio": [1, 3], "kernel_size": [3]},
        {**_STAGE, "width": [16, 32], "expand_ratio": [1, 4]},
        {**_STAGE, "width": [24, 48], "expand_ratio": [1, 4], "stride": 1},
    ],
    "head": {"conv_width": 64},
}  # fmt: skip


def space() -> SearchSpace:
    """The space, of which all networks are trained."""
    return from_definition(SPACE, source="benchmarks.learning_curves")


def all_genes(of: SearchSpace) -> IntArray:
    """Its canonical rows, in order."""
    grid = np.indices(tuple(of.cardinalities)).reshape(len(of.cardinalities), -1).T
    return np.unique(of.canonical(grid), axis=0)


def images(of: SearchSpace) -> DataSet:
    """Random images to learn from and to judge on."""
    data = load_data("fashion_mnist_10k", resolution=of.slot_layers[0].resolution)
    rng = np.random.default_rng(0)

    def some(part: LabelledImages, count: int) -> LabelledImages:
        return part.select(rng.permutation(len(part))[:count])

    train, held_out = some(data.train, TRAINED_ON), some(data.validation, JUDGED_ON)
    return DataSet(data.source, train, held_out, data.test, data.classes)


def curve(of: SearchSpace, row: IntArray, data: DataSet) -> list[float]:
    """Top-1 in percent after each epoch."""
    layers, recipe = architecture_layers(of, row), Recipe(threads=1)
    network = channels_last(build(layers))
    initialise(network, 0)
    optimizer = create_optimizer(network, recipe)
    each = steps_per_epoch(data.train, recipe)
    shown = batches_at(data.train.select(np.arange(RECALIBRATED_ON)), layers[0].resolution)
    judged = batches_at(data.validation, layers[0].resolution)
    found = []
    for epoch in range(EPOCHS):
        network.train()
        batches = epoch_batches(data.train, recipe, np.random.default_rng([0, epoch]))
        for step, (batch, labels) in enumerate(batches):
            set_learning_rate(optimizer, recipe, step=epoch * each + step, steps=EPOCHS * each)
            optimizer.zero_grad(set_to_none=True)
            label_loss(network(batch), labels, recipe).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        recalibrate(network, shown)
        with torch.inference_mode():
            told = torch.cat([network(batch).argmax(dim=1) for batch in judged])
        found.append(100.0 * float((told.numpy() == data.validation.labels).mean()))
    return found


def main() -> None:
    """Train what is not trained yet, and keep the curves."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    here = space()
    genes, data = all_genes(here), images(here)
    curves = files.read_json(RESULT)["top1_pct"] if RESULT.exists() else []
    for count in range(len(curves), len(genes)):
        curves.append(curve(here, genes[count], data))
        if (count + 1) % _SAVE_EVERY == 0 or count + 1 == len(genes):
            _results.write("learning_curves", {"genes": genes[: count + 1].tolist(),
                                               "top1_pct": curves})  # fmt: skip
            print(f"{count + 1} of {len(genes)} networks")
    found = np.array(curves)
    print("epoch   Spearman's correlation with the last   mean top-1")
    for epoch in range(EPOCHS):
        rank = spearman(found[:, epoch], found[:, -1])
        print(f"{epoch + 1:>5}   {rank:>38.3f}   {found[:, epoch].mean():>10.2f}")


if __name__ == "__main__":
    main()
