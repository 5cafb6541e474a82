"""Whether cuts on a score shape the mass spectrum of the background. Numbers in, frozen result out."""

from __future__ import annotations

from jetnae.sculpting.distance import distance_correlation
from jetnae.sculpting.divergence import jensen_shannon
from jetnae.sculpting.measure import SculptOptions, mass_dependence
from jetnae.sculpting.result import MassDependence, PseudoBump, Sculpting

__all__ = [
    "MassDependence",
    "PseudoBump",
    "SculptOptions",
    "Sculpting",
    "distance_correlation",
    "jensen_shannon",
    "mass_dependence",
]
