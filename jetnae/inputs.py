"""From jets to the input of a model: images, rows of features, or what a trigger sees of a crossing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jetnae.features import (
    EVENT_FEATURES,
    JET_FEATURES,
    FeatureSpec,
    available,
    event_features,
    jet_features,
    make_features,
    with_parts,
)
from jetnae.images import ImageSpec, make_images
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.selection import JET_NAMES, Passing, Selection, apply

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jetnae.jets import Jets

Spec = ImageSpec | FeatureSpec | RegionSpec | ObjectSpec
"""How jets become the input of a model."""

KINDS: dict[str, type[Spec]] = {
    "image": ImageSpec,
    "features": FeatureSpec,
    "regions": RegionSpec,
    "objects": ObjectSpec,
}
"""The kinds of input, as checkpoints and configurations name them."""
CROSSINGS: dict[str, type[RegionSpec | ObjectSpec]] = {"regions": RegionSpec, "objects": ObjectSpec}
"""The kinds that a file of bunch crossings holds as they are, by the name of the column."""


def make_inputs(jets: Jets, spec: Spec) -> npt.NDArray[np.float32]:
    """Inputs (n_jets, *spec.shape), float32; raises `InputError` where the jets lack what they are made of."""
    if isinstance(spec, ImageSpec):
        return make_images(jets, spec)
    return make_features(jets, spec) if isinstance(spec, FeatureSpec) else spec.make(jets)


def kind_of(spec: Spec) -> str:
    """The name of a kind of input."""
    return next(name for name, kind in KINDS.items() if isinstance(spec, kind))


def value_names(spec: Spec) -> tuple[str, ...]:
    """What each value of a row is called; empty for images and regions."""
    return () if isinstance(spec, ImageSpec | RegionSpec) else spec.names


def pixel_sum(spec: Spec) -> float | None:
    """What the values of every input sum to, None where they are free."""
    return spec.pixel_sum if isinstance(spec, ImageSpec) else None


def missing(spec: Spec, jets: Jets) -> tuple[str, ...]:
    """What these jets lack to become inputs: constituents, regions, or features by name; empty where nothing."""
    if isinstance(spec, ImageSpec):
        return () if jets.constituents is not None else ("constituents",)
    if not isinstance(spec, FeatureSpec):
        return tuple(name for name in (kind_of(spec),) if name not in jets.columns)
    there = available(jets)
    return tuple(name for name in spec.names if name not in there)


def sources(spec: Spec | None, selection: Selection) -> tuple[str, ...]:
    """The columns to read, where a file has them, for a model's input and for cuts on features."""
    wanted = (*(spec.names if isinstance(spec, FeatureSpec) else ()), *sorted(selection.names))
    met = ("met_pt", "met_phi") if any(name in EVENT_FEATURES for name in selection.names) else ()
    arrays = (kind_of(spec),) if isinstance(spec, RegionSpec | ObjectSpec) else ()
    return (*arrays, *(name for name in (*with_parts(wanted), *met) if name not in JET_NAMES))


def passing(selection: Selection, jets: Jets) -> Passing:
    """What passes the cuts; features they name are computed from the constituents where there are any, as for models.

    Raises `InputError` for names that are neither columns nor features that these jets can give.
    """
    names = selection.names - JET_NAMES
    of_jets = jet_features(jets, sorted(names & set(JET_FEATURES)))
    of_events = event_features(jets, sorted((names & set(EVENT_FEATURES)) - set(jets.events)))
    extended = replace(jets, columns={**jets.columns, **of_jets}, events={**jets.events, **of_events})
    return apply(selection, extended)
