"""A training from jet files alone: the configuration follows from the jets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError
from jetnae.features import FeatureSpec, available
from jetnae.inputs import CROSSINGS, Spec, kind_of, missing
from jetnae.io import ReadOptions, open_jets
from jetnae.jets import Jets
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.models import MODELS
from jetnae.selection import Selection
from jetnae.training import defaults
from jetnae.training.config import RunConfig
from jetnae.training_data import EVERYTHING, Clustering, DataConfig, selected_jets


@dataclass(frozen=True)
class Request:
    """What a user says beside the files; None and empty leave the choice to the jets and to the defaults.

    radius : of the jets, where the files do not say it or where jets are found in events, then with `min_pt` in GeV and
    `soft_drop`. features : take these instead of images. input : regions or objects, where the files hold bunch
    crossings. `weights` as in `DataConfig`.
    """

    model: str = defaults.MODEL
    features: tuple[str, ...] = ()
    n_jets: int = defaults.N_JETS
    seed: int = 1
    layout: str | None = None
    collection: str | None = None
    radius: float | None = None
    selection: Selection = field(default_factory=Selection)
    min_pt: float | None = None
    soft_drop: bool = False
    weights: bool | None = None
    input: str | None = None

    @property
    def spec(self) -> Spec | None:
        """How jets become inputs, as far as the request says it; raises `InputError` for contradictions."""
        if self.input is None:
            return FeatureSpec(self.features) if self.features else None
        if self.input not in CROSSINGS:
            raise InputError(f"input {self.input!r}, expected {' or '.join(CROSSINGS)}")
        if self.features:
            raise InputError(f"both features and input {self.input}, expected one of them")
        return CROSSINGS[self.input]()


@dataclass(frozen=True)
class Kinematics:
    """What the range of validity follows from: pt in GeV and |eta| of the jets (n_jets,), and their radius."""

    pt: npt.NDArray[np.float64]
    abs_eta: npt.NDArray[np.float64]
    radius: float


def configure(files: Sequence[Path], request: Request) -> RunConfig:
    """The configuration to train on these files with.

    The range of the model is that of the jets: 0.5 % to 99.5 % of their pt and 99.5 % of their |eta|, rounded outwards;
    of models of bunch crossings it is everything.
    Raises `InputError` where the jets lack what the model takes, their radius is unknown, or too few are there.
    """
    if request.model not in MODELS:
        raise InputError(f"unknown model {request.model!r}, expected one of {', '.join(MODELS)}")
    names = tuple(str(path.resolve()) for path in files)
    clustering = _clustering(files[0], request)
    found = look_at(names, request, clustering)
    spec = request.spec
    of_crossings = isinstance(spec, RegionSpec | ObjectSpec)
    valid = (EVERYTHING.pt, EVERYTHING.abs_eta) if of_crossings else _range(found)
    data = _data(names, request, *valid, radius=found.radius, clustering=clustering)
    inside = (found.pt >= data.pt[0]) & (found.pt <= data.pt[1]) & (found.abs_eta <= data.abs_eta)
    spec = spec or defaults.default_image(found.radius)
    return RunConfig(
        data=replace(data, n_jets=int(np.count_nonzero(inside))),
        model={"name": request.model, **defaults.default_model(request.model, spec)},
        train=defaults.default_steps(request.model, request.seed, spec),
        **{kind_of(spec): spec},  # type: ignore[arg-type]
    )


def look_at(names: tuple[str, ...], request: Request, clustering: Clustering) -> Kinematics:
    """The jets that pass the cuts, at most as many as asked for; raises `InputError` where they cannot be used."""
    spec = request.spec or defaults.IMAGE
    everything = _data(
        names, request, (0.0, math.inf), math.inf, radius=request.radius or math.nan, clustering=clustering
    )
    pt, eta, radii = [], [], set()
    for path, jets in selected_jets(everything, spec, in_range=False):
        _require(jets, spec, path)
        pt.append(jets.pt)
        eta.append(np.abs(jets.eta))
        radii.add(jets.radius)
    values = np.concatenate(pt)[: request.n_jets].astype(np.float64)
    if len(values) < 20:
        raise InputError(f"{len(values)} jets pass the selection in {', '.join(names)}, expected at least 20")
    return Kinematics(values, np.concatenate(eta)[: len(values)].astype(np.float64), radius_of(radii, request))


def _data(
    names: tuple[str, ...],
    request: Request,
    pt: tuple[float, float],
    abs_eta: float,
    *,
    radius: float,
    clustering: Clustering,
) -> DataConfig:
    return DataConfig(
        names,
        request.n_jets,
        pt,
        abs_eta,
        radius,
        layout=request.layout,
        collection=request.collection,
        selection=request.selection,
        weights=request.weights,
        clustering=clustering,
    )


def _clustering(path: Path, request: Request) -> Clustering:
    """How jets are found; a radius given for stored jets only says what the file does not."""
    with open_jets(path, ReadOptions(request.layout, request.collection)) as file:
        clusters = file.match.collection.link == "cluster"
        arrays = tuple(file.match.collection.arrays)
    if arrays and request.spec is None:
        raise InputError(f"{path}: holds bunch crossings, say what to train on with --input {' or '.join(arrays)}")
    return Clustering(request.radius if clusters else None, request.min_pt, request.soft_drop)


def _range(found: Kinematics) -> tuple[tuple[float, float], float]:
    low, high = np.quantile(found.pt, defaults.PT_QUANTILES)
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-6)) - 0.5)
    pt = (_tidy(math.floor(low / step) * step), _tidy(math.ceil(high / step) * step))
    return pt, _tidy(math.ceil(np.quantile(found.abs_eta, defaults.PT_QUANTILES[1]) * 10) / 10)


def _tidy(value: float) -> float:
    """Without the last digits that rounding to a step leaves."""
    return float(f"{value:.10g}")


def _require(jets: Jets, spec: Spec, path: Path) -> None:
    lacks = missing(spec, jets)
    if lacks and isinstance(spec, RegionSpec | ObjectSpec):
        raise InputError(f"{path}: no {', '.join(lacks)} (layout {jets.layout}), expected a file of bunch crossings")
    if lacks:
        raise InputError(
            f"{path}: the jets '{jets.collection}' (layout {jets.layout}) have no {', '.join(lacks)}: train on "
            f"features that are there, as --features {','.join(available(jets)[:4])}"
        )


def radius_of(radii: set[float | None], request: Request) -> float:
    """The radius of the jets, from the files or the request; raises `InputError` for several, or none."""
    known = {radius for radius in radii if radius is not None}
    if len(known) > 1:
        raise InputError(f"jets of radii {', '.join(f'{r:g}' for r in sorted(known))}: train on one at a time")
    if known:
        return float(known.pop())
    if request.radius is None:
        raise InputError("the radius of the jets is not known from the files: give it with --radius, as --radius 0.8")
    return request.radius
