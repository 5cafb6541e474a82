"""The model of a run as files in its ledger, one or one for each fold, and back from there."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from jetnae.checkpoint import Checkpoint, find_model
from jetnae.folds import MANIFEST, FoldedCheckpoint, FoldModel, load_scorer

MODEL = "model.safetensors"


def model_files(name_or_path: str | Path, checkpoint: Checkpoint | FoldedCheckpoint) -> dict[str, bytes]:
    """The content of all files that a model consists of, by the names they get in the ledger."""
    if isinstance(checkpoint, Checkpoint):
        return {MODEL: find_model(name_or_path).read_bytes()}
    models = checkpoint.folds.models
    names = [f"fold{k}.safetensors" for k in range(len(models))]
    content = [(Path(name_or_path) / model.file).read_bytes() for model in models]
    moved = tuple(FoldModel(name, model.sha256) for name, model in zip(names, models, strict=True))
    manifest = json.dumps(asdict(replace(checkpoint.folds, models=moved)))
    return {**dict(zip(names, content, strict=True)), MANIFEST: manifest.encode()}


def load_files(folder: Path, name: str) -> Checkpoint | FoldedCheckpoint:
    """The model in the folder of a ledger; models in folds under their `name`, which no file of theirs holds."""
    checkpoint = load_scorer(folder)
    return checkpoint if isinstance(checkpoint, Checkpoint) else replace(checkpoint, name=name)
