"""Tables that pandas wrote, by the names of their columns: which constituents and which label they hold."""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin  # noqa: F401  registers the blosc filter with h5py

from jetnae.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MOMENTUM = {"energy": "E", "px": "PX", "py": "PY", "pz": "PZ"}
"""Our names, and the columns NAME_0, NAME_1, ... of the constituents."""
MAX_BYTES = 1 << 20

Block = tuple[str, list[str]]


def column_names(path: Path, key: str = "table") -> list[Block]:
    """The blocks of a table and the names of their columns: the type of the numbers (`f`, `i`, ...), and the names.

    pandas keeps the names in pickles. Those are not loaded: their text is read, which runs nothing. Raises `InputError`
    where the file holds no such table.
    """
    try:
        with h5py.File(path, "r") as file:
            table = file[key]["table"]
            blocks = [name for name in table.dtype.names if name.startswith("values_block_")]
            return [_names(table.dtype[name], table.attrs[f"{name}_kind"]) for name in blocks]
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: expected a table of pandas with the key '{key}' that names its columns") from error


def toml_layout(path: Path, label: str) -> str:
    """A layout, as TOML, for a table with constituents E_0, PX_0, PY_0, PZ_0, ... in any order, and a label.

    Raises `InputError` where these columns are not there, not as many of each, or not at equal distances.
    """
    blocks = column_names(path)
    floats = max((names for kind, names in blocks if kind == "f"), key=len, default=[])
    integers = max((names for kind, names in blocks if kind in "iu"), key=len, default=[])
    found = {"floats": floats, "integers": integers}
    where = next((f"{block}@{names.index(label)}" for block, names in found.items() if label in names), None)
    if where is None:
        raise InputError(f"{path}: no column '{label}' among {len(floats) + len(integers)}, expected the label there")
    counts = {sum(each.rpartition("_")[0] == name for each in floats) for name in MOMENTUM.values()}
    slices = {ours: _slice(floats, name) for ours, name in MOMENTUM.items()}
    if len(counts) > 1 or not all(slices.values()):
        raise InputError(
            f"{path}: found columns {', '.join(floats[:6])}, ..., expected E_0, PX_0, PY_0, PZ_0, E_1, ..., as many of "
            "each at equal distances: describe the file in TOML and give it with --layout"
        )
    momenta = "\n".join(f'{ours} = "floats@{each}"' for ours, each in slices.items())
    return (
        'name = "constituents"\ntree = "*"\n[[collections]]\nname = "jet"\nlink = "padded"\n'
        f'[collections.constituents]\n{momenta}\n[collections.label]\nname = "{where}"\nrequired = true\n'
    )


def _names(dtype: Any, stored: Any) -> Block:
    """The texts in a pickle, in their order, one for each column of a block."""
    data = bytes(stored)
    if len(data) > MAX_BYTES:
        raise ValueError(f"names of {len(data)} bytes")
    names = [str(text) for code, text, _ in pickletools.genops(data) if code.name.endswith(("STRING", "UNICODE"))]
    if dtype.shape != (len(names),):
        raise ValueError(f"{len(names)} names for columns {dtype.shape}")
    return dtype.base.kind, names


def _slice(names: list[str], name: str) -> str:
    """Where NAME_0, NAME_1, ... are, as first position, end and step; "" where they are not all there, or irregular."""
    numbers = {each: i for i, each in enumerate(names) if each.rpartition("_")[0] == name}
    at = [numbers.get(f"{name}_{number}", -1) for number in range(len(numbers))]
    step = at[1] - at[0] if len(at) > 1 else 1
    if not at or -1 in at or step < 1 or at != list(range(at[0], at[0] + step * len(at), step)):
        return ""
    return f"{at[0]}:{at[-1] + 1}:{step}"
