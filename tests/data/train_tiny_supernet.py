"""Train the tiny space's supernet in a directory, to be killed by a test or to stop by itself.

python train_tiny_supernet.py DIRECTORY EPOCHS [STEPS]
"""

import sys
from pathlib import Path

from hwnas.spaces import load_space
from hwnas.training.config import Recipe, SupernetConfig
from hwnas.training.data import DataSet, load_data
from hwnas.training.supernet import train_supernet

SPACE_FILE = Path(__file__).parent / "tiny_space.toml"
SPACE = load_space(SPACE_FILE)


def tiny_data() -> DataSet:
    """A few images of each class of the shipped data set."""
    data = load_data("fashion_mnist_10k", resolution=16)
    return DataSet(
        data.source,
        data.train.select(slice(0, None, 40)),
        data.validation.select(slice(0, None, 10)),
        data.test.select(slice(0, None, 10)),
        data.classes,
    )


def tiny_config(epochs: int) -> SupernetConfig:
    """Five steps an epoch, one thread; all that has a state of its own is in use."""
    return SupernetConfig(
        epochs=epochs,
        largest_first=1,
        random_networks=1,
        progressive=("kernel_size", "depth"),
        kernel_transforms=True,
        average=0.8,
        recipe=Recipe(batch_size=40, learning_rate=0.01, threads=1),
        evaluate_every=2,
    )


if __name__ == "__main__":
    directory, epochs, *stop = sys.argv[1:]

    def stop_after(task: str, done: float, total: float, note: str = "") -> None:
        """End without an epoch's end."""
        if stop == [str(done)]:
            sys.exit("stopped")

    train_supernet(SPACE, tiny_data(), tiny_config(int(epochs)), Path(directory), stop_after)
