"""Strict TOML and JSON: every key known, every value of its type, every write atomic."""

import contextlib
import dataclasses
import difflib
import hashlib
import json
import os
import tempfile
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hwnas.errors import FileFormatError, StorageError

T = TypeVar("T")

STRICT = {"extra": "forbid", "strict": True}
"""``__pydantic_config__`` of every dataclass that a file is parsed into."""


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        FileFormatError: The file cannot be read, or is not TOML; names the line.
    """
    try:
        return tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"{path} is not valid TOML: {error}.") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        FileFormatError: The file cannot be read, or is not (or no longer) whole JSON.
    """
    try:
        return json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"{path} is not valid JSON (line {error.lineno}: {error.msg}); "
            "it may be truncated: restore it, or delete it and make it again."
        ) from error


def parse(content: object, into: type[T], *, source: str) -> T:
    """Plain data as a dataclass, refusing unknown keys and wrong types.

    Args:
        content: What a TOML or JSON file held.
        into: A dataclass whose ``__pydantic_config__`` is `STRICT`.
        source: Where the content came from, for the error.

    Raises:
        FileFormatError: One sentence for the first fault: where, what was expected, what came.
    """
    # pydantic costs 0.15 s to import, and only commands that read a file need it
    from pydantic import TypeAdapter, ValidationError

    try:
        # by way of JSON, where strict mode still takes arrays for tuples
        return TypeAdapter(into).validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            message = _unknown_key(into, fault["loc"])
        elif fault["type"] in ("missing", "missing_argument"):
            message = "is required but missing"
        else:
            message = f"is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
        raise FileFormatError(f"{source}: {where} {message}.") from error


def to_plain(value: object) -> Any:
    """A dataclass as plain data that `parse` reads back."""
    return dataclasses.asdict(value)  # type: ignore[call-overload]


def write_json(path: Path, content: object, *, indent: int | None = 1) -> None:
    """Write JSON atomically; NaN is refused.

    Raises:
        StorageError: The file could not be written; an earlier one is untouched.
    """
    text = json.dumps(content, indent=indent, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; raises as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new, never a part.

    Raises:
        StorageError: The file could not be written; an earlier one is untouched.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise StorageError(
            f"{path} could not be written ({error.strerror}): free space or choose another "
            "place, then run the same command again."
        ) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not a text file (byte {error.start}).") from error


def _unknown_key(into: type, location: tuple[int | str, ...]) -> str:
    fields = _fields_at(into, location[:-1])
    near = difflib.get_close_matches(str(location[-1]), fields, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"is not a known key; {meant}known here: {', '.join(fields)}"


def _fields_at(annotation: Any, location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Field names of the dataclass found by following ``location`` into the annotation."""
    annotation = _unwrap(annotation)
    if not dataclasses.is_dataclass(annotation):
        return ()
    if not location:
        return tuple(field.name for field in dataclasses.fields(annotation))
    step, rest = location[0], location[1:]
    hints = get_type_hints(annotation)
    if step not in hints:
        return ()
    if rest and isinstance(rest[0], int):
        return _fields_at(get_args(_unwrap(hints[str(step)]))[0], rest[1:])
    return _fields_at(hints[str(step)], rest)


def _unwrap(annotation: Any) -> Any:
    """``X`` for ``X | None``; anything else as it is."""
    if get_origin(annotation) in (Union, types.UnionType):
        choices = [arg for arg in get_args(annotation) if arg is not type(None)]
        return choices[0]
    return annotation


def digest(content: Mapping[str, Any]) -> str:
    """A short fingerprint of plain data, the same for equal content in any key order."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
