"""What a user means by a list of files: paths, patterns, folders, and lists of these; and where their scores go."""

from __future__ import annotations

import glob
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jetnae.errors import InputError
from jetnae.io.remote import RemotePath, located

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = (".root", ".h5", ".hdf5", ".parquet", ".npz")
"""Of the files that are taken from a folder."""
OURS = (".scores.root", ".scores.h5")
"""Ends of the names of score files, which are never taken for inputs unless named."""


@dataclass(frozen=True)
class Inputs:
    """The files to score in order, each once; `notes` is what to tell about them, `problems` what cannot be read."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    problems: dict[Path, str] = field(default_factory=dict)


def is_many(argument: str) -> bool:
    """Whether an argument stands for several files: a folder, a pattern, or a list."""
    return argument.startswith("@") or os.path.isdir(argument) or _is_pattern(argument)


def expand(arguments: Sequence[str]) -> Inputs:
    """The files that arguments stand for: FILE, FOLDER (with all below it), 'PATTERN*', @LIST with one of these a line.

    Raises `InputError` where there are none.
    """
    problems: dict[Path, str] = {}
    found = [path for argument in arguments for path in _meant(argument, problems)]
    once = {os.path.realpath(path): path for path in reversed(found)}
    first = sorted(once.values(), key=found.index)
    twice = len(found) - len(first)
    notes = (f"{twice} files were named more than once, each is scored once",) if twice else ()
    if not first and not problems:
        raise InputError(f"no files in {', '.join(arguments)}, expected some with the ends {', '.join(SUFFIXES)}")
    return Inputs(tuple(first), notes, problems)


def _is_pattern(argument: str) -> bool:
    return glob.has_magic(argument) and not os.path.exists(argument) and not isinstance(located(argument), RemotePath)


def _meant(argument: str, problems: dict[Path, str]) -> list[Path]:
    if argument.startswith("@"):
        return [path for line in _lines(argument[1:]) for path in _meant(line, problems)]
    if isinstance(located(argument), RemotePath):
        return [located(argument)]
    if os.path.isdir(argument):
        return sorted(_below(Path(argument), problems))
    if _is_pattern(argument):
        return sorted(path for path in map(Path, glob.glob(argument, recursive=True)) if _is_input(path))  # noqa: PTH207
    return [Path(argument)]


def _lines(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}, expected a text file with one path per line") from error
    entries = [line.strip() for line in lines]
    nested = [entry for entry in entries if entry.startswith("@")]
    if nested:
        raise InputError(f"{path}: the list {nested[0]} in a list, expected files, folders and patterns")
    return [entry for entry in entries if entry and not entry.startswith("#")]


def _below(folder: Path, problems: dict[Path, str]) -> Iterator[Path]:
    """All files below a folder that may be read; folders that cannot be listed are problems."""

    def note(error: OSError) -> None:
        problems[Path(error.filename)] = f"cannot be listed ({error.strerror})"

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.endswith(".ledger")]
        for name in names:
            path = Path(place, name)
            if name.endswith(SUFFIXES) and not name.startswith(".") and _is_input(path):
                yield path


def _is_input(path: Path) -> bool:
    return not path.name.endswith(OURS) and not os.path.isdir(path)


def score_suffix(path: Path) -> str:
    """The suffix of the scores of a file; of one that cannot be read now, going by its name."""
    from jetnae.io import container_of  # which takes a while to import, and most of this is asked on every call

    try:
        is_root = container_of(path) == "ROOT"
    except InputError:
        is_root = path.suffix not in SUFFIXES[1:]
    return ".root" if is_root else ".h5"


def _place(folder: Path) -> str:
    """Where a folder is, as a path from the root; those of other machines below their protocol and host."""
    return (
        f"/{folder.protocol}/{'/'.join(folder.parts[1:])}"
        if isinstance(folder, RemotePath)
        else os.path.realpath(folder)
    )


def score_targets(files: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where the scores of each file go: NAME.scores.root, below its own folders where names are not unique.

    Raises `InputError` where two would be one, or one is an input.
    """
    names = {path: f"{path.stem}.scores{score_suffix(path)}" for path in files}
    count = Counter(names.values())
    targets = {path: folder / name for path, name in names.items()}
    clashing = [path for path in files if count[names[path]] > 1]
    if clashing:
        parents = {path: _place(path.parent) for path in clashing}
        shared = os.path.commonpath(parents.values())
        targets |= {path: folder / os.path.relpath(parents[path], shared) / names[path] for path in clashing}
    real = {path: os.path.realpath(target) for path, target in targets.items()}
    several = [target for target, n in Counter(real.values()).items() if n > 1]
    if several:
        both = ", ".join(str(path) for path in files if real[path] == several[0])
        raise InputError(f"{several[0]}: the scores of {both} would all go there, score them one by one")
    inputs = {os.path.realpath(path) for path in files}
    for target in real.values():
        if target in inputs:
            raise InputError(f"{target}: is an input, scores are never written over one")
    return targets
