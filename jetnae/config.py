"""Strict configuration: mappings from TOML or JSON to frozen dataclasses; an unknown key is an error."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from jetnae.errors import InputError

T = TypeVar("T")


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; raises `InputError` when it is missing or not TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML ({error})") from error


def parse(kind: type[T], data: Any, where: str) -> T:
    """Make the dataclass `kind` from a mapping.

    Raises `InputError` naming `where` and the key: unknown (with the known ones), missing, or of the wrong type.
    """
    _reject_unknown(kind, data, where)
    try:
        return pydantic.TypeAdapter(kind).validate_python(data)
    except pydantic.ValidationError as error:
        errors = error.errors(include_url=False)
        missing = [_key(each["loc"]) for each in errors if each["type"] == "missing"]
        if missing:
            raise InputError(f"{where}: missing {', '.join(missing)}") from error
        first = errors[0]
        key = _key(first["loc"]) or "table"
        raise InputError(f"{where}: {key} = {first['input']!r}: {first['msg'].lower()}") from error
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def to_toml(data: Mapping[str, Any]) -> str:
    """A mapping of numbers, texts, lists and mappings as TOML; what is None or empty is left out."""
    return "\n".join(_table(data, ())).lstrip("\n") + "\n"


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    given = {key: value for key, value in data.items() if value is not None and value not in ((), {}, [])}
    plain = {key: value for key, value in given.items() if not isinstance(value, Mapping)}
    if path and plain:
        yield f"\n[{'.'.join(path)}]"
    for key, value in plain.items():
        yield f"{key} = {_value(value)}"
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from _table(value, (*path, key))


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, bool | int):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else json.dumps(str(value))


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _reject_unknown(kind: Any, data: Any, where: str) -> None:
    kind = next((each for each in typing.get_args(kind) if dataclasses.is_dataclass(each)), kind)  # of `X | None`
    if not (dataclasses.is_dataclass(kind) and isinstance(data, dict)):
        return
    known = [field.name for field in dataclasses.fields(kind)]
    hints = typing.get_type_hints(kind)
    for key, value in data.items():
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}', the known ones are {', '.join(known)}")
        for each in value if isinstance(value, list) else [value]:
            _reject_unknown(hints[key], each, f"{where}: {key}")
