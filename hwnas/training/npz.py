"""Data sets in an ``.npz`` file.

Keys: ``x_train`` and ``x_test``, images, uint8, shape (N, H, W) or (N, H, W, C) with C 1 or 3;
``y_train`` and ``y_test``, integer class indices from 0, shape (N,); optionally ``classes``, their
names. Pickled objects are not read.
"""

import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hwnas.errors import DataError
from hwnas.training.images import LabelledImages, Parts, fit, stack

_REQUIRED = ("x_train", "y_train", "x_test", "y_test")


def read(path: Path, *, resolution: int) -> Parts:
    """The file's parts, training and test.

    Raises:
        DataError: The file is unreadable, or its content is not as the module describes.
    """
    arrays = _arrays(path)
    missing = [key for key in _REQUIRED if key not in arrays]
    if missing:
        raise DataError(
            f"{path} has no array {missing[0]!r}; expected {', '.join(_REQUIRED)}, found "
            f"{', '.join(sorted(arrays)) or 'none'}."
        )
    classes = _classes(arrays, path)
    parts = []
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        _check_images(images, f"{path}: x_{part}")
        _check_labels(labels, f"{path}: y_{part}", images=len(images), classes=len(classes))
        pixels = [fit(Image.fromarray(image), resolution) for image in _squeezed(images)]
        parts.append(LabelledImages(stack(pixels), labels.astype(np.int64)))
    train, test = parts
    if train.images.shape[1] != test.images.shape[1]:
        raise DataError(
            f"{path}: x_train has {train.images.shape[1]} channels and x_test "
            f"{test.images.shape[1]}; they must have the same."
        )
    return Parts(train, classes, test=test)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # NumPy leaves a file open that it was given by name and found broken
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(
                    f"{path} holds a single array; expected an .npz with {', '.join(_REQUIRED)}."
                )
            return {key: archive[key] for key in archive.files if key in (*_REQUIRED, "classes")}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else "it is truncated"
        raise DataError(
            f"{path} cannot be read as .npz without pickled objects: {reason}."
        ) from error


def _classes(arrays: dict[str, NDArray[Any]], path: Path) -> tuple[str, ...]:
    if "classes" in arrays:
        return tuple(str(name) for name in arrays["classes"].ravel())
    labels = arrays["y_train"]
    _check_labels(labels, f"{path}: y_train", images=len(arrays["x_train"]), classes=None)
    return tuple(str(label) for label in range(int(labels.max()) + 1))


def _check_images(images: NDArray[Any], what: str) -> None:
    shaped = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))
    if images.dtype != np.uint8 or not shaped or 0 in images.shape:
        raise DataError(
            f"{what} is {images.dtype} of shape {images.shape}; expected uint8 of shape "
            "(images, height, width) or (images, height, width, 1 or 3), not empty."
        )


def _check_labels(labels: NDArray[Any], what: str, *, images: int, classes: int | None) -> None:
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (images,) or images == 0:
        raise DataError(
            f"{what} is {labels.dtype} of shape {labels.shape}; expected integers of shape "
            f"({images},), one for each image."
        )
    top = len(labels) if classes is None else classes - 1
    wrong = labels[(labels < 0) | (labels > top)]
    if len(wrong):
        raise DataError(f"{what} holds label {wrong[0]}; expected 0 to {top}.")


def _squeezed(images: NDArray[Any]) -> NDArray[Any]:
    """Pillow takes a single channel as (H, W)."""
    return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
