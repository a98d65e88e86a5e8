"""Search spaces: one file for each family, one TOML file for each preset."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from hwnas import files, plugins
from hwnas.errors import FileFormatError, UnknownNameError
from hwnas.protocols import SearchSpace


def preset_names() -> tuple[str, ...]:
    """Names of the spaces that ship with hwnas."""
    folder = resources.files(__name__) / "presets"
    return tuple(sorted(Path(file.name).stem for file in folder.iterdir()))


def load_space(source: str | Path, **changes: Any) -> SearchSpace:
    """A search space, by the name of a preset or from a TOML file.

    Args:
        source: Such as ``ofa_mbv3_w1.0`` or ``my_space.toml``.
        changes: Top-level keys to replace, such as ``classes=10`` or ``in_channels=1``.

    Raises:
        UnknownNameError: Neither a preset nor an existing file.
        FileFormatError: The file does not describe a space.
    """
    name = str(source)
    if name in preset_names():
        with resources.as_file(resources.files(__name__) / "presets" / f"{name}.toml") as path:
            content = files.read_toml(path)
        return from_definition({"name": name, **content, **changes}, source=f"preset {name}")
    path = Path(source)
    if path.suffix != ".toml" and not path.is_file():
        raise UnknownNameError(
            "search space", name, preset_names(), hint="Or give the path of a TOML file."
        )
    content = files.read_toml(path)
    return from_definition({"name": path.stem, **content, **changes}, source=str(path))


def from_definition(definition: Mapping[str, Any], *, source: str) -> SearchSpace:
    """A search space from plain data, as `SearchSpace.definition` gives it.

    Args:
        definition: Names its family; the rest is the family's to read.
        source: Where it came from, for errors.
    """
    content = dict(definition)
    family = content.pop("family", None)
    if not isinstance(family, str):
        raise FileFormatError(
            f"{source}: family is missing; expected one of {', '.join(plugins.names(__name__))}."
        )
    space: SearchSpace = plugins.load(__name__, family, what="space family").create(content, source)
    return space
