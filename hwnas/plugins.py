"""Plug-ins are files: a module in a plug-in folder is found by its file name."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from hwnas.errors import UnknownNameError


def names(package: str) -> tuple[str, ...]:
    """The plug-ins in a package, sorted; modules starting with an underscore are not plug-ins.

    Args:
        package: Dotted name of the plug-in folder, such as ``hwnas.strategies``.
    """
    # without importing the folder, which may take seconds
    root, *parts = package.split(".")
    places = importlib.import_module(root).__path__
    folders = [str(Path(place, *parts)) for place in places]
    found = (module.name for module in pkgutil.iter_modules(folders))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load(package: str, name: str, *, what: str) -> ModuleType:
    """The plug-in module of that name.

    Args:
        package: Dotted name of the plug-in folder.
        name: The plug-in's file name without ``.py``.
        what: What the plug-in is called in an error, such as ``strategy``.

    Raises:
        UnknownNameError: There is no such plug-in; the message lists the known ones.
    """
    known = names(package)
    if name not in known:
        raise UnknownNameError(what, name, known)
    return importlib.import_module(f"{package}.{name}")
