"""Folds: several models of which each has not seen one share of the events, and the model to use for an event."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from jetnae.checkpoint import Checkpoint, Header, Validity, load_checkpoint, load_model
from jetnae.config import parse
from jetnae.errors import InputError
from jetnae.files import write_bytes

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.inputs import Spec
    from jetnae.jets import Jets

    Keys = npt.NDArray[np.uint64]

FORMAT_VERSION = 1
MANIFEST = "folds.json"
EVENT = "event"
"""Our name of the column with the event number."""

Rule = Literal["event", "entry"]
"""event: the fold is the event number modulo the number of folds; entry: a hash of file name and row, modulo it."""


@dataclass(frozen=True)
class FoldModel:
    """One model of several: its file beside the manifest, and the hash of its content."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Folds:
    """The manifest of models trained in folds: model k has seen no event of fold k."""

    format_version: int
    kind: str
    rule: Rule
    models: tuple[FoldModel, ...]

    def __len__(self) -> int:
        return len(self.models)

    @property
    def sha256(self) -> str:
        """Of the rule and all models: two trainings in folds score alike where this is the same."""
        content = json.dumps([self.rule, *(model.sha256 for model in self.models)])
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class FoldedCheckpoint:
    """Models trained in folds, ready to score; `checkpoints` are in the order of the folds."""

    checkpoints: tuple[Checkpoint, ...]
    folds: Folds
    name: str

    @property
    def header(self) -> Header:
        """That of the first model, with the name and the hash of all of them."""
        return replace(self.checkpoints[0].header, name=self.name, sha256=self.folds.sha256)

    @property
    def spec(self) -> Spec:
        """How jets become the input of the first model; the others differ at most in the scale of features."""
        return self.checkpoints[0].spec

    @property
    def validity(self) -> Validity:
        """The jets these models were trained on."""
        return self.checkpoints[0].validity

    def fold_of(self, jets: Jets, file: str | Path) -> npt.NDArray[np.int64]:
        """The fold (n_jets,) of each jet of a file; raises `InputError` where it has no event numbers but must."""
        keys = event_keys(jets) if self.folds.rule == "event" else entry_keys(jets, file)
        if keys is None:
            raise InputError(
                f"{file}: no event numbers, but the folds of '{self.name}' go by them: use one of its models alone, "
                f"as {self.name}/{self.folds.models[0].file}"
            )
        return fold_of(keys, len(self.folds))


def fold_of(keys: Keys, n_folds: int) -> npt.NDArray[np.int64]:
    """The fold (n,) of each key: the rest of a division by the number of folds."""
    return (keys % np.uint64(n_folds)).astype(np.int64)


def event_keys(jets: Jets) -> Keys | None:
    """The event number of each jet (n_jets,), None where the file has none; raises `InputError` for odd ones."""
    column = jets.events.get(EVENT)
    if column is None:
        return None
    numbers = np.asarray(column)
    if numbers.dtype.kind == "f":
        if not (numbers == np.floor(numbers)).all():
            raise InputError("the column of event numbers holds values that are not whole: folds cannot go by it")
        numbers = numbers.astype(np.int64)
    return np.asarray(numbers.astype(np.uint64)[jets.event_index - jets.first_event])


def entry_keys(jets: Jets, file: str | Path) -> Keys:
    """A hash (n_jets,) of the name of the file, without folders, and the row of each jet; the same on every machine."""
    start = int.from_bytes(hashlib.sha256(Path(file).name.encode()).digest()[:8], "little")
    return _mixed(jets.event_index.astype(np.uint64) + np.uint64(start))


def _mixed(values: Keys) -> Keys:
    """The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): neighbors end far from each other."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def write_folds(output: Path, rule: Rule, models: tuple[FoldModel, ...]) -> Folds:
    """Write the manifest into `output`, atomically."""
    folds = Folds(FORMAT_VERSION, "folds", rule, models)
    write_bytes(output / MANIFEST, (json.dumps(asdict(folds), indent=1) + "\n").encode(), force=True)
    return folds


def read_folds(path: Path) -> Folds:
    """Read a manifest; raises `InputError` when it is none, or of a newer format."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a list of folds, expected one made by `jetnae train --folds`") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(f"{path}: folds of format {version!r}, this version knows up to {FORMAT_VERSION}")
    folds = parse(Folds, content, str(path))
    if folds.kind != "folds" or len(folds) < 2:
        raise InputError(f"{path}: {len(folds)} models of kind '{folds.kind}', expected at least 2 of kind 'folds'")
    return folds


def load_scorer(name_or_path: str | Path) -> Checkpoint | FoldedCheckpoint:
    """What to score with: a bundled model, a checkpoint, or the folder of a training, in folds or not.

    Raises `InputError` when there is none, or when a fold's model is not the one that the manifest names.
    """
    folder = Path(name_or_path)
    if not os.path.exists(folder / MANIFEST):
        return load_model(name_or_path)
    folds = read_folds(folder / MANIFEST)
    checkpoints = tuple(load_checkpoint(_inside(folder, model.file)) for model in folds.models)
    for model, checkpoint in zip(folds.models, checkpoints, strict=True):
        if checkpoint.header.sha256 != model.sha256:
            raise InputError(
                f"{folder / model.file}: is not the model that {MANIFEST} names, train the folds again with --resume"
            )
    return FoldedCheckpoint(checkpoints, folds, folder.resolve().name)


def _inside(folder: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"{folder / MANIFEST}: names the file {name}, expected one inside its folder")
    return folder / name
