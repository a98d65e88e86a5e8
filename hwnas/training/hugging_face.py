"""Data sets of the Hugging Face hub, or in a folder that its package ``datasets`` reads.

Written ``hf:NAME``, and behind it, where they must be told apart, ``,config=``, ``,image=`` and
``,label=``: ``hf:uoft-cs/cifar100,label=fine_label``. A folder is one that ``save_to_disk`` wrote
or one of Parquet files or images, which needs no network.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwnas import extras
from hwnas.errors import DataError, UnknownNameError
from hwnas.training.images import LabelledImages, Parts, check_readable, decode, stack

PREFIX = "hf:"
_OPTIONS = ("config", "image", "label")
_PARTS = ("train", "validation", "test")
_SAVED = ("dataset_dict.json", "state.json")  # what save_to_disk leaves
_NO_LABEL = -1  # what the hub's data sets have in place of labels that are kept secret


@dataclass(frozen=True, slots=True)
class HubSource:
    """What is to be loaded.

    Attributes:
        name: On the hub, or a folder.
        config: Of those that a data set of the hub may come in; empty for its usual one.
        image: Column of the images; empty for the only one there is.
        label: Column of the labels, likewise.
    """

    name: str
    config: str = ""
    image: str = ""
    label: str = ""

    def __str__(self) -> str:
        told = [f"{key}={getattr(self, key)}" for key in _OPTIONS if getattr(self, key)]
        return PREFIX + ",".join([self.name, *told])


def parse(source: str) -> HubSource:
    """What a source means that begins with `PREFIX`.

    Raises:
        DataError: There is no name, or something without ``=`` behind it.
        UnknownNameError: An option is not known.
    """
    name, *told = source.removeprefix(PREFIX).split(",")
    pairs = [each.partition("=") for each in told]
    if not name or any(not value for _, _, value in pairs):
        raise DataError(f"The data set is {source!r}; expected hf:NAME or hf:NAME,label=COLUMN.")
    for key, _, _ in pairs:
        if key not in _OPTIONS:
            raise UnknownNameError("option of a Hugging Face data set", key, _OPTIONS)
    return HubSource(name, **{key: value for key, _, value in pairs})


def anchored(source: str) -> str:
    """The source, with a folder's path absolute."""
    wanted = parse(source)
    folder = Path(wanted.name)
    return str(replace(wanted, name=str(folder.resolve()))) if folder.is_dir() else source


def read(source: str, *, resolution: int) -> Parts:
    """Its splits ``train``, ``validation`` and ``test``; one without labels counts as absent.

    Raises:
        ExtraMissingError: The package ``datasets`` is not installed.
        DataError: The data set cannot be loaded, or not be told what to learn from it.
    """
    extras.require("datasets", extra="huggingface", purpose=f"the data set {source}")
    wanted = parse(source)
    splits = _splits(wanted)
    image, label = _columns(splits["train"].features, wanted)
    classes = tuple(splits["train"].features[label].names)
    labels = {name: _labels(splits[name], label, classes, f"{wanted}: {name}") for name in splits}
    for name in [each for each in splits if (labels[each] == _NO_LABEL).all()]:
        del splits[name], labels[name]
    if "train" not in splits:
        raise DataError(f"{wanted}: the split train has no labels.")
    return _parts(splits, labels, image, classes, wanted, resolution)


def _splits(wanted: HubSource) -> dict[str, Any]:
    """The data set's splits that are used, by name; ``train`` is among them."""
    import datasets  # an extra

    try:
        if any((Path(wanted.name) / file).is_file() for file in _SAVED):
            loaded = datasets.load_from_disk(wanted.name)
        else:
            loaded = datasets.load_dataset(wanted.name, wanted.config or None)
    # the hub's own errors are OSErrors and ValueErrors; a data set that is a script, RuntimeError
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(
            f"{wanted} cannot be loaded: {reason}. Expected the name of a data set on the Hugging "
            "Face hub, which must be reachable the first time, or a folder that the package "
            "datasets reads."
        ) from error
    splits = loaded if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
    if len(splits) == 1:
        return {"train": next(iter(splits.values()))}
    if "train" not in splits:
        raise DataError(f"{wanted} has the splits {', '.join(splits)}; expected train among them.")
    return {name: splits[name] for name in _PARTS if name in splits}


