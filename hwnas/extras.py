"""Packages that only some users need: installed as extras, asked for where they are used."""

import importlib.util

from hwnas.errors import ExtraMissingError


def require(package: str, *, extra: str, purpose: str) -> None:
    """Make sure of a package before it is imported, at the place that needs it.

    Args:
        package: Its import name.
        extra: Of hwnas, that brings it.
        purpose: What needs it, for the error.

    Raises:
        ExtraMissingError: It is not installed; says how to install it.
    """
    if not installed(package):
        distribution = package.replace("_", "-")
        raise ExtraMissingError(
            f"{purpose[:1].upper()}{purpose[1:]} needs {distribution}, which is not installed; "
            f"install it with: pip install 'hwnas[{extra}]'."
        )


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None
