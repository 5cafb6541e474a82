"""Which of the bundled models a file is scored with, and whether a model fits a file at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jetnae.checkpoint import Checkpoint, bundled_models, load_checkpoint
from jetnae.errors import InputError
from jetnae.features import available
from jetnae.images import ImageSpec
from jetnae.inputs import missing, sources
from jetnae.io import ReadOptions, open_jets
from jetnae.jets import concatenate
from jetnae.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jetnae.folds import FoldedCheckpoint
    from jetnae.jets import Jets

LOOK = 1000
"""Events that are read to see what a file has."""


@dataclass(frozen=True)
class Choice:
    """The bundled model that files are scored with, and why, in a few words."""

    name: str
    reason: str


def choose_model(paths: Sequence[Path], options: ReadOptions | None = None) -> Choice:
    """The bundled model that fits the first file that can be read: of images where there are constituents.

    Where none can be read it is the one of images, since what is wrong with them is said when they are scored. Raises
    `InputError` where no bundled model fits, saying what each of them lacks.
    """
    models = _in_order()
    options = options or ReadOptions()
    wanted = tuple(name for model in models.values() for name in sources(model.spec, Selection()))
    for path in paths:
        try:
            jets = _first_jets(path, replace(options, features=wanted, keep=(), selection=Selection(), chunk_size=LOOK))
        except InputError:
            continue
        return _choose(models, jets, path)
    return Choice(next(iter(models)), "no file could be read")


def check_fits(checkpoint: Checkpoint | FoldedCheckpoint, jets: Jets, path: str | Path) -> None:
    """Raises `InputError` where the jets lack what the model takes, naming the bundled models that would do."""
    lacks = missing(checkpoint.spec, jets)
    if not lacks:
        return
    others = [name for name, model in _in_order().items() if not missing(model.spec, jets)]
    advice = f"use {' or '.join(others)}" if others else "no bundled model fits: train one on what the file has"
    raise InputError(
        f"{path}: the model '{checkpoint.header.name}' needs {', '.join(lacks)}, which {_described(jets)} "
        f"do not have; {advice} (features {', '.join(available(jets))}; see `jetnae inspect`)"
    )


def _in_order() -> dict[str, Checkpoint]:
    """The bundled models, those of images first: they take all that is known of a jet."""
    models = {name: load_checkpoint(path) for name, path in bundled_models().items()}
    return dict(sorted(models.items(), key=lambda item: not isinstance(item[1].spec, ImageSpec)))


def _first_jets(path: Path, options: ReadOptions) -> Jets:
    with open_jets(path, options) as file:
        jets = next(file.chunks, None)
    if jets is None:
        raise InputError(f"{path}: no events")
    return concatenate([jets])


def _choose(models: Mapping[str, Checkpoint], jets: Jets, path: Path) -> Choice:
    lacks = {name: missing(model.spec, jets) for name, model in models.items()}
    fitting = next((name for name, lacking in lacks.items() if not lacking), None)
    if fitting is None:
        needs = "; ".join(f"{name} needs {', '.join(lacking)}" for name, lacking in lacks.items())
        raise InputError(
            f"{path}: no bundled model fits {_described(jets)}: {needs}; train one on what they have with "
            f"`jetnae train` (features {', '.join(available(jets))})"
        )
    if isinstance(models[fitting].spec, ImageSpec):
        return Choice(fitting, f"{_described(jets)} have constituents")
    return Choice(fitting, f"{_described(jets)} have no constituents, but all of its features")


def _described(jets: Jets) -> str:
    return f"the jets '{jets.collection}' (layout {jets.layout})"
