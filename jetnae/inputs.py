"""From jets to the input of a model: images, or rows of features."""

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
from jetnae.selection import JET_NAMES, Passing, Selection, apply

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jetnae.jets import Jets

Spec = ImageSpec | FeatureSpec
"""How jets become the input of a model."""


def make_inputs(jets: Jets, spec: Spec) -> npt.NDArray[np.float32]:
    """Images (n_jets, rows, columns) or features (n_jets, n_features), float32; raises `InputError` as these do."""
    return make_images(jets, spec) if isinstance(spec, ImageSpec) else make_features(jets, spec)


def pixel_sum(spec: Spec) -> float | None:
    """What the values of every input sum to, None where they are free."""
    return spec.pixel_sum if isinstance(spec, ImageSpec) else None


def missing(spec: Spec, jets: Jets) -> tuple[str, ...]:
    """What these jets lack to become inputs: constituents, or features by name; empty where nothing."""
    if isinstance(spec, ImageSpec):
        return () if jets.constituents is not None else ("constituents",)
    there = available(jets)
    return tuple(name for name in spec.names if name not in there)


def sources(spec: Spec | None, selection: Selection) -> tuple[str, ...]:
    """The columns to read, where a file has them, for a model's input and for cuts on features."""
    wanted = (*(spec.names if isinstance(spec, FeatureSpec) else ()), *sorted(selection.names))
    met = ("met_pt", "met_phi") if any(name in EVENT_FEATURES for name in selection.names) else ()
    return tuple(name for name in (*with_parts(wanted), *met) if name not in JET_NAMES)


def passing(selection: Selection, jets: Jets) -> Passing:
    """What passes the cuts; features they name are computed from the constituents where there are any, as for models.

    Raises `InputError` for names that are neither columns nor features that these jets can give.
    """
    names = selection.names - JET_NAMES
    of_jets = jet_features(jets, sorted(names & set(JET_FEATURES)))
    of_events = event_features(jets, sorted((names & set(EVENT_FEATURES)) - set(jets.events)))
    extended = replace(jets, columns={**jets.columns, **of_jets}, events={**jets.events, **of_events})
    return apply(selection, extended)
