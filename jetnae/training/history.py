"""The history of a training: one line of JSON for every step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from jetnae.errors import InputError
from jetnae.files import write_bytes
from jetnae.training.distributed import Group

HISTORY = "history.jsonl"


class History:
    """Receives what was logged step by step; only the process that writes has a file."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def add(self, line: Mapping[str, float]) -> None:
        """Write a line: the attempt, the step in it, and every number that was logged."""
        if self._file is not None:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")

    def flush(self) -> None:
        """Hand everything to the operating system, before the state that counts it is saved."""
        if self._file is not None:
            self._file.flush()


@contextmanager
def open_history(output: Path, n_lines: int, group: Group) -> Iterator[History]:
    """The history, cut at the saved state: what happened after it will happen again.

    Raises `InputError` when it cannot be written.
    """
    path = output / HISTORY
    if not group.writes:
        yield History(None)
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if n_lines and path.exists() else []
        write_bytes(path, "".join(lines[:n_lines]).encode(), force=True)
        with path.open("a", encoding="utf-8") as file:
            yield History(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
