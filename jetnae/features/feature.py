"""What a feature says of itself, and the choice of features that a model takes as its input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetnae.jets import FloatArray

Needs = Literal["jets", "constituents", "reclustering", "file", "met"]


@dataclass(frozen=True)
class Feature:
    """One number per jet or per event, and everything there is to know about it.

    name : what it is called in specifications, results and `Jets.columns`.
    unit : `GeV`, `rad`, or empty for a pure number.
    formula, reference : its definition, and where that comes from.
    needs : `jets` the four-vectors; `constituents`; `reclustering` them, with FastJet; `file` where it can only be
        taken from the file; `met` the missing transverse momentum.
    compute : from what jets or events share (see `jetnae.features.substructure`, `jetnae.features.events`) to values
        (n,); from the `parts` where there are any.
    parts : names of the features it is a function of.
    """

    name: str
    unit: str
    formula: str
    reference: str
    needs: Needs
    compute: Callable[..., FloatArray] = field(repr=False, compare=False)
    parts: tuple[str, ...] = ()


def by_name(*features: Feature) -> dict[str, Feature]:
    """A table of features, in the order given."""
    return {feature.name: feature for feature in features}
