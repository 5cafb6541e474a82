"""Checkpoints come back as they were, and whatever was done to them in between is found."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from jetnae.checkpoint import FORMAT_VERSION, bundled_models, load_checkpoint, load_model, save_checkpoint
from jetnae.errors import InputError


def split(data: bytes) -> tuple[dict[str, object], bytes]:
    """Header and tensors of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header: dict[str, object], tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def edited(path: Path, target: Path, **changes: object) -> Path:
    """A copy with entries of the jetnae header replaced."""
    header, tensors = split(path.read_bytes())
    content = json.loads(header["__metadata__"]["jetnae"]) | changes  # type: ignore[index]
    header["__metadata__"] = {"jetnae": json.dumps(content)}
    target.write_bytes(join(header, tensors))
    return target


def test_round_trip(small_checkpoint: Path, tmp_path: Path) -> None:
    first = load_checkpoint(small_checkpoint)
    header = save_checkpoint(tmp_path / "again.safetensors", first.model, first.header)
    second = load_checkpoint(tmp_path / "again.safetensors")
    assert header == second.header == first.header
    x = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first.model.score(x), second.model.score(x))


def test_one_changed_byte_of_the_weights_is_found(small_checkpoint: Path, tmp_path: Path) -> None:
    data = bytearray(small_checkpoint.read_bytes())
    data[-5] ^= 1
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(data)
    with pytest.raises(InputError, match="does not match its hash"):
        load_checkpoint(changed)


def test_a_changed_header_is_found(small_checkpoint: Path, tmp_path: Path) -> None:
    validity = {"pt": [0.0, 1e4], "abs_eta": 5.0, "radius": 0.8}
    with pytest.raises(InputError, match="does not match its hash"):
        load_checkpoint(edited(small_checkpoint, tmp_path / "changed.safetensors", validity=validity))


def test_a_newer_format_asks_for_an_update(small_checkpoint: Path, tmp_path: Path) -> None:
    newer = edited(small_checkpoint, tmp_path / "newer.safetensors", format_version=FORMAT_VERSION + 1)
    with pytest.raises(InputError, match="update jetnae"):
        load_checkpoint(newer)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_checkpoint_is_an_input_error(share: float, small_checkpoint: Path, tmp_path: Path) -> None:
    data = small_checkpoint.read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(cut)


def test_a_file_of_another_kind_is_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a jetnae checkpoint"):
        load_checkpoint(edited(small_checkpoint, tmp_path / "other.safetensors", kind="scores"))
    header, tensors = split(small_checkpoint.read_bytes())
    del header["__metadata__"]
    (tmp_path / "bare.safetensors").write_bytes(join(header, tensors))
    with pytest.raises(InputError, match="without a jetnae header"):
        load_checkpoint(tmp_path / "bare.safetensors")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(path)


def test_weights_of_another_network_are_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(small_checkpoint)
    header = loaded.header
    other = type(header)(**{**vars(header), "config": {"network": {"channels": [5, 4, 4], "hidden": 16}}})
    save_checkpoint(tmp_path / "odd.safetensors", loaded.model, other)
    with pytest.raises(InputError, match="do not fit the model"):
        load_checkpoint(tmp_path / "odd.safetensors")


def test_weights_that_are_not_finite_are_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(small_checkpoint)
    with torch.no_grad():
        next(loaded.model.parameters()).fill_(float("nan"))
    save_checkpoint(tmp_path / "nan.safetensors", loaded.model, loaded.header)
    with pytest.raises(InputError, match="not finite"):
        load_checkpoint(tmp_path / "nan.safetensors")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.int8])
def test_weights_of_another_type_are_refused(dtype: torch.dtype, small_checkpoint: Path, tmp_path: Path) -> None:
    with safe_open(small_checkpoint, framework="pt") as file:
        metadata = file.metadata()
    tensors = {key: value.to(dtype) for key, value in load_file(small_checkpoint).items()}
    save_file(tensors, tmp_path / "other.safetensors", metadata)
    with pytest.raises(InputError, match="not finite 32-bit numbers"):
        load_checkpoint(tmp_path / "other.safetensors")


def test_an_unknown_model_lists_the_bundled_ones() -> None:
    with pytest.raises(InputError, match=next(iter(bundled_models()))):
        load_model("no-such-model")
