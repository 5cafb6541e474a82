"""From simulated files to what the study works with: selected events, the features and images of their two jets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import uproot

from analyses.semivisible.settings import Settings
from jetnae.download import checksum_of
from jetnae.errors import InputError
from jetnae.features import event_features, jet_features
from jetnae.features.events import MET, Events
from jetnae.files import atomic_path
from jetnae.images import make_images
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import WEIGHT, Jets, select, select_events
from jetnae.selection import CutFlow, Selection, apply
from jetnae.training_data import data_path

Values = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
EVENT_COLUMNS = ("mt", "rt", "dphi_min", "deta_jj", "met_pt")
"""Kept of every event; all but the last two are what the search cuts on."""


@dataclass(frozen=True)
class Sample:
    """Events after the preselection, and their two leading jets.

    row : (n,) of the file. weight : (n,) cross section of each event in pb, for signals 1 over the number generated, so
    that sums are efficiencies. searched : (n,) whether the cuts of the search hold too. mt, rt, dphi_min, deta_jj,
    met_pt : (n,). pt, label : (n, 2) of the jets. features : (n, 2, n_features) in their units. images : (m, 2, rows,
    columns) of the first events of each half, `image_index` (m,) says which.
    """

    row: Ints
    weight: Values
    searched: npt.NDArray[np.bool_]
    mt: Values
    rt: Values
    dphi_min: Values
    deta_jj: Values
    met_pt: Values
    pt: Values
    label: Ints
    features: Values
    images: Values
    image_index: Ints

    @property
    def trains(self) -> npt.NDArray[np.bool_]:
        """The half (n,) that models may learn from; the other one is what everything is measured with."""
        return np.asarray(self.row % 2 == 1)

    def __len__(self) -> int:
        return len(self.row)

    def events(self, which: npt.NDArray[np.bool_]) -> Sample:
        """The events where a mask (n,) is true."""
        place = np.cumsum(which) - 1
        kept = which[self.image_index]
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values = {name: value[which] for name, value in values.items() if not name.startswith("image")}
        return Sample(**values, images=self.images[kept], image_index=place[self.image_index[kept]])


def prepare(name: str, settings: Settings, folder: Path) -> tuple[Sample, dict[str, Any]]:
    """The sample of a file, and its cut flow and origin; read from `folder` where it was prepared before.

    Raises `InputError` where the file is not there, or was not made by the recipe.
    """
    source = data_path(f"{name}.root")
    wanted = _fingerprint(settings, source)
    path = folder / f"{name}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as found:
            about = json.loads(str(found["about"]))
            if about["fingerprint"] == wanted:
                return Sample(**{field.name: found[field.name] for field in fields(Sample)}), about
    sample, flow = _read(source, settings, is_signal=name != settings.background)
    about = {
        "fingerprint": wanted,
        "file": source.name,
        "checksum": checksum_of(source, "sha256"),
        "simulated": _provenance(source),
        "flow": [{**asdict(row), "n_effective": row.n_effective} for row in flow.rows],
    }
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, force=True) as temporary, temporary.open("wb") as file:
        arrays = {field.name: getattr(sample, field.name) for field in fields(sample)}
        np.savez(file, about=np.array(json.dumps(about)), **arrays)
    return sample, about


def _fingerprint(settings: Settings, source: Path) -> str:
    """Changes with everything that a prepared sample depends on."""
    parts = [asdict(settings.selection), asdict(settings.features), asdict(settings.image), asdict(settings.sizes)]
    stat = source.stat()
    text = json.dumps([*parts, source.name, stat.st_size, stat.st_mtime_ns], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _provenance(source: Path) -> dict[str, Any]:
    """How a file was simulated: seed, summary and versions; raises `InputError` where it does not say."""
    with uproot.open(source) as file:
        if "provenance" not in file:
            raise InputError(f"{source}: does not say how it was made, expected a file of data_recipes/semivisible.py")
        content = json.loads(str(file["provenance"]))
    return {"seed": content["job"]["seed"], "summary": content["summary"], "versions": content["versions"]}


def _read(source: Path, settings: Settings, *, is_signal: bool) -> tuple[Sample, CutFlow]:
    parts, flows = [], []
    n_image = {0: 0, 1: 0}
    for jets in iter_jets(source, ReadOptions(features=MET)):
        extended = _with_event_columns(jets)
        preselection, search = settings.selection.preselection, settings.selection.search
        flows.append(apply(Selection((*preselection, *search)), extended).flow)
        kept = apply(Selection(preselection), extended).events
        searched = apply(Selection((*preselection, *search)), extended).events
        parts.append(_sample_of(extended, kept, searched, settings, n_image, is_signal=is_signal))
    sample = _joined(parts)
    summary = _provenance(source)["summary"]
    scale = 1.0 / summary["n_generated"] if is_signal else summary["cross_section"] / summary["sum_weights"]
    return replace(sample, weight=sample.weight * scale), reduce(add, flows)


def _with_event_columns(jets: Jets) -> Jets:
    """The same with what the cuts name: event features, and pt2 of the jet of second largest pt."""
    second = Events(jets).leading["pt"][:, 1]
    found = event_features(jets, EVENT_COLUMNS)
    return replace(jets, events={**jets.events, **found, "pt2": second})


def _sample_of(
    jets: Jets,
    kept: npt.NDArray[np.bool_],
    searched: npt.NDArray[np.bool_],
    settings: Settings,
    n_image: dict[int, int],
    *,
    is_signal: bool,
) -> Sample:
    """The preselected events of a chunk; `n_image` counts the events of each half whose images were made so far."""
    rows = np.arange(jets.first_event, jets.first_event + jets.n_events)[kept]
    events = select_events(jets, kept)
    leading = _leading(events)
    shape = (len(rows), 2)
    features = jet_features(leading, settings.features.names)
    pictured = _pictured(rows, settings, n_image, is_signal=is_signal)
    images = make_images(select(leading, np.repeat(pictured, 2)), settings.image)
    label = np.zeros(len(leading), dtype=np.int64) if leading.label is None else np.asarray(leading.label)
    columns = {name: np.asarray(events.events[name], dtype=np.float64) for name in EVENT_COLUMNS}
    return Sample(
        row=rows,
        weight=np.asarray(events.events.get(WEIGHT, np.ones(len(rows))), dtype=np.float64),
        searched=searched[kept],
        **columns,
        pt=np.asarray(leading.pt, dtype=np.float64).reshape(shape),
        label=label.astype(np.int64).reshape(shape),
        features=np.stack([features[name] for name in settings.features.names], axis=1).reshape(*shape, -1),
        images=images.reshape(-1, 2, *images.shape[1:]),
        image_index=np.flatnonzero(pictured),
    )


def _leading(jets: Jets) -> Jets:
    """The two jets of largest pt of every event, the harder one first; all events have two or more."""
    order = np.lexsort((-jets.pt, jets.event_index))
    row = jets.event_index[order]
    chosen = order[np.arange(len(row)) - np.searchsorted(row, row) < 2]
    return select(jets, chosen)  # type: ignore[arg-type]


def _pictured(rows: Ints, settings: Settings, n_image: dict[int, int], *, is_signal: bool) -> npt.NDArray[np.bool_]:
    """Which events get images: the first of the half to measure with, and of background the first to train with."""
    most = {0: settings.sizes.image_events * (1 if is_signal else 4)}
    most[1] = 0 if is_signal else settings.sizes.image_training // 2
    found = np.zeros(len(rows), dtype=bool)
    for half, limit in most.items():
        places = np.flatnonzero(rows % 2 == half)[: max(limit - n_image[half], 0)]
        n_image[half] += len(places)
        found[places] = True
    return found


def _joined(parts: list[Sample]) -> Sample:
    starts = np.cumsum([0, *map(len, parts)])[:-1]
    moved = [replace(part, image_index=part.image_index + start) for part, start in zip(parts, starts, strict=True)]
    return Sample(
        **{field.name: np.concatenate([getattr(part, field.name) for part in moved]) for field in fields(Sample)}
    )


def versions() -> Mapping[str, str]:
    """Of what results depend on."""
    import torch

    from jetnae.version import __version__

    return {"jetnae": __version__, "torch": torch.__version__, "numpy": np.__version__}
