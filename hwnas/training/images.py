"""Images with labels, and pixels brought to one resolution."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hwnas.errors import DataError

MOST_UNREADABLE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images and what they show.

    Attributes:
        images: Pixels, shape (N, C, H, W).
        labels: Class indices, shape (N,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, which: NDArray[Any]) -> "LabelledImages":
        """The images at these indices, or where this mask is true."""
        return LabelledImages(self.images[which], self.labels[which])

    def joined(self, other: "LabelledImages") -> "LabelledImages":
        """These images and then the others."""
        return LabelledImages(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.labels, other.labels]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A data set as its source holds it.

    Attributes:
        train: All training images.
        classes: Their names, in the order of the labels.
        validation: None where the source holds no such part, like ``test``.
        test: Images for the very end.
        skipped: Files that could not be read.
    """

    train: LabelledImages
    classes: tuple[str, ...]
    validation: LabelledImages | None = None
    test: LabelledImages | None = None
    skipped: tuple[str, ...] = ()


def decode(file: Path | IO[bytes], resolution: int) -> NDArray[np.uint8] | None:
    """Pixels of an image file, as `fit` gives them; None when it cannot be read."""
    try:
        with Image.open(file) as image:
            if image.mode in ("1", "L", "LA"):
                return fit(image.convert("L"), resolution)
            # by way of RGBA, because a palette may hold transparency
            return fit(image.convert("RGBA").convert("RGB"), resolution)
    # what Pillow's decoders raise on broken files
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return None


def check_readable(skipped: Sequence[str], total: int, source: Path | str) -> None:
    """Refuse a source of which too many of all files cannot be read."""
    if len(skipped) > MOST_UNREADABLE * total:
        raise DataError(
            f"{len(skipped)} of {total} files in {source} cannot be read as images, such as "
            f"{skipped[0]}; at most {MOST_UNREADABLE:.0%} are skipped: repair or remove them."
        )


def fit(image: Image.Image, resolution: int) -> NDArray[np.uint8]:
    """An image as (resolution, resolution) or (resolution, resolution, 3) pixels.

    The shorter side is scaled bilinearly; what the longer side has too much is cut off evenly.
    """
    size = (resolution, resolution)
    if image.size != size:
        image = ImageOps.fit(image, size, method=Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)


def stack(pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Images of one resolution as (N, C, H, W); grayscale ones get 3 channels beside coloured."""
    if all(image.ndim == 2 for image in pixels):
        return np.stack(pixels)[:, None]
    coloured = [np.stack([image] * 3, axis=-1) if image.ndim == 2 else image for image in pixels]
    return np.ascontiguousarray(np.stack(coloured).transpose(0, 3, 1, 2))