def _columns(features: Mapping[str, Any], wanted: HubSource) -> tuple[str, str]:
    """Columns of the images and of the labels."""
    import datasets  # an extra

    advice = ", which class_encode_column of the package datasets makes of another"
    return (
        _column(features, datasets.Image, "image", wanted),
        _column(features, datasets.ClassLabel, "label", wanted, advice=advice),
    )


def _column(
    features: Mapping[str, Any], kind: type, option: str, wanted: HubSource, *, advice: str = ""
) -> str:
    """The column that was asked for, or the only one of its kind."""
    fitting = [name for name, feature in features.items() if isinstance(feature, kind)]
    asked = getattr(wanted, option)
    if asked in fitting or (not asked and len(fitting) == 1):
        return asked or fitting[0]
    if not asked:
        what = f"has {'several columns' if fitting else 'no column'} of {option}s"
    else:
        what = f"has no {option}s in {asked!r}" if asked in features else f"has no column {asked!r}"
    found = ", ".join(f"{name} ({_kind(feature)})" for name, feature in features.items())
    choices = " or ".join(f",{option}={name}" for name in fitting)
    expected = f"end its name with {choices}" if fitting else f"expected a {kind.__name__}{advice}"
    raise DataError(f"{wanted} {what}; its columns are {found}: {expected}.")


def _kind(feature: Any) -> str:
    """What a column holds, such as ``ClassLabel`` or ``int64``."""
    import datasets  # an extra

    is_plain = isinstance(feature, datasets.Value)
    return str(feature.dtype) if is_plain else type(feature).__name__


def _labels(split: Any, column: str, classes: Sequence[str], what: str) -> NDArray[np.int64]:
    """Class indices of a split, shape (N,); none at all are all `_NO_LABEL`."""
    feature = split.features.get(column)
    if feature is None or tuple(getattr(feature, "names", ())) != tuple(classes):
        raise DataError(f"{what} does not have the classes of train in its column {column!r}.")
    given = (_NO_LABEL if label is None else label for label in split[column][:])
    labels = np.fromiter(given, np.int64, len(split))
    wrong = labels[(labels < 0) | (labels >= len(classes))]
    if len(wrong) and not (labels == _NO_LABEL).all():
        raise DataError(f"{what} holds label {wrong[0]}; expected 0 to {len(classes) - 1}.")
    return labels


def _parts(
    splits: Mapping[str, Any],
    labels: Mapping[str, NDArray[np.int64]],
    image: str,
    classes: tuple[str, ...],
    wanted: HubSource,
    resolution: int,
) -> Parts:
    """Images of all splits; what cannot be read is left out and named."""
    pixels: list[NDArray[np.uint8]] = []
    kept: dict[str, NDArray[np.int64]] = {}
    skipped: list[str] = []
    for name, split in splits.items():
        read = [_pixels(cell, resolution) for cell in _cells(split, image)]
        skipped += [f"{name}[{index}]" for index, each in enumerate(read) if each is None]
        kept[name] = labels[name][[each is not None for each in read]]
        pixels += [each for each in read if each is not None]
    check_readable(skipped, len(pixels) + len(skipped), str(wanted))
    # stacked together: one coloured image anywhere gives all of them three channels
    images, ends = stack(pixels), np.cumsum([len(each) for each in kept.values()])
    chunks = np.split(images, ends[:-1])
    found = {
        name: LabelledImages(chunk, kept[name]) for name, chunk in zip(kept, chunks, strict=True)
    }
    return Parts(
        found["train"], classes, found.get("validation"), found.get("test"), tuple(skipped)
    )


def _cells(split: Any, image: str) -> Any:
    """A split's images as the files they are."""
    import datasets  # an extra

    files = split.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    return (row[image] for row in files)


def _pixels(cell: Mapping[str, Any] | None, resolution: int) -> NDArray[np.uint8] | None:
    if cell is None:
        return None
    content, path = cell["bytes"], cell["path"]
    return decode(Path(path) if content is None else io.BytesIO(content), resolution)
