"""From jet files to the inputs a training sees: selection, validity range, split."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from jetnae.checkpoint import Validity
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.inputs import Spec, make_inputs, passing, sources
from jetnae.io import ReadOptions, iter_jets, require_one_layout
from jetnae.jets import select
from jetnae.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from torch import Tensor

    from jetnae.jets import Jets


@dataclass(frozen=True)
class DataConfig:
    """Which jets to train on; this is also the range the model will call valid.

    files : jet files; relative paths are looked up in `JETNAE_DATA` (default `data`).
    n_jets : use the first so many selected jets. validation : share held out to watch the training.
    pt : range in GeV. abs_eta : largest |eta|. radius : jet radius, for the record.
    label : keep only jets with this label where the files have labels; None keeps all. selection : further cuts.
    """

    files: tuple[str, ...]
    n_jets: int
    pt: tuple[float, float]
    abs_eta: float
    radius: float
    validation: float = 0.1
    label: int | None = 0
    layout: str | None = None
    collection: str | None = None
    selection: Selection = field(default_factory=Selection)

    def __post_init__(self) -> None:
        checks = {
            "files": (bool(self.files), "at least one"),
            "n_jets": (self.n_jets >= 2, "at least 2"),
            "validation": (0 < self.validation < 1, "a share between 0 and 1"),
            "pt": (self.pt[0] < self.pt[1], "[low, high]"),
        }
        for name, (fine, expected) in checks.items():
            if not fine:
                raise InputError(f"data: {name} = {getattr(self, name)}, expected {expected}")

    @property
    def validity(self) -> Validity:
        """The range of the jets that are used, which is that of the model."""
        return Validity(self.pt, self.abs_eta, self.radius)


@dataclass(frozen=True)
class TrainingData:
    """Inputs of the training and of the held-out jets, (n, *shape), how they were made, and where they came from."""

    training: Tensor
    validation: Tensor
    spec: Spec
    layout: str
    files: dict[str, str]


def data_path(name: str) -> Path:
    """Where a data file named in a configuration lies; raises `InputError` when it is not there."""
    folder = os.environ.get("JETNAE_DATA", "data")
    if not os.path.exists(Path(folder) / name):
        raise InputError(
            f"{Path(folder) / name}: no such file; data files are looked up in JETNAE_DATA, now '{folder}'"
        )
    return Path(folder) / name


def load_training_data(config: DataConfig, spec: Spec, seed: int) -> TrainingData:
    """Read, select, turn into inputs, and split at random; raises `InputError` when too few jets pass.

    Features are centered and scaled by the quantiles of the jets that are used, unless the configuration says how.
    """
    inputs: list[npt.NDArray[np.float32]] = []
    layout = ""
    for jets in selected_jets(config, spec):
        inputs.append(make_inputs(jets, spec))
        layout = jets.layout
    values = np.concatenate(inputs) if inputs else np.zeros((0, *spec.shape), dtype=np.float32)
    if len(values) < config.n_jets:
        found = f"{len(values)} jets pass the selection in {', '.join(config.files)}, expected {config.n_jets}"
        raise InputError(f"{found}: lower data.n_jets, or give more files")
    values = values[: config.n_jets]
    if isinstance(spec, FeatureSpec):
        _check_finite(values, spec)
        if not spec.center:
            spec = spec.standardized(values)
            values = ((values - np.asarray(spec.center)) / np.asarray(spec.scale)).astype(np.float32)
    order = np.random.default_rng(seed).permutation(config.n_jets)
    n_validation = max(int(config.validation * config.n_jets), 1)
    shuffled = torch.from_numpy(values[order])
    sizes = {name: f"{data_path(name).stat().st_size} bytes" for name in config.files}
    return TrainingData(shuffled[n_validation:], shuffled[:n_validation], spec, layout, sizes)


def _check_finite(values: npt.NDArray[np.float32], spec: FeatureSpec) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(bad):
        names = ", ".join(spec.names[i] for i in bad)
        raise InputError(f"features: {names} not finite for some training jets: cut on them, or leave them out")


def selected_jets(config: DataConfig, spec: Spec) -> Iterator[Jets]:
    """Chunks of jets that pass the selection of a training, until there are as many as it uses."""
    n_jets = 0
    options = ReadOptions(
        config.layout, config.collection, features=sources(spec, config.selection), selection=config.selection
    )
    paths = [data_path(name) for name in config.files]
    require_one_layout(paths, options)
    for path in paths:
        for jets in iter_jets(path, options):
            passing = select(jets, _mask(jets, config))
            n_jets += len(passing)
            yield passing
            if n_jets >= config.n_jets:
                return


def _mask(jets: Jets, config: DataConfig) -> npt.NDArray[np.bool_]:
    mask = config.validity.contains(jets) & passing(config.selection, jets).jets
    if jets.constituents is not None:
        mask &= jets.n_constituents > 0
    if config.label is not None and jets.label is not None:
        mask &= jets.label == config.label
    return np.asarray(mask)
