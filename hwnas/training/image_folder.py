"""Data sets in a folder: ``class/image.png``, or ``train/class/...`` and ``test/class/...``.

Without a test folder, a test part is split off by seed. A file that cannot be read as an image is
skipped and named; when more than 1 % of the files cannot, the folder is refused.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwnas.errors import DataError
from hwnas.training.images import LabelledImages, Parts, check_readable, decode, stack

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def read(folder: Path, *, resolution: int) -> Parts:
    """The folder's parts, of which validation is none.

    Raises:
        DataError: There are no images, the parts have different classes, or too many files
            cannot be read.
    """
    has_parts = (folder / "train").is_dir() and (folder / "test").is_dir()
    roots = [folder / "train", folder / "test"] if has_parts else [folder]
    classes = _classes(roots[0])
    if has_parts and _classes(roots[1]) != classes:
        raise DataError(
            f"{roots[1]} has the classes {', '.join(_classes(roots[1]))}; {roots[0]} has "
            f"{', '.join(classes)}. Both need the same."
        )
    listed = [_files(root, classes) for root in roots]
    pixels: list[NDArray[np.uint8]] = []
    labels: list[list[int]] = []
    skipped: list[str] = []
    for part in listed:
        labels.append([])
        for path, label in part:
            image = decode(path, resolution)
            if image is None:
                skipped.append(str(path))
            else:
                pixels.append(image)
                labels[-1].append(label)
    check_readable(skipped, sum(map(len, listed)), folder)
    # stacked together: one coloured image anywhere gives all of them three channels
    images = stack(pixels)
    train = LabelledImages(images[: len(labels[0])], np.array(labels[0], np.int64))
    rest = LabelledImages(images[len(labels[0]) :], np.array(labels[-1], np.int64))
    return Parts(train, classes, test=rest if has_parts else None, skipped=tuple(skipped))


def _classes(root: Path) -> tuple[str, ...]:
    """Names of the folders that hold images."""
    names = [
        entry.name
        for entry in sorted(root.iterdir())
        if entry.is_dir() and any(file.suffix.lower() in ENDINGS for file in entry.iterdir())
    ]
    if not names:
        raise DataError(
            f"{root} has no images; expected one folder for each class with files ending in "
            f"{', '.join(ENDINGS)}."
        )
    return tuple(names)


def _files(root: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """Image files with the index of their class, in a fixed order."""
    return [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((root / name).iterdir())
        if path.suffix.lower() in ENDINGS
    ]
