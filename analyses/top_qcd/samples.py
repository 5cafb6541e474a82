"""From jet files to what the study works with: images of jets in the range of the set-up, and simple observables."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import uproot

from analyses.top_qcd.settings import Settings
from jetnae.checkpoint import Validity
from jetnae.download import checksum_of
from jetnae.errors import InputError
from jetnae.features import jet_features
from jetnae.files import atomic_path
from jetnae.images import ImageSpec, make_images
from jetnae.io import ReadOptions, iter_jets
from jetnae.jets import Jets, select
from jetnae.training_data import data_path

Values = npt.NDArray[np.floating[Any]]
ALL = 2**62
OBSERVABLES = ("mass", "girth", "multiplicity", "ptd", "squares")
"""What no training is needed for."""


@dataclass(frozen=True)
class Sample:
    """Jets of one class. images : (n, rows, columns) float32. pt, mass : (n,) in GeV. multiplicity, girth, ptd : (n,)
    as in `jetnae.features`. squares : (n,) sums of the squared pixels of the images."""

    images: npt.NDArray[np.float32]
    pt: Values
    mass: Values
    multiplicity: Values
    girth: Values
    ptd: Values
    squares: Values

    def __len__(self) -> int:
        return len(self.pt)

    def take(self, which: Any) -> Sample:
        """The jets at places, a slice of them, or where a mask is true."""
        return Sample(**{each.name: getattr(self, each.name)[which] for each in fields(Sample)})


@dataclass(frozen=True)
class Wanted:
    """Jets of a class: its name, which of its files (those of `train`, `measure` or `mass`), images, and how many jets
    at most."""

    name: str
    part: str
    image: ImageSpec
    n_jets: int


def join(parts: list[Sample]) -> Sample:
    """Several samples as one."""
    return Sample(
        **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Sample)}
    )


def mixture(qcd: Sample, top: Sample, share: float, n_jets: int) -> Sample:
    """Jets of which a share are tops: the first of both. Raises `InputError` where there are too few of one."""
    n_top = round(share * n_jets)
    if n_top > len(top) or n_jets - n_top > len(qcd):
        raise InputError(
            f"{len(qcd)} QCD and {len(top)} top jets for {n_jets} with a share of {share:g} tops: simulate more jets"
        )
    return join([qcd.take(slice(n_jets - n_top)), top.take(slice(n_top))])


def training_sample(name: str, image: ImageSpec, n_jets: int, settings: Settings, folder: Path) -> tuple[Sample, Any]:
    """The first jets of a class to train on; those with the images of the set-up are prepared once for all sizes."""
    most = max(n_jets, settings.headline.n_jets) if image == settings.image else n_jets
    sample, about = prepare(Wanted(name, "train", image, most), settings, folder)
    if len(sample) < n_jets:
        raise InputError(f"{name}: {len(sample)} jets to train on, expected {n_jets}: simulate more, or lower n_jets")
    return sample.take(slice(n_jets)), about


def further_sample(name: str, n_jets: int, settings: Settings, folder: Path) -> tuple[Sample, Any]:
    """The jets of a class that trainings, which take the first `n_jets`, leave in their files, and those that are only
    there for the mass."""
    parts = [prepare(Wanted(name, "train", settings.image, ALL), settings, folder)]
    parts[0] = (parts[0][0].take(slice(n_jets, None)), parts[0][1])
    if settings.data[name].mass:
        parts.append(prepare(Wanted(name, "mass", settings.image, ALL), settings, folder))
    return join([sample for sample, _ in parts]), {key: each for _, about in parts for key, each in about.items()}


def measuring_sample(name: str, image: ImageSpec, settings: Settings, folder: Path) -> tuple[Sample, Any]:
    """The jets of a class that nothing is learned from."""
    return prepare(Wanted(name, "measure", image, settings.sizes.measuring), settings, folder)


def prepare(wanted: Wanted, settings: Settings, folder: Path) -> tuple[Sample, dict[str, Any]]:
    """The jets of a class, and where they come from; read from `folder` where they were prepared before.

    Raises `InputError` where a file is not there, or holds none of these jets.
    """
    source = settings.data[wanted.name]
    paths = [data_path(name) for name in getattr(source, wanted.part)]
    validity = settings.setup.data.validity
    fingerprint = _fingerprint(wanted, paths, source.label, validity)
    path = folder / f"{wanted.name}_{wanted.part}_{fingerprint}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as found:
            about = json.loads(str(found["about"]))
            return Sample(**{each.name: found[each.name] for each in fields(Sample)}), about
    sample = _read(paths, wanted, source.label, validity)
    about = {each.name: {"checksum": checksum_of(each, "sha256"), **_provenance(each)} for each in paths}
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, force=True) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            about=np.array(json.dumps(about)),
            **{each.name: getattr(sample, each.name) for each in fields(Sample)},
        )
    return sample, about


def _fingerprint(wanted: Wanted, paths: list[Path], label: int, validity: Validity) -> str:
    """Changes with everything that a prepared sample depends on."""
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    text = json.dumps([asdict(wanted), files, label, asdict(validity)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _provenance(path: Path) -> dict[str, Any]:
    """How a file was simulated: seed, summary and versions, where it says so."""
    if path.suffix != ".root":
        return {}
    with uproot.open(path) as file:
        if "provenance" not in file:
            return {}
        content = json.loads(str(file["provenance"]))
    return {"seed": content["job"]["seed"], "summary": content["summary"], "versions": content["versions"]}


def _read(paths: list[Path], wanted: Wanted, label: int, validity: Validity) -> Sample:
    parts: list[Sample] = []
    for path in paths:
        for jets in iter_jets(path, ReadOptions()):
            parts.append(_sample_of(_chosen(jets, label, validity), wanted.image))
            if sum(map(len, parts)) >= wanted.n_jets:
                return join(parts).take(slice(wanted.n_jets))
    if not sum(map(len, parts)):
        raise InputError(f"{', '.join(map(str, paths))}: no jets of label {label} with {validity}")
    return join(parts)


def _chosen(jets: Jets, label: int, validity: Validity) -> Jets:
    if jets.label is None:
        raise InputError(f"jets without labels (layout {jets.layout}), expected {label} for this class")
    return select(jets, validity.contains(jets) & (jets.label == label) & (jets.n_constituents > 0))


def _sample_of(jets: Jets, image: ImageSpec) -> Sample:
    images = make_images(jets, image)
    found = jet_features(jets, ("multiplicity", "girth", "ptd"))
    squares = np.square(images, dtype=np.float64).sum(axis=(1, 2))
    pt, mass = (np.asarray(each, dtype=np.float64) for each in (jets.pt, jets.mass))
    return Sample(images, pt, mass, found["multiplicity"], found["girth"], found["ptd"], squares)


def data_folder() -> Path:
    """Where data files are looked up."""
    return Path(os.environ.get("JETNAE_DATA", "data"))


def checksums(*abouts: Mapping[str, Any]) -> dict[str, str]:
    """Checksums of input files by name."""
    return {name: each["checksum"] for about in abouts for name, each in about.items()}


def versions() -> Mapping[str, str]:
    """Of what results depend on."""
    import torch

    from jetnae.version import __version__

    return {"jetnae": __version__, "torch": torch.__version__, "numpy": np.__version__}
