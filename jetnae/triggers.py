"""Decisions of existing triggers from the files that were scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.crossings import decisions_of
from jetnae.errors import InputError
from jetnae.io import open_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from jetnae.crossings import Crossings

    Mask = npt.NDArray[np.bool_]

CHUNK = 100_000


def read_decisions(paths: Sequence[Path], patterns: Sequence[str], sample: Crossings) -> dict[str, Mask]:
    """Decisions of triggers, (n_crossings,) each, for the crossings of score files, from the files that were scored.

    paths : those files, in any order. patterns : of names, as HLT_*. Raises `InputError` where a file was not scored
    or is missing, has another number of events, or no such columns.
    """
    parts: dict[str, Mapping[str, Mask]] = {}
    for path in paths:
        with open_source(path) as source:
            if source.identity not in sample.inputs:
                scored = ", ".join(sample.names)
                raise InputError(f"{path}: none of {scored} holds its scores, expected the files that were scored")
            parts[source.identity] = _read(source, path, patterns)
    counts = np.bincount(sample.file, minlength=len(sample.names))
    for key, n_events in zip(sample.inputs, counts, strict=True):
        if key not in parts:
            raise InputError(f"no file with the triggers of {sample.inputs[key]}: give the one that was scored, too")
        for name, decision in parts[key].items():
            if len(decision) != n_events:
                raise InputError(
                    f"'{name}' has {len(decision)} entries for the {n_events} events of {sample.inputs[key]}"
                )
    first, *others = (parts[key] for key in sample.inputs)
    shared = [name for name in first if all(name in other for other in others)]
    return {name: np.concatenate([parts[key][name] for key in sample.inputs]) for name in shared}


def _read(source: Any, path: Path, patterns: Sequence[str]) -> dict[str, Mask]:
    for tree in source.trees:
        empty = dict.fromkeys(source.columns(tree), np.zeros(0, dtype=bool))
        names = [name for name in decisions_of(empty, patterns) if source.is_numeric(tree, name)]
        if names:
            chunks = [data for _, _, data in source.chunks(tree, names, CHUNK)]
            return decisions_of({name: np.concatenate([data[name] for data in chunks]) for name in names}, patterns)
    raise InputError(f"{path}: no columns {', '.join(patterns)}: `jetnae inspect {path.name} --columns` lists them")
