"""Quantile maps in files: arrays and a JSON header, safe to load."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jetnae.config import parse
from jetnae.decorrelation.quantile_map import TAIL, NormalScale, QuantileMap
from jetnae.errors import InputError
from jetnae.files import write_bytes

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[np.float64]]

FORMAT_VERSION = 1
KIND = "decorrelation"
KEY = "jetnae"
SUFFIX = ".decorrelation.safetensors"
LARGEST = 64 * 1024**2
"""Bytes of the largest file that is read: no map comes near it."""


@dataclass(frozen=True)
class Header:
    """What a map says about itself, stored as JSON beside the arrays."""

    format_version: int
    kind: str
    columns: tuple[str, ...]
    model: str
    model_sha256: str
    n_jets: int
    provenance: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Decorrelation:
    """A quantile map with the model whose scores it was fitted on.

    model_sha256 : of that model; scores of another one have another distribution. n_jets : background jets of the fit.
    """

    quantile_map: QuantileMap
    model: str
    model_sha256: str
    n_jets: int
    provenance: dict[str, str] = field(default_factory=dict)


def save_decorrelation(path: Path, decorrelation: Decorrelation, *, force: bool = False) -> None:
    """Write a map atomically; raises `InputError` when the file exists and `force` is not set."""
    found = decorrelation.quantile_map
    header = Header(
        format_version=FORMAT_VERSION,
        kind=KIND,
        columns=found.columns,
        model=decorrelation.model,
        model_sha256=decorrelation.model_sha256,
        n_jets=decorrelation.n_jets,
        provenance=decorrelation.provenance,
    )
    arrays: dict[str, Any] = {name: getattr(found, name) for name in ("location", "width", "shape", "levels")}
    for name, scale in (("score", found.score_scale), *((str(i), scale) for i, scale in enumerate(found.scales))):
        arrays |= {f"values_{name}": scale.values, f"normal_{name}": scale.normal}
    arrays |= {f"nodes_{i}": nodes for i, nodes in enumerate(found.nodes)}
    data = {name: np.ascontiguousarray(array, dtype=np.float64) for name, array in arrays.items()}
    write_bytes(path, save(data, metadata={KEY: json.dumps(asdict(header), sort_keys=True)}), force=force)


def load_decorrelation(path: Path) -> Decorrelation:
    """Read a map without ever unpickling.

    Raises `InputError` when the file is none, of a newer format, or holds arrays that do not fit together.
    """
    content, arrays = _read(path)
    version = content.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(
            f"{path}: decorrelation format {version!r}, this version of jetnae knows up to {FORMAT_VERSION}: update "
            "jetnae"
        )
    header = parse(Header, content, str(path))
    problem = _problem(header, arrays)
    if problem:
        raise InputError(f"{path}: {problem}, the decorrelation is damaged: fit it again with `jetnae sculpt`")
    keys = [str(i) for i in range(len(header.columns))]
    scales = {name: NormalScale(arrays[f"values_{name}"], arrays[f"normal_{name}"]) for name in (*keys, "score")}
    found = QuantileMap(
        columns=header.columns,
        scales=tuple(scales[name] for name in keys),
        score_scale=scales["score"],
        nodes=tuple(arrays[f"nodes_{name}"] for name in keys),
        **{name: arrays[name] for name in ("location", "width", "shape", "levels")},
    )
    return Decorrelation(found, header.model, header.model_sha256, header.n_jets, header.provenance)


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: larger than {LARGEST} bytes, expected a decorrelation made by `jetnae sculpt`")
        with safe_open(path, framework="np") as file:
            content = json.loads((file.metadata() or {})[KEY])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not a decorrelation made by `jetnae sculpt`, or a damaged one") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        found = content.get("kind") if isinstance(content, dict) else None
        raise InputError(f"{path}: holds a {found}, expected a decorrelation made by `jetnae sculpt`")
    return content, arrays


def _problem(header: Header, arrays: Arrays) -> str:
    """What is wrong with the arrays, empty where they fit together."""
    keys = [str(i) for i in range(len(header.columns))]
    tables = [f"{kind}_{name}" for kind in ("values", "normal") for name in (*keys, "score")]
    rising = [*tables, *(f"nodes_{name}" for name in keys), "levels"]
    expected = {*rising, "location", "width", "shape"}
    if not 1 <= len(keys) <= 2 or set(arrays) != expected:
        return f"arrays {sorted(set(arrays) ^ expected)} are missing or unknown"
    if any(array.dtype != np.float64 or not np.isfinite(array).all() for array in arrays.values()):
        return "arrays are not finite 64-bit numbers"
    for name in rising:
        if arrays[name].ndim != 1 or len(arrays[name]) < 2 or not (np.diff(arrays[name]) > 0).all():
            return f"{name} does not rise"
    size = tuple(len(arrays[f"nodes_{name}"]) for name in keys)
    shapes = {"location": size, "width": size, "shape": (*size, len(arrays["levels"]))}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            return f"{name} has the shape {arrays[name].shape}, expected {shape}"
    odd_tables = any(len(arrays[f"values_{name}"]) != len(arrays[f"normal_{name}"]) for name in (*keys, "score"))
    falls = (arrays["width"] <= 0).any() or (np.diff(arrays["shape"], axis=-1) < 0).any()
    return "tables do not fit together" if odd_tables or falls or len(arrays["levels"]) <= TAIL else ""
