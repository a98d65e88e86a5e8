"""Build the data set that ships with hwnas: a balanced part of Fashion-MNIST, unchanged pixels.

It reads the four files of Debian's package ``dataset-fashion-mnist`` where it installs them. The
first 1,000 training and the first 200 test images of each class are kept, class by class. The
result is an ordinary ``.npz``, compressed by LZMA (NumPy reads it as it is), the same bytes on
every run.

    python tools/build_fashion_mnist.py /usr/share/datasets/fashion-mnist
"""

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TARGET = Path(__file__).parent.parent / "hwnas/training/datasets/fashion_mnist_10k.npz"
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
PER_CLASS = {"train": 1000, "t10k": 200}
KEYS = {"train": "train", "t10k": "test"}
BUILD_DATE = (2017, 8, 25, 0, 0, 0)  # of the original data set; fixed, so that builds are equal


def main() -> None:
    """Read the folder given on the command line, write the data set into the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    arrays: dict[str, NDArray[np.generic]] = {"classes": np.array(CLASSES)}
    for part, key in KEYS.items():
        images = _idx(arguments.folder / f"{part}-images-idx3-ubyte.gz", header=16)
        labels = _idx(arguments.folder / f"{part}-labels-idx1-ubyte.gz", header=8)
        kept = np.concatenate(
            [np.flatnonzero(labels == c)[: PER_CLASS[part]] for c in range(len(CLASSES))]
        )
        arrays[f"x_{key}"] = images.reshape(-1, 28, 28)[kept]
        arrays[f"y_{key}"] = labels[kept]
    with zipfile.ZipFile(arguments.target, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in sorted(arrays.items()):
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", BUILD_DATE)
            archive.writestr(info, content.getvalue(), zipfile.ZIP_LZMA)


def _idx(path: Path, *, header: int) -> NDArray[np.uint8]:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


if __name__ == "__main__":
    main()
