"""Luminosity sections certified as good for physics, as CMS publishes them in "golden" JSON files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    Keys = npt.NDArray[np.uint64]

MAX_BYTES = 16_000_000
"""Of a golden JSON file; those of a year of data taking have 0.1 MB."""
_LIMIT = 2**32
_FORM = 'expected {"run": [[first, last], ...], ...}'


@dataclass(frozen=True, eq=False)
class LuminosityMask:
    """Certified ranges of luminosity sections, both ends included.

    first, last : (n,) the ends of disjoint ranges in rising order, each as run * 2^32 + luminosity section.
    """

    first: Keys
    last: Keys

    @classmethod
    def from_json(cls, path: str | Path) -> LuminosityMask:
        """Read a golden JSON file; ranges that overlap are joined.

        Raises `InputError` naming the run when the file is not of the form {"run": [[first, last], ...], ...}.
        """
        try:
            return cls.from_ranges(_read(Path(path)))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def from_ranges(cls, ranges: Mapping[str, Any]) -> LuminosityMask:
        """From the content of a golden JSON file; raises `InputError` as `from_json`."""
        ends = sorted(pair for run, sections in ranges.items() for pair in _ranges(run, sections))
        joined: list[tuple[int, int]] = []
        for first, last in ends:
            if joined and first <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
            else:
                joined.append((first, last))
        columns = np.array(joined, dtype=np.uint64).reshape(-1, 2)
        return cls(columns[:, 0], columns[:, 1])

    def contains(self, run: npt.NDArray[Any], lumi: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether each (run, luminosity section) is certified, shapes (n,); never for what is no 32-bit number."""
        sane = _is_section(run) & _is_section(lumi)
        keys = np.where(sane, run, 0).astype(np.uint64) * np.uint64(_LIMIT) + np.where(sane, lumi, 0).astype(np.uint64)
        if not len(self.first):
            return np.zeros(len(keys), dtype=bool)
        candidate = np.searchsorted(self.first, keys, side="right") - 1
        return sane & (candidate >= 0) & (keys <= self.last[np.maximum(candidate, 0)])


def _is_section(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((values >= 0) & (values < _LIMIT) & (values % 1 == 0))


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{error.strerror}, expected a golden JSON file") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"more than {MAX_BYTES // 1_000_000} MB, {_FORM}")
    try:
        found = json.loads(content, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON ({str(error)[:120]}), {_FORM}") from error
    if not isinstance(found, dict) or not found:
        raise InputError(f"no runs, {_FORM}")
    return found


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        repeated = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise InputError(f"run {repeated[:40]!r} stands there more than once, expected each run once")
    return unique


def _ranges(run: str, sections: Any) -> Iterator[tuple[int, int]]:
    """The ranges of one run as keys."""
    if not (run.isascii() and run.isdigit() and len(run) <= 10 and int(run) < _LIMIT):
        raise InputError(f"{run[:40]!r} is not a run number, {_FORM}")
    if not isinstance(sections, list):
        raise InputError(f"run {run}: {str(sections)[:40]!r} is not a list of ranges, {_FORM}")
    for pair in sections:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)):
            raise InputError(f"run {run}: {str(pair)[:40]!r} is not a range of two whole numbers, {_FORM}")
        if not 0 <= pair[0] <= pair[1] < _LIMIT:
            raise InputError(f"run {run}: the range {str(pair)[:60]} does not rise from 0 or later, {_FORM}")
        yield int(run) * _LIMIT + pair[0], int(run) * _LIMIT + pair[1]
