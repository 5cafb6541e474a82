"""All that determines scores, to tell whether two runs are the same; and what a limit on memory means for a chunk."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetnae.errors import InputError

if TYPE_CHECKING:
    from jetnae.checkpoint import Checkpoint
    from jetnae.decorrelation import Decorrelation
    from jetnae.folds import FoldedCheckpoint
    from jetnae.io import ReadOptions

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}
BASE_BYTES = 700_000_000
"""What a worker takes without any data: torch, numba with its compiler, the model."""
BYTES_PER_BYTE = 10
"""At most taken for each uncompressed byte of a chunk: columns, jets, inputs, and the scores of a range.

Baskets, row groups and HDF5 chunks are read whole: where these are larger than a chunk, they count instead."""
LEAST_CHUNK = 1_000_000


def settings_of(
    checkpoint: Checkpoint | FoldedCheckpoint, options: ReadOptions, engine: str, decorrelation: Decorrelation | None
) -> dict[str, Any]:
    """What determines scores, as JSON holds it; files by their content."""
    header = checkpoint.header
    return {
        "model": header.name,
        "model_sha256": header.sha256,
        "engine": engine,
        "layout": _content(options.layout),
        "collection": options.collection,
        "keep": list(options.keep),
        "select": list(options.selection.cuts),
        "golden_json": _content(options.selection.golden_json),
        "normalization": None if options.normalization is None else asdict(options.normalization),
        "radius": options.radius,
        "min_jet_pt": options.min_pt,
        "soft_drop": options.soft_drop,
        "decorrelation": None if decorrelation is None else _digest(repr(_arrays(decorrelation)).encode()),
        "chunk_size": options.chunk_size,
        "chunk_bytes": options.chunk_bytes,
    }


def _arrays(decorrelation: Decorrelation) -> list[Any]:
    found = decorrelation.quantile_map
    arrays = [found.location, found.width, found.shape, found.levels, *found.nodes]
    return [decorrelation.model_sha256, found.columns, *(array.tobytes() for array in arrays)]


def is_file(name: str | Path) -> bool:
    """Whether there is a file of this name; false for names that the system refuses."""
    return os.path.exists(name) and not os.path.isdir(name)


def _content(name: str | Path | None) -> str | None:
    """A name, or the hash of a file of this name."""
    if name is None or not is_file(name):
        return None if name is None else str(name)
    return _digest(Path(name).read_bytes())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def chunk_bytes(memory_limit: str) -> int:
    """The uncompressed size of a chunk with which a worker stays below a limit such as `2GB`.

    Raises `InputError` for what is no size, or too small for any chunk.
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([KMG]?I?)B?", memory_limit.strip().upper())
    if found is None or found[2] not in UNITS:
        raise InputError(f"memory limit '{memory_limit}', expected a size such as 2GB or 1500MB")
    size = (float(found[1]) * UNITS[found[2]] - BASE_BYTES) / BYTES_PER_BYTE
    if size < LEAST_CHUNK:
        least = (BASE_BYTES + LEAST_CHUNK * BYTES_PER_BYTE) / 10**6
        raise InputError(f"memory limit '{memory_limit}': a worker needs at least {least:.0f} MB")
    return int(size)
