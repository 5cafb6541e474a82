"""What a Zenodo record holds: its files with size and checksum, and its licence, as the record itself states them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jetnae.download import Patience, RemoteFile, fetch_small
from jetnae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

API = "https://zenodo.org/api/records"


@dataclass(frozen=True)
class Record:
    """The files of a record by name, and the name of its licence, "" where it states none."""

    files: Mapping[str, RemoteFile]
    license: str


def read_record(url: str, patience: Patience | None = None) -> Record:
    """The record that a URL of Zenodo's API describes, such as `API`/2603256.

    Raises `InputError` where the server cannot be reached, or what it says is no such description.
    """
    try:
        content = json.loads(fetch_small(url, patience=patience))
        files = dict(_file(entry, url) for entry in content["files"])
        return Record(files, _license(content.get("metadata", {})))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{url}: expected the description of a Zenodo record (JSON with `files`)") from error


def _file(entry: Mapping[str, Any], url: str) -> tuple[str, RemoteFile]:
    name = str(entry["key"])
    if name.startswith(".") or any(each in name for each in "/\\\0"):
        raise InputError(f"{url}: a file is named {name!r}, expected a name without folders")
    return name, RemoteFile(str(entry["links"]["self"]), int(entry["size"]), str(entry["checksum"]))


def _license(metadata: Mapping[str, Any]) -> str:
    found = metadata.get("license", "")
    return str(found.get("id", "") if isinstance(found, dict) else found)
