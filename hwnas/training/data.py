"""Data sets: images with labels in a training, a validation and a test part."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwnas.errors import DataError, UnknownNameError
from hwnas.training import hugging_face, image_folder, npz
from hwnas.training.images import LabelledImages, Parts

TEST_FRACTION = 0.2  # of the training images, where the source has no test part


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Images of one resolution in three parts; labels index ``classes``.

    Attributes:
        source: What it was loaded from.
        train: What weights are trained on.
        validation: What search sees: the source's own, or held out from the training images.
        test: What is looked at once, at the end.
        classes: Class names.
        skipped: Files that could not be read, as image folders document.
    """

    source: str
    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    @property
    def in_channels(self) -> int:
        """1 when all images are grayscale, else 3."""
        return int(self.train.images.shape[1])

    @property
    def resolution(self) -> int:
        """Height and width of the images."""
        return int(self.train.images.shape[2])

    def part(self, name: str) -> LabelledImages:
        """``train``, ``validation`` or ``test``."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        if name not in parts:
            raise UnknownNameError("part of a data set", name, parts)
        return parts[name]

    def fingerprint(self) -> str:
        """Changes with any image or label of the training part."""
        content = hashlib.sha256(self.train.images.tobytes())
        content.update(self.train.labels.tobytes())
        return content.hexdigest()[:12]


def data_names() -> tuple[str, ...]:
    """Data sets that ship with hwnas."""
    folder = resources.files("hwnas.training") / "datasets"
    names = (Path(file.name) for file in folder.iterdir())
    return tuple(sorted(name.stem for name in names if name.suffix == ".npz"))


def load_data(
    source: str | Path, *, resolution: int, validation_fraction: float = 0.2, seed: int = 0
) -> DataSet:
    """A data set by name, from an image folder, an ``.npz`` file, or Hugging Face's hub.

    Args:
        source: A name of `data_names`; a folder as `image_folder` describes it; a file as
            `npz` describes it; or ``hf:NAME`` as `hugging_face` describes it.
        resolution: Height and width that images are resized to, bilinearly.
        validation_fraction: Part of the training images of each class that is held out for
            validation, where the source has no validation part.
        seed: Of the splits.

    Raises:
        UnknownNameError: The source is neither a known name nor an existing path.
        ExtraMissingError: The source needs a package that is not installed.
        DataError: The images or labels cannot be used.
    """
    if not 0 < validation_fraction < 1:
        raise DataError(
            f"validation_fraction is {validation_fraction}; expected more than 0, less than 1."
        )
    parts = _read(source, resolution)
    train, validation, test = parts.train, parts.validation, parts.test
    rng = np.random.default_rng(seed)
    _check_classes(train.labels, parts.classes, source)
    if test is None:
        train, test = _split(train, TEST_FRACTION, rng)
    if validation is None:
        train, validation = _split(train, validation_fraction, rng)
    return DataSet(str(source), train, validation, test, parts.classes, parts.skipped)


def _read(source: str | Path, resolution: int) -> Parts:
    """What the source holds."""
    path = Path(source)
    if str(source).startswith(hugging_face.PREFIX):
        return hugging_face.read(str(source), resolution=resolution)
    if str(source) in data_names():
        shipped = resources.files("hwnas.training") / "datasets" / f"{source}.npz"
        with resources.as_file(shipped) as file:
            return npz.read(file, resolution=resolution)
    if path.is_dir():
        return image_folder.read(path, resolution=resolution)
    if path.is_file():
        return npz.read(path, resolution=resolution)
    hint = "Or give the path of an image folder or of an .npz file, or hf:NAME."
    raise UnknownNameError("data set", str(source), data_names(), hint=hint)


def _check_classes(labels: NDArray[np.int64], classes: tuple[str, ...], source: str | Path) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    few = [(name, count) for name, count in zip(classes, counts, strict=True) if count < 3]
    if len(classes) < 2:
        raise DataError(
            f"{source} has images of one class only ({classes[0]!r}); classification needs at "
            "least two."
        )
    if few:
        raise DataError(
            f"{source}: class {few[0][0]!r} has {few[0][1]} training images; at least 3 are "
            "needed to split them into parts."
        )


def _split(
    part: LabelledImages, fraction: float, rng: np.random.Generator
) -> tuple[LabelledImages, LabelledImages]:
    """What stays, and a random fraction of each class, at least one image of it."""
    taken = np.zeros(len(part.labels), dtype=bool)
    for label in np.unique(part.labels):
        members = rng.permutation(np.flatnonzero(part.labels == label))
        taken[members[: max(1, round(fraction * len(members)))]] = True
    return part.select(~taken), part.select(taken)
