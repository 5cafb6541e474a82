"""Files on other machines: read where they are, through fsspec, where its plug-in for their protocol is installed."""

from __future__ import annotations

import hashlib
from pathlib import Path, PosixPath
from typing import Any

from jetnae.errors import InputError, MissingExtraError

PLUGINS = {
    "root": "fsspec-xrootd",
    "http": "'jetnae[remote]'",
    "https": "'jetnae[remote]'",
    "s3": "s3fs",
    "gs": "gcsfs",
}
"""Protocols, and what to install for them."""
MARKS = ("ETag", "LastModified", "Last-Modified", "mtime", "updated")
"""What servers say of the state of a file; none of them says all."""


class RemotePath(PosixPath):
    """A file on another machine: a path as others, whose text is its URL."""

    @property
    def protocol(self) -> str:
        """How it is reached."""
        return self.parts[0].rstrip(":")

    def __str__(self) -> str:
        host, *rest = (*self.parts[1:], "")[: max(len(self.parts) - 1, 1)]
        # paths in XRootD are absolute, which two slashes after the host say
        between = "//" if self.protocol == "root" else "/"
        return f"{self.protocol}://{host}{between}{'/'.join(rest)}"

    def absolute(self) -> RemotePath:
        """Itself: it is the same from everywhere."""
        return self


def located(path: str | Path) -> Path:
    """A path, remote where it begins with a protocol that we know; also of a `Path`, which drops one of its slashes."""
    plain = Path(path)
    is_remote = len(plain.parts) > 2 and plain.parts[0].endswith(":") and plain.parts[0][:-1] in PLUGINS
    return RemotePath(*plain.parts) if is_remote else plain


def require_readable(path: RemotePath) -> None:
    """Raises `InputError` for a file that is no ROOT file by its name, `MissingExtraError` without the plug-in."""
    if path.name.partition("?")[0].endswith((".h5", ".hdf5", ".parquet", ".npz")):
        raise InputError(f"{path}: only ROOT files are read from other machines, copy it here")
    _file_system(path)


def state_of(path: RemotePath) -> tuple[int, int]:
    """Size of a remote file, and a number that changes with it where the server says; raises `InputError`."""
    system = _file_system(path)
    try:
        system.invalidate_cache()
        found = system.info(system._strip_protocol(str(path)))
    except FileNotFoundError as error:
        raise InputError(f"{path}: the server has no such file") from error
    except Exception as error:  # every plug-in has its own
        raise InputError(f"{path}: cannot be reached ({str(error) or type(error).__name__})") from error
    mark = repr([str(found.get(name)) for name in MARKS])
    return int(found.get("size") or 0), int.from_bytes(hashlib.sha256(mark.encode()).digest()[:7], "big")


def _file_system(path: RemotePath) -> Any:
    import fsspec

    try:
        return fsspec.filesystem(path.protocol, **_options(path))
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: reading {path.protocol}:// needs a plug-in: pip install {PLUGINS[path.protocol]}"
        ) from error


def _options(path: RemotePath) -> dict[str, str]:
    """What the plug-in has to know beforehand: XRootD has one file system for each server."""
    return {"hostid": path.parts[1]} if path.protocol == "root" else {}
