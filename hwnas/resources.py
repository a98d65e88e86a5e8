"""Where device files and latency tables are found: the user's working folder, then the package."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folders(kind: str) -> tuple[Path, ...]:
    """Folders that hold files of one kind, the user's first; not all need exist.

    Args:
        kind: ``devices`` or ``latency_tables``.
    """
    # in a wheel they lie inside the package, in a checkout beside it
    inside, beside = _PACKAGE / "shipped" / kind, _PACKAGE.parent / kind
    shipped = inside if inside.is_dir() else beside
    return (Path.cwd() / kind, shipped)


def find(kind: str, name: str) -> Path | None:
    """The first existing file of that name, given relative to the folder; None if there is none."""
    for folder in folders(kind):
        path = folder / name
        if path.is_file():
            return path
    return None


def available(kind: str, pattern: str) -> dict[str, Path]:
    """Files matching a glob pattern, by their path within the folder; the user's win."""
    found: dict[str, Path] = {}
    for folder in reversed(folders(kind)):
        found.update({str(path.relative_to(folder)): path for path in sorted(folder.glob(pattern))})
    return found
