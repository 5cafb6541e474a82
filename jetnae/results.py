"""Results as JSON and back, so that every figure can be redrawn from a small file."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Result = TypeVar("Result", bound=DataclassInstance)

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""What JSON has no numbers for, by the names they are written under."""


def to_json(result: DataclassInstance) -> dict[str, Any]:
    """A result as a dictionary of what JSON knows, with its `kind` (the class in snake case) and `format_version`.

    result : dataclass of numbers, texts, None (not computed), tuples, mappings from texts, numpy arrays and further
    dataclasses. A class of a later format says so in `FORMAT_VERSION: ClassVar[int]`; without it the format is 1. What
    a format has added, with its value in files of earlier ones, stands under its number in `ADDED: ClassVar`.
    """
    kind = type(result)
    return {"kind": _kind(kind), "format_version": _version(kind), **_encode(result)}


def from_json(cls: type[Result], content: Any) -> Result:
    """The result of class `cls` that `to_json` made `content` of.

    The types of its fields must be known when the program runs, so their module imports them outside TYPE_CHECKING.
    Raises `InputError` for another kind, a newer format, and fields that are missing, unknown or of another type.
    """
    kind, known = _kind(cls), _version(cls)
    if not isinstance(content, dict) or content.get("kind") != kind:
        found = content.get("kind") if isinstance(content, dict) else type(content).__name__
        raise InputError(f"a result of kind {found!r}, expected {kind!r}: give the file that holds it")
    version = content.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= known:
        raise InputError(f"{kind}: format {version!r}, this version knows 1 to {known}: update jetnae")
    added = [values for since, values in getattr(cls, "ADDED", {}).items() if since > version]
    given = {name: value for each in (*added, content) for name, value in each.items()}
    inner = {name: value for name, value in given.items() if name not in {"kind", "format_version"}}
    decoded: Result = _decode(cls, inner, kind)
    return decoded


def _kind(cls: type) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def _version(cls: type) -> int:
    return int(getattr(cls, "FORMAT_VERSION", 1))


def _encode(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (np.ndarray, np.generic)):
        return _encode(value.tolist())
    if isinstance(value, (tuple, list)):
        return [_encode(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _encode(each) for name, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a result holds {type(value).__name__}, which has no form in JSON")


def _decode(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`; `where` names it in messages."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _CONTAINERS:
        return _CONTAINERS[origin](arguments, value, where)
    if is_dataclass(hint):
        return _decode_dataclass(hint, value, where)
    if hint is float:
        return _decode_float(value, where)
    return value if hint is Any else _expect(value, hint, where)


def _decode_dataclass(cls: Any, value: Any, where: str) -> Any:
    hints = get_type_hints(cls)
    expected, found = {field.name for field in fields(cls)}, set(_expect(value, dict, where))
    if expected != found:
        raise InputError(f"{where}: fields {sorted(found ^ expected)} are missing or unknown: write the result again")
    return cls(**{name: _decode(hints[name], each, f"{where}.{name}") for name, each in value.items()})


def _decode_optional(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    inner = [hint for hint in hints if hint is not type(None)]
    if len(inner) != 1:
        raise TypeError(f"{where}: a field is of one type or None")
    return None if value is None else _decode(inner[0], value, where)


def _decode_array(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    kind = get_args(arguments[1])[0]
    kind = get_origin(kind) or kind
    concrete = {np.floating: np.float64, np.integer: np.int64}.get(kind, kind)
    try:
        return np.array(_numbers(_expect(value, list, where)), dtype=concrete)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: expected an array of {concrete.__name__}: write the result again") from error


def _numbers(value: Any) -> Any:
    return [_numbers(each) for each in value] if isinstance(value, list) else NOT_FINITE.get(value, value)


def _decode_tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    values = _expect(value, list, where)
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = hints[:1] * len(values)
    if len(hints) != len(values):
        raise InputError(f"{where}: {len(values)} values, expected {len(hints)}: write the result again")
    return tuple(_decode(hint, each, f"{where}[{i}]") for i, (hint, each) in enumerate(zip(hints, values, strict=True)))


def _decode_mapping(hints: tuple[Any, ...], value: Any, where: str) -> dict[str, Any]:
    items = _expect(value, dict, where).items()
    return {name: _decode(hints[1], each, f"{where}.{name}") for name, each in items}


def _decode_float(value: Any, where: str) -> float:
    if isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{where}: {value!r}, expected a number: write the result again")
    return float(value)


def _expect(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}: {value!r:.60}, expected {kind.__name__}: write the result again")
    return value


_CONTAINERS = {
    Union: _decode_optional,
    types.UnionType: _decode_optional,
    np.ndarray: _decode_array,
    tuple: _decode_tuple,
    dict: _decode_mapping,
    Mapping: _decode_mapping,
}
