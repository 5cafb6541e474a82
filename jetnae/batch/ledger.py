"""The ledger of a run: a folder beside its outputs that says what was done, so that nothing is done twice."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jetnae.batch.tasks import Planned, Record, Rows
from jetnae.config import parse
from jetnae.errors import InputError, OutputError
from jetnae.files import write_bytes
from jetnae.io.remote import RemotePath
from jetnae.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")

FORMAT_VERSION = 1
KIND = "ledger"
NAME = "scores.ledger"
LOCK = "lock"


class Ledger:
    """The folder of a run: its header, its model, and per input a plan, parts with their records, and the end.

    Every file in it appears under its name only once it is complete, and is checked when it is read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._header = folder / "header.json"

    def part(self, key: str, rows: Rows) -> Path:
        """The part of a range of rows."""
        return self.folder / key / f"{rows[0]}-{rows[1]}.part"

    def merged(self, key: str, suffix: str) -> Path:
        """Where the parts of a file are merged before the result gets its name."""
        return self.folder / key / f"merged{suffix}"

    def record(self, key: str, rows: Rows) -> Record | None:
        """What is said of a part, None where it is not there in full length."""
        record = _read(self.part(key, rows).with_suffix(".json"), Record)
        path = self.part(key, rows)
        return record if record is not None and os.path.exists(path) and path.stat().st_size == record.size else None

    def plan(self, key: str) -> Planned | None:
        """How a file was shared out, None where it was not."""
        return _read(self.folder / key / "plan.json", Planned)

    def done(self, key: str) -> Record | None:
        """What a finished file came to, None where it is not."""
        return _read(self.folder / key / "done.json", Record)

    def write_record(self, key: str, rows: Rows, record: Record) -> None:
        """Say that a part is complete; to be called after it was written."""
        _write(self.part(key, rows).with_suffix(".json"), asdict(record))

    def write_plan(self, key: str, plan: Planned) -> None:
        """Say how a file is shared out."""
        _write(self.folder / key / "plan.json", asdict(plan))

    def write_done(self, key: str, record: Record) -> None:
        """Say that a file is finished."""
        _write(self.folder / key / "done.json", asdict(record))

    def forget(self, key: str) -> None:
        """Remove all that is known of a file."""
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def drop_parts(self, key: str) -> None:
        """Remove what is not needed once a file is merged."""
        for path in (self.folder / key).glob("*"):
            if path.name not in {"plan.json", "done.json"}:
                path.unlink(missing_ok=True)

    def begin(self, settings: Mapping[str, Any], model: Mapping[str, bytes], *, resume: bool, force: bool) -> None:
        """Take up the run that is there, or begin a new one; `model` are the files it consists of.

        Raises `InputError` where one is there and it is neither resumed nor replaced, or was made with other settings.
        """
        if os.path.exists(self._header):
            if resume:
                self._require_same(settings)
                return
            if not force:
                raise InputError(f"{self.folder}: an unfinished run: go on with --resume, or begin anew with --force")
        self._empty()
        for name, data in model.items():
            write_bytes(self.folder / name, data, force=True)
        content = {"format_version": FORMAT_VERSION, "kind": KIND, "jetnae": __version__, "settings": dict(settings)}
        _write(self._header, content)

    def _empty(self) -> None:
        """Remove an earlier run; its header goes first, without it there is none."""
        self._header.unlink(missing_ok=True)
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK:
                path.unlink()

    def _require_same(self, settings: Mapping[str, Any]) -> None:
        try:
            content = json.loads(self._header.read_text(encoding="utf-8"))
            version, before = content["format_version"], dict(content["settings"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._header}: damaged, begin anew with --force") from error
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise InputError(f"{self._header}: ledger format {version!r}, this version knows up to {FORMAT_VERSION}")
        now = json.loads(json.dumps(dict(settings)))
        odd = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if odd:
            raise InputError(
                f"{self.folder}: the run was begun with another {', '.join(odd)}: take the same, or begin anew with "
                "--force"
            )

    def is_empty(self, *, begun: bool) -> bool:
        """Whether nothing was done yet: of a run that was `begun`, or where there is none."""
        no_run = begun or not os.path.exists(self._header)
        return no_run and not any(path.is_dir() for path in self.folder.iterdir())

    def remove(self) -> None:
        """Remove the whole ledger: everything is done."""
        self._header.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else works on this ledger during the block; raises `InputError` where somebody does."""
        new_folders = [path for path in self.folder.parents if not os.path.exists(path)]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / LOCK).open("w")
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written ({error.strerror})") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(f"{self.folder}: another run is at work on it, wait for it or stop it") from error
            except OSError:  # a file system without locks: nothing to be done about it
                pass
            try:
                yield
            finally:
                for path in new_folders:
                    with suppress(OSError):  # not empty: something was made in it
                        path.rmdir()


def key_of(path: Path) -> str:
    """The name of a file in a ledger: where it lies, so that files of the same name are told apart."""
    place = str(path) if isinstance(path, RemotePath) else os.path.realpath(path)
    return hashlib.sha256(place.encode()).hexdigest()[:20]


def settings_hash(settings: Mapping[str, Any]) -> str:
    """One hash over all that determines scores."""
    return hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode()).hexdigest()[:20]


def _write(path: Path, content: dict[str, Any]) -> None:
    write_bytes(path, (json.dumps(content) + "\n").encode(), force=True)


def _read(path: Path, kind: type[T]) -> T | None:
    """What a file of the ledger says, None where it is not there or damaged: then it is made again."""
    try:
        return parse(kind, json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError, RecursionError, InputError):
        return None
