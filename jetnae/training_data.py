"""From jet files to the inputs a training sees: selection, validity range, split."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from jetnae.checkpoint import Validity
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.folds import Rule, entry_keys, event_keys, fold_of
from jetnae.inputs import Spec, make_inputs, passing, sources
from jetnae.io import ReadOptions, iter_jets, require_one_layout
from jetnae.jets import select
from jetnae.selection import Selection, event_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from jetnae.jets import Jets


@dataclass(frozen=True)
class Clustering:
    """Radius, least pt in GeV and grooming of jets that are found in events; None as `ReadOptions`."""

    radius: float | None = None
    min_pt: float | None = None
    soft_drop: bool = False


@dataclass(frozen=True)
class DataConfig:
    """Which jets to train on; this is also the range the model will call valid.

    files : jet files; relative paths are looked up in `JETNAE_DATA` (default `data`).
    n_jets : use the first so many selected jets. validation : share held out to watch the training.
    pt : range in GeV. abs_eta : largest |eta|. radius : jet radius, for the record.
    label : keep only jets with this label where the files have labels; None keeps all. selection : further cuts.
    weights : draw jets with probability proportional to their event weight; None does so where the files have weights.
    flat_pt : draw jets so that all pt of the range are equally likely, whatever their spectrum and weights.
    clustering : how jets are found where the files hold events.
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
    weights: bool | None = None
    flat_pt: bool = False
    clustering: Clustering = field(default_factory=Clustering)

    def __post_init__(self) -> None:
        checks = {
            "files": (bool(self.files), "at least one"),
            "n_jets": (self.n_jets >= 2, "at least 2"),
            "validation": (0 < self.validation < 1, "a share between 0 and 1"),
            "pt": (self.pt[0] < self.pt[1], "[low, high]"),
            "flat_pt": (not (self.flat_pt and self.weights), "false together with weights = true"),
        }
        for name, (fine, expected) in checks.items():
            if not fine:
                raise InputError(f"data: {name} = {getattr(self, name)}, expected {expected}")

    @property
    def validity(self) -> Validity:
        """The range of the jets that are used, which is that of the model."""
        return Validity(self.pt, self.abs_eta, self.radius)


PT_BINS = 32
"""Into which the range of pt is divided where jets are drawn flat in it."""
EVERYTHING = Validity((0.0, 1e6), 100.0, 0.8)
"""The range of inputs that did not come from jet files."""


@dataclass(frozen=True)
class TrainingData:
    """Inputs of the training and of the held-out jets, (n, *shape), how they were made, and where they came from.

    weights, validation_weights : (n,) event weights, None where all count the same. validity : the range of the jets.
    notes : what else the header of the model is to say. There are no labels: nothing after this point can use one.
    Raises `InputError` for shapes that do not fit, and for weights that no jet can be drawn with.
    """

    training: Tensor
    validation: Tensor
    spec: Spec
    layout: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    weights: Tensor | None = None
    validation_weights: Tensor | None = None
    validity: Validity = EVERYTHING
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, x, weights in (
            ("training", self.training, self.weights),
            ("validation", self.validation, self.validation_weights),
        ):
            if len(x) == 0 or tuple(x.shape[1:]) != tuple(self.spec.shape):
                raise InputError(f"{name} inputs of shape {tuple(x.shape)}, expected (n, *{tuple(self.spec.shape)})")
            if weights is not None:
                if weights.shape != (len(x),):
                    raise InputError(f"{name}: {tuple(weights.shape)} weights for {len(x)} inputs, expected one each")
                check_weights(weights.numpy(force=True), name)


@dataclass(frozen=True)
class JetTable:
    """All jets of a training before the split: inputs (n, *shape), weights (n,) or None, and keys (n,) for folds."""

    values: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float64] | None
    keys: npt.NDArray[np.uint64]
    rule: Rule
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
    return split(read_table(config, spec), config, spec, seed)


def read_table(config: DataConfig, spec: Spec) -> JetTable:
    """Read, select and turn into inputs; raises `InputError` when too few jets pass, and for unusable weights."""
    parts = [
        (
            make_inputs(jets, spec),
            _weights(config, jets, path),
            jets.pt,
            entry_keys(jets, path),
            event_keys(jets),
            jets.layout,
        )
        for path, jets in selected_jets(config, spec)
    ]
    values, weights, pt, entries, events, layouts = zip(*parts, strict=True)
    n_found = sum(map(len, values))
    if n_found < config.n_jets:
        found = f"{n_found} jets pass the selection in {', '.join(config.files)}, expected {config.n_jets}"
        raise InputError(f"{found}: lower data.n_jets, or give more files")
    numbers = [key for key in events if key is not None]
    by_event = len(numbers) == len(events)
    table = JetTable(
        values=np.concatenate(values)[: config.n_jets],
        weights=flat(np.concatenate(pt)[: config.n_jets], config.pt) if config.flat_pt else _joined(weights, config),
        keys=np.concatenate(numbers if by_event else entries)[: config.n_jets],
        rule="event" if by_event else "entry",
        layout=layouts[-1],
        files={name: f"{data_path(name).stat().st_size} bytes" for name in config.files},
    )
    if isinstance(spec, FeatureSpec):
        _check_finite(table.values, spec)
    return table


