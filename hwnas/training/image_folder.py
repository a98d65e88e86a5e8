"""Data sets in a folder: ``class/image.png``, or ``train/class/...`` and ``test/class/...``.

Without a test folder, a test part is split off by seed. A file that cannot be read as an image is
skipped and named; when more than 1 % of the files cannot, the folder is refused.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hwnas.errors import DataError
from hwnas.training.images import LabelledImages, fit, stack

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MOST_UNREADABLE = 0.01


def read(
    folder: Path, *, resolution: int
) -> tuple[LabelledImages, LabelledImages | None, tuple[str, ...], tuple[str, ...]]:
    """Training part, test part if there is one, class names, skipped files.

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
            image = _decode(path, resolution)
            if image is None:
                skipped.append(str(path))
            else:
                pixels.append(image)
                labels[-1].append(label)
    _check_readable(skipped, sum(map(len, listed)), folder)
    # stacked together: one coloured image anywhere gives all of them three channels
    images = stack(pixels)
    train = LabelledImages(images[: len(labels[0])], np.array(labels[0], np.int64))
    rest = LabelledImages(images[len(labels[0]) :], np.array(labels[-1], np.int64))
    return train, rest if has_parts else None, classes, tuple(skipped)


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


def _decode(path: Path, resolution: int) -> NDArray[np.uint8] | None:
    """Pixels of an image file; None when it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.mode in ("1", "L", "LA"):
                return fit(image.convert("L"), resolution)
            # by way of RGBA, because a palette may hold transparency
            return fit(image.convert("RGBA").convert("RGB"), resolution)
    # what Pillow's decoders raise on broken files
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return None


def _check_readable(skipped: Sequence[str], total: int, folder: Path) -> None:
    if len(skipped) > MOST_UNREADABLE * total:
        raise DataError(
            f"{len(skipped)} of {total} files in {folder} cannot be read as images, such as "
            f"{skipped[0]}; at most {MOST_UNREADABLE:.0%} are skipped: repair or remove them."
        )
