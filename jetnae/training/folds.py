"""Training in folds: one model per fold, none of which has seen an event of its fold."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch

from jetnae.checkpoint import Header
from jetnae.errors import InputError
from jetnae.folds import MANIFEST, FoldModel, Folds, write_folds
from jetnae.training.config import RunConfig, write_run_config
from jetnae.training.distributed import Group
from jetnae.training.loop import Report, train_on
from jetnae.training.state import STATE
from jetnae.training_data import read_table, split, without_fold


def train_folds(
    config: RunConfig,
    output: Path,
    n_folds: int,
    *,
    device: torch.device,
    resume: bool = False,
    report: Report | None = None,
    group: Group | None = None,
) -> tuple[Folds, list[Header]]:
    """Train `n_folds` models into `output`/fold0 and so on, and write the manifest that scoring goes by.

    Model k is trained, watched and selected on the events of all other folds. The fold of an event is its number
    modulo `n_folds`; where files have no event numbers, a hash of file name and row. With `resume`, goes on wherever
    it was stopped. Raises `InputError` for fewer than two folds and as `train_on`.
    """
    group = group or Group()
    if n_folds < 2:
        raise InputError(f"--folds {n_folds}: expected at least 2")
    _check_output(output, resume=resume)
    table = read_table(config.data, config.spec)
    group.wait()
    if group.writes:
        write_run_config(output / "config.toml", config)
    headers = []
    for fold in range(n_folds):
        data = split(without_fold(table, fold, n_folds), config.data, config.spec, config.train.seed)
        data = replace(data, notes={"folds": {"fold": fold, "n_folds": n_folds, "rule": table.rule}})
        folder = output / f"fold{fold}"
        begun = os.path.exists(folder / STATE)
        group.wait()
        headers.append(train_on(data, config, folder, device=device, resume=begun, report=report, group=group))
    models = tuple(FoldModel(f"fold{k}/model.safetensors", header.sha256) for k, header in enumerate(headers))
    folds = write_folds(output, table.rule, models) if group.writes else Folds(1, "folds", table.rule, models)
    group.wait()
    return folds, headers


def _check_output(output: Path, *, resume: bool) -> None:
    """Raises `InputError` where there is nothing to resume, or something that would be trained over."""
    if os.path.exists(output / STATE):
        raise InputError(f"{output}: holds a training without folds, choose another --output")
    begun = any(os.path.exists(output / name) for name in (MANIFEST, f"fold0/{STATE}"))
    if resume and not begun:
        raise InputError(f"{output}: no saved state to resume from, start without --resume")
    if not resume and begun:
        raise InputError(f"{output}: already holds a training, go on with --resume or choose another --output")