def split(table: JetTable, config: DataConfig, spec: Spec, seed: int) -> TrainingData:
    """Hold a random share of the jets out; of features, fix center and scale unless they are given."""
    n_jets = len(table.values)
    order = np.random.default_rng(seed).permutation(n_jets)
    values = table.values
    if isinstance(spec, FeatureSpec) and not spec.center:
        spec = spec.standardized(values, table.weights)
        values = ((values - np.asarray(spec.center)) / np.asarray(spec.scale)).astype(np.float32)
    n_validation = max(int(config.validation * n_jets), 1)
    shuffled = torch.from_numpy(values[order])
    weights = None if table.weights is None else torch.from_numpy(table.weights[order])
    return TrainingData(
        shuffled[n_validation:],
        shuffled[:n_validation],
        spec,
        table.layout,
        table.files,
        weights=None if weights is None else weights[n_validation:],
        validation_weights=None if weights is None else weights[:n_validation],
        validity=config.validity,
    )


def without_fold(table: JetTable, fold: int, n_folds: int) -> JetTable:
    """The jets of all other folds; raises `InputError` where the keys do not spread over the folds."""
    folds = fold_of(table.keys, n_folds)
    share = float(np.mean(folds == fold))
    if not 0.5 / n_folds < share < min(2 / n_folds, 0.9):
        raise InputError(
            f"fold {fold} of {n_folds} holds {100 * share:.0f} % of the jets (by {table.rule}): event numbers that do "
            "not spread over the folds, choose another number of --folds"
        )
    kept = folds != fold
    weights = None if table.weights is None else table.weights[kept]
    return replace(table, values=table.values[kept], weights=weights, keys=table.keys[kept])


def check_weights(weights: npt.NDArray[Any], where: str) -> None:
    """Raises `InputError` for event weights that no probability can be proportional to."""
    n_odd, n_negative = int(np.count_nonzero(~np.isfinite(weights))), int(np.count_nonzero(weights < 0))
    if n_odd or n_negative:
        found = f"{n_negative} jets of negative weight" if n_negative else f"{n_odd} weights that are not finite"
        raise InputError(
            f"{where}: {found}, jets are drawn with probability proportional to weight: cut them away with "
            "[data] selection, or set [data] weights = false"
        )
    if not weights.sum() > 0:
        raise InputError(f"{where}: all weights are zero, set [data] weights = false")


def flat(pt: npt.NDArray[np.floating[Any]], pt_range: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Weights (n_jets,) of mean one that make the pt (n_jets,) of jets flat over a range, all of them in GeV.

    Raises `InputError` where a part of the range has no jets.
    """
    edges = np.linspace(*pt_range, PT_BINS + 1)
    which = np.clip(np.searchsorted(edges, pt, side="right") - 1, 0, PT_BINS - 1)
    counts = np.bincount(which, minlength=PT_BINS)
    if not counts.all():
        empty = int(np.argmin(counts))
        raise InputError(
            f"data.flat_pt: no jets with {edges[empty]:g} < pt < {edges[empty + 1]:g} GeV, expected some in each "
            f"{PT_BINS}th of the range: narrow data.pt, or give more jets"
        )
    return np.asarray(len(pt) / PT_BINS / counts[which])


def _weights(config: DataConfig, jets: Jets, path: Path) -> npt.NDArray[np.float64] | None:
    """Event weight of each jet (n_jets,), or None; raises `InputError` where they must be there and are not."""
    per_event = None if config.weights is False or config.flat_pt else event_weights(jets)
    if per_event is None:
        if config.weights:
            raise InputError(f"{path}: no event weights (layout {jets.layout}), but data.weights = true")
        return None
    return np.asarray(per_event[jets.event_index - jets.first_event])


def _joined(weights: Sequence[npt.NDArray[np.float64] | None], config: DataConfig) -> npt.NDArray[np.float64] | None:
    """The weights of all jets, None where there are none or all are the same."""
    given = [each for each in weights if each is not None]
    if not given:
        return None
    if len(given) < len(weights):
        raise InputError(f"some of {', '.join(config.files)} have event weights, some not: set data.weights = false")
    joined = np.concatenate(given)[: config.n_jets]
    check_weights(joined, ", ".join(config.files))
    return None if (joined == joined[0]).all() else joined


def _check_finite(values: npt.NDArray[np.float32], spec: FeatureSpec) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(bad):
        names = ", ".join(spec.names[i] for i in bad)
        raise InputError(f"features: {names} not finite for some training jets: cut on them, or leave them out")


def selected_jets(config: DataConfig, spec: Spec, *, in_range: bool = True) -> Iterator[tuple[Path, Jets]]:
    """Chunks of selected jets with the file they came from, until there are enough; `in_range` only those in range."""
    n_jets = 0
    options = ReadOptions(
        config.layout,
        config.collection,
        features=sources(spec, config.selection),
        selection=config.selection,
        radius=config.clustering.radius,
        min_pt=config.clustering.min_pt,
        soft_drop=config.clustering.soft_drop,
    )
    paths = [data_path(name) for name in config.files]
    require_one_layout(paths, options)
    for path in paths:
        for jets in iter_jets(path, options):
            passing = select(jets, _mask(jets, config, in_range=in_range))
            n_jets += len(passing)
            yield path, passing
            if n_jets >= config.n_jets:
                return


def _mask(jets: Jets, config: DataConfig, *, in_range: bool) -> npt.NDArray[np.bool_]:
    mask = passing(config.selection, jets).jets
    if in_range:
        mask &= config.validity.contains(jets)
    if jets.constituents is not None:
        mask &= jets.n_constituents > 0
    if config.label is not None and jets.label is not None:
        mask &= jets.label == config.label
    return np.asarray(mask)
