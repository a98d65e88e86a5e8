"""Images with labels, and pixels brought to one resolution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps


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
