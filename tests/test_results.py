"""A result read back is the result that was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from jetnae.errors import InputError
from jetnae.results import from_json, to_json


@dataclass(frozen=True)
class Inner:
    value: float
    name: str


@dataclass(frozen=True)
class SomeResult:
    """One field of each type a result may have."""

    FORMAT_VERSION: ClassVar[int] = 2

    number: int
    limit: float
    missing: float | None
    flags: npt.NDArray[np.bool_]
    values: npt.NDArray[np.floating[Any]]
    window: tuple[int, int]
    parts: tuple[Inner, ...]
    named: Mapping[str, float]


RESULT = SomeResult(
    number=3,
    limit=np.inf,
    missing=None,
    flags=np.array([True, False]),
    values=np.array([[1 / 3, np.nan], [-np.inf, 1e-300]]),
    window=(1, 4),
    parts=(Inner(0.1, "a"), Inner(-2.0, "b")),
    named={"x": 1.0},
)
CONTENT = to_json(RESULT)


def test_what_comes_back_is_what_was_written_to_the_last_bit() -> None:
    text = json.dumps(CONTENT, allow_nan=False)
    found = from_json(SomeResult, json.loads(text))
    assert CONTENT["kind"] == "some_result"
    assert CONTENT["format_version"] == 2
    np.testing.assert_array_equal(found.values, RESULT.values)
    assert found.values.dtype == np.float64
    assert found.flags.dtype == np.bool_
    assert (found.window, found.parts, found.named, found.limit) == ((1, 4), RESULT.parts, {"x": 1.0}, np.inf)
    assert found.missing is None
    assert to_json(found) == CONTENT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "other"}, "expected 'some_result'"),
        ({"format_version": 3}, "update jetnae"),
        ({"format_version": None}, "update jetnae"),
        ({"extra": 1}, "extra"),
        ({"number": "3"}, "number"),
        ({"number": True}, "number"),
        ({"missing": "soon"}, "missing"),
        ({"values": [[1.0], "x"]}, "values"),
        ({"window": [1, 2, 3]}, "window"),
        ({"parts": [{"value": 1.0}]}, r"parts\[0\]"),
        ({"named": [1.0]}, "named"),
    ],
)
def test_what_is_not_the_result_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_json(SomeResult, CONTENT | change)
    with pytest.raises(InputError, match="list"):
        from_json(SomeResult, [1])


def test_what_json_cannot_hold_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError, match="complex"):
        to_json(Inner(1j, "a"))  # type: ignore[arg-type]
