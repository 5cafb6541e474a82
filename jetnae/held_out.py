"""Jets to ask a trained model about its convergence: those its training held out, or those of other files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jetnae.config import parse
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.inputs import make_inputs
from jetnae.training_data import DataConfig, load_training_data, selected_jets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from jetnae.checkpoint import Header


@dataclass(frozen=True)
class HeldOut:
    """Inputs (n, *shape) that a model was not trained on, the mean (*shape) of its training inputs, and their source.

    notes : what a reader has to know of them. weight : (n,) of the events, None where all are the same.
    """

    inputs: Tensor
    training_mean: Tensor
    source: str
    notes: tuple[str, ...] = ()
    weight: Tensor | None = None


def held_out_of_training(header: Header) -> HeldOut:
    """The share that a training held out, from its own files.

    Raises `InputError` when the header does not say what it was trained on, or the files are not there any more.
    """
    if "folds" in header.training:
        raise InputError(f"model '{header.name}' is one of several folds: give held-out jets with --data")
    config = _data_config(header)
    try:
        data = load_training_data(config, header.spec, _training(header)["train"]["seed"])
    except InputError as error:
        raise InputError(
            f"the data of the training cannot be used ({error}); give held-out jets with --data"
        ) from error
    changed = {name: size for name, size in header.training.get("files", {}).items() if data.files.get(name) != size}
    if changed:
        raise InputError(
            f"{', '.join(changed)} changed since the training, so it is not known which jets it held out: "
            "give held-out jets with --data"
        )
    source = f"held-out jets of {', '.join(config.files)}"
    return HeldOut(data.validation, data.training.mean(dim=0), source, weight=data.validation_weights)


def held_out_of_files(files: Sequence[Path], header: Header, n_jets: int) -> HeldOut:
    """Up to `n_jets` jets of files, selected as those of the training were; their mean stands for the training's.

    Raises `InputError` when no jet passes, and for features that are not finite.
    """
    paths = tuple(str(path.resolve()) for path in files)
    config = replace(_data_config(header), files=paths, n_jets=max(n_jets, 2), layout=None, collection=None)
    parts = [make_inputs(jets, header.spec) for _, jets in selected_jets(config, header.spec)]
    values = np.concatenate(parts)[:n_jets] if parts else np.zeros((0, *header.spec.shape), dtype=np.float32)
    names = ", ".join(path.name for path in files)
    if not len(values):
        raise InputError(f"{names}: no jet passes the selection of the training ({header.validity})")
    if isinstance(header.spec, FeatureSpec) and not np.isfinite(values).all():
        raise InputError(f"{names}: features that are not finite for some jets: cut on them when training")
    inputs = torch.from_numpy(values)
    return HeldOut(inputs, inputs.mean(dim=0), f"jets of {names}", _trained_on(files, header))


def _trained_on(files: Sequence[Path], header: Header) -> tuple[str, ...]:
    known = header.training.get("files", {})
    seen = [path.name for path in files if known.get(path.name) == f"{path.stat().st_size} bytes"]
    return tuple(f"{name} has the name and size of a file that was trained on" for name in seen)


def _data_config(header: Header) -> DataConfig:
    return parse(DataConfig, _training(header)["data"], f"model '{header.name}': training data")


def _training(header: Header) -> dict[str, Any]:
    config = header.training.get("config")
    if not isinstance(config, dict) or not {"data", "train"} <= set(config):
        raise InputError(
            f"model '{header.name}': does not say what it was trained on, expected one that jetnae trained"
        )
    return config
