"""Part files: the scores of a range of rows until the whole file is merged. Arrays and a JSON header, safe to load."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from jetnae.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Columns = dict[str, Any]
    Chunk = tuple[Columns, Any, Columns]

COUNTS, JETS, EVENTS, LENGTHS = "counts", "jets/", "events/", "lengths/"
ORDER = "order"


def write_part(path: Path, chunks: Sequence[Chunk]) -> tuple[str, int]:
    """Write chunks, as they go to a score file, atomically into one part; its hash and size."""
    jets, counts, events = ([chunk[i] for chunk in chunks] for i in range(3))
    arrays = {COUNTS: np.concatenate([np.asarray(each, dtype=np.int64) for each in counts])}
    for name in jets[0]:
        arrays[f"{JETS}{name}"] = np.concatenate([np.asarray(each[name]) for each in jets])
    for name in events[0]:
        arrays |= _stored(name, [each[name] for each in events])
    order = json.dumps(list(arrays))
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata={ORDER: order})
    write_bytes(path, data, force=True)
    return hashlib.sha256(data).hexdigest(), len(data)


def _stored(name: str, columns: list[Any]) -> dict[str, Any]:
    """A column of events as arrays: as it is, or lists of numbers as the numbers and the lengths of their lists."""
    if all(isinstance(column, np.ndarray) for column in columns):
        return {f"{EVENTS}{name}": np.concatenate(columns)}
    joined = ak.concatenate([ak.Array(column) for column in columns])
    lengths = ak.to_numpy(ak.num(joined, axis=1)).astype(np.int64)
    return {f"{EVENTS}{name}": ak.to_numpy(ak.flatten(joined, axis=1)), f"{LENGTHS}{name}": lengths}


def read_part(path: Path, sha256: str) -> Chunk | None:
    """The columns of a part; None where it is not there, or is not what was written."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        arrays = load(data)
        (length,) = np.frombuffer(data[:8], dtype="<u8")
        order = json.loads(json.loads(data[8 : 8 + int(length)])["__metadata__"][ORDER])
    except (OSError, SafetensorError, ValueError, KeyError):
        return None
    jets = {name.removeprefix(JETS): arrays[name] for name in order if name.startswith(JETS)}
    events = {}
    for name in (each.removeprefix(EVENTS) for each in order if each.startswith(EVENTS)):
        values, lengths = arrays[f"{EVENTS}{name}"], arrays.get(f"{LENGTHS}{name}")
        events[name] = values if lengths is None else ak.unflatten(values, lengths)
    return jets, arrays[COUNTS], events
