"""Strict TOML and JSON: every key known, every value of its type, every write atomic."""

import contextlib
import dataclasses
import difflib
import functools
import hashlib
import json
import os
import tempfile
import tomllib
import types
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hwnas.errors import FileFormatError, StorageError

T = TypeVar("T")

_DEEPEST = 50

STRICT = {"extra": "forbid", "strict": True}
"""``__pydantic_config__`` of every dataclass that a file is parsed into."""


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        FileFormatError: The file cannot be read, or is not TOML; names the line.
    """
    try:
        content = tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # also for numbers and nests beyond all bounds
        raise FileFormatError(f"{path} is not valid TOML: {error}.") from error
    if _is_deep(content):
        raise FileFormatError(f"{path} nests more than {_DEEPEST} tables, which nothing here does.")
    return content


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        FileFormatError: The file cannot be read, or is not (or no longer) whole JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"{path} is not valid JSON (line {error.lineno}: {error.msg}); "
            "it may be truncated: restore it, or delete it and make it again."
        ) from error
    except (ValueError, RecursionError) as error:  # numbers and nests beyond all bounds
        raise FileFormatError(f"{path} is not JSON that can be read: {error}.") from error


def read_text(path: Path) -> str:
    """The content of a UTF-8 file; FileFormatError when it cannot be read or is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not a text file (byte {error.start}).") from error


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
    from pydantic import ValidationError

    try:
        # by way of JSON, where strict mode still takes arrays for tuples
        parser = _parser(into)  # type: ignore[arg-type]  # classes are hashable
        parsed: T = parser.validate_json(json.dumps(content, default=str))
        return parsed
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


@functools.cache
def _parser(into: type) -> Any:
    from pydantic import TypeAdapter  # as in `parse`

    return TypeAdapter(into)


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


def write_lines(path: Path, content: Mapping[str, Any], *, listed: Collection[str]) -> None:
    """Write JSON atomically that people can read and compare: a line for each key.

    Args:
        path: Where to.
        content: By key; values may be dataclasses, whose fields at their default are left out.
        listed: Keys of sequences whose entries get a line each.

    Raises:
        StorageError: The file could not be written; an earlier one is untouched.
    """
    lines = []
    for key, value in content.items():
        if key in listed and value:
            entries = ",\n  ".join(_compact(entry) for entry in value)
            lines.append(f'"{key}": [\n  {entries}\n]')
        else:
            lines.append(f'"{key}": {_compact(value)}')
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


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


def _is_deep(content: object) -> bool:
    """Whether tables and arrays are nested deeper than functions that follow them may recurse."""
    level = [content]
    for _ in range(_DEEPEST):
        tables = [value for value in level if isinstance(value, dict)]
        arrays = [value for value in level if isinstance(value, list)]
        level = [inner for table in tables for inner in table.values()]
        level += [inner for array in arrays for inner in array]
    return bool(level)


def _compact(value: object) -> str:
    return json.dumps(_without_defaults(value), separators=(",", ":"), allow_nan=False)


def _without_defaults(value: object) -> Any:
    if isinstance(value, tuple):
        return [_without_defaults(entry) for entry in value]
    if not dataclasses.is_dataclass(value):
        return value
    items = ((item, getattr(value, item.name)) for item in dataclasses.fields(value))
    return {
        item.name: _without_defaults(content) for item, content in items if content != item.default
    }


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
