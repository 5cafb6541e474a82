"""Writing files so that nothing half-written is ever left and nothing is overwritten silently."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jetnae.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_path(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary name beside `path` to write to, which becomes `path` when the block ends without an error.

    Raises `InputError` when `path` exists and `force` is not set, and `OutputError` for whatever the system says
    against writing.
    """
    refuse_existing(path, force=force)
    new_folders = [folder for folder in (path.parent, *path.parent.parents) if not os.path.exists(folder)]
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
        new_folders = []
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}), nothing was kept") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        for folder in new_folders:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def atomic_folder(path: Path, marker: str, *, force: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` to fill, which becomes `path` when the block ends without an error.

    marker : a file that every such folder holds. With `force` a folder that holds it, or nothing, is replaced; another
    never is. Raises `InputError` when `path` exists and may not be replaced, and `OutputError` as `atomic_path`.
    """
    refuse_existing(path, force=force)
    if os.path.exists(path) and not _replaceable(path, marker):
        raise InputError(f"{path}: exists and holds no {marker}, --force does not replace it: choose another folder")
    new_folders = [folder for folder in path.parents if not os.path.exists(folder)]
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
        filled = temporary / "filled"
        filled.mkdir()
        yield filled
        _take_place(filled, path, temporary / "replaced")
        new_folders = []
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}), nothing was kept") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for folder in new_folders:
            with suppress(OSError):
                folder.rmdir()


def _take_place(filled: Path, path: Path, replaced: Path) -> None:
    """Move a folder to where another may be, which is moved away, and back where that fails."""
    there = os.path.exists(path)
    if there:
        path.rename(replaced)
    try:
        filled.rename(path)
    except OSError:
        if there:
            replaced.rename(path)
        raise


def _replaceable(path: Path, marker: str) -> bool:
    return path.is_dir() and (os.path.exists(path / marker) or not any(path.iterdir()))


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise `InputError` when `path` exists and `force` is not set."""
    if os.path.exists(path) and not force:  # unlike Path.exists, never raises
        raise InputError(f"{path}: exists already, use --force to replace it or choose another output")


def write_bytes(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write a whole file at once, atomically; raises `InputError` as `atomic_path`."""
    with atomic_path(path, force=force) as temporary:
        temporary.write_bytes(data)
