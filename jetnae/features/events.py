"""Variables of whole events, from the four-vectors of their jets and the missing transverse momentum.

j1 and j2 are the two jets of largest pT. An event with too few jets gives NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from jetnae.errors import InputError
from jetnae.features.feature import Feature, by_name
from jetnae.features.substructure import ratio
from jetnae.jets import FOUR_VECTOR

if TYPE_CHECKING:
    from jetnae.jets import FloatArray, IntArray, Jets

N_LEADING = 4
MET = ("met_pt", "met_phi")
"""The event columns that hold the missing transverse momentum, GeV and rad."""


@dataclass(frozen=True)
class Events:
    """What the event features of a batch share. Raises `InputError` where the missing momentum is needed but absent."""

    jets: Jets

    @cached_property
    def row(self) -> IntArray:
        """The event of each jet, (n_jets,), counted from the start of the batch."""
        return np.asarray(self.jets.event_index - self.jets.first_event)

    @cached_property
    def leading(self) -> dict[str, FloatArray]:
        """pt, eta, phi, mass of the leading jets by falling pT, (n_events, 4) each, NaN where there are fewer."""
        order = np.lexsort((-self.jets.pt, self.row))
        row = self.row[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = rank < N_LEADING
        vectors = {name: np.full((self.jets.n_events, N_LEADING), np.nan) for name in FOUR_VECTOR}
        for name, column in vectors.items():
            column[row[kept], rank[kept]] = getattr(self.jets, name)[order][kept]
        return vectors

    @cached_property
    def dijet(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Invariant mass, px and py of the two leading jets together, (n_events,) each, GeV."""
        pt, eta, phi, mass = (self.leading[name][:, :2] for name in FOUR_VECTOR)
        energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        total = [part.sum(axis=1) for part in (energy, px, py, pz)]
        mass2 = total[0] ** 2 - total[1] ** 2 - total[2] ** 2 - total[3] ** 2
        return np.sqrt(np.maximum(mass2, 0.0)), total[1], total[2]

    @cached_property
    def ht(self) -> FloatArray:
        """Scalar sum of the pT of all jets, (n_events,), GeV."""
        return np.bincount(self.row, weights=self.jets.pt, minlength=self.jets.n_events).astype(np.float64)

    @cached_property
    def met(self) -> tuple[FloatArray, FloatArray]:
        """Missing transverse momentum, (n_events,) each: GeV and rad."""
        if not has_met(self.jets):
            others = [name for name, feature in EVENT_FEATURES.items() if feature.needs != "met"]
            raise InputError(
                f"the events hold no {' and '.join(MET)}, found {', '.join(self.jets.events) or 'no columns'}: choose "
                f"among {', '.join(others)}, or a file and layout that have the missing transverse momentum"
            )
        pt, phi = (np.asarray(self.jets.events[name], dtype=np.float64) for name in MET)
        return pt, phi

    @cached_property
    def transverse_mass(self) -> FloatArray:
        """M_T of the dijet and the missing transverse momentum, (n_events,), GeV."""
        mjj, px, py = self.dijet
        met, phi = self.met
        along = px * np.cos(phi) + py * np.sin(phi)
        mass2 = mjj**2 + 2 * met * (np.sqrt(mjj**2 + px**2 + py**2) - along)
        return np.sqrt(np.maximum(mass2, 0.0))

    def dphi_min(self, n_leading: int) -> FloatArray:
        """Smallest angle in azimuth between missing momentum and leading jets, (n_events,), rad in [0, pi]."""
        if not 1 <= n_leading <= N_LEADING:
            raise InputError(f"dphi_min looks at 1 to {N_LEADING} leading jets, not {n_leading}")
        angle = np.abs(wrap(self.leading["phi"][:, :n_leading] - self.met[1][:, None]))
        enough = ~np.isnan(angle[:, min(n_leading, 2) - 1])
        return np.where(enough, np.fmin.reduce(angle, axis=1), np.nan)

    @cached_property
    def extremes(self) -> tuple[FloatArray, FloatArray]:
        """pt and phi of the jets closest to and farthest from the missing momentum in azimuth, (n_events, 2) each."""
        angle = np.abs(wrap(self.jets.phi - self.met[1][self.row]))
        order = np.lexsort((angle, self.row))
        counts = self.jets.jets_per_event
        several = counts >= 2
        last = np.cumsum(counts)[several] - 1
        both = order[np.stack([last - counts[several] + 1, last], axis=1)]
        pt, phi = (np.full((self.jets.n_events, 2), np.nan) for _ in range(2))
        pt[several], phi[several] = self.jets.pt[both], self.jets.phi[both]
        return pt, phi

    @cached_property
    def pt_balance(self) -> FloatArray:
        """|vector sum| / scalar sum of the pT of the `extremes`, (n_events,), in [0, 1]."""
        pt, phi = self.extremes
        return ratio(np.hypot((pt * np.cos(phi)).sum(axis=1), (pt * np.sin(phi)).sum(axis=1)), pt.sum(axis=1))


def has_met(jets: Jets) -> bool:
    """Whether the events hold the missing transverse momentum."""
    return all(name in jets.events for name in MET)


def wrap(angle: FloatArray) -> FloatArray:
    """An angle in rad, brought to [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


_SVJ = "T. Cohen, M. Lisanti, H. K. Lou, arXiv:1503.00009; CMS Collaboration, arXiv:2112.11125"
_T_CHANNEL = "ATLAS Collaboration, arXiv:2305.18037"

EVENT_FEATURES: dict[str, Feature] = by_name(
    Feature("mjj", "GeV", "mass of j1 + j2", _SVJ, "jets", lambda events: events.dijet[0]),
    Feature("ht", "GeV", "sum pT of all jets", "CMS Collaboration, arXiv:2112.11125", "jets", lambda events: events.ht),
    Feature("st", "GeV", "ht + met_pt", _SVJ, "met", lambda events: events.ht + events.met[0]),
    Feature("met_pt", "GeV", "missing transverse momentum", "the experiment's", "met", lambda events: events.met[0]),
    Feature(
        "mt",
        "GeV",
        "sqrt(mjj^2 + 2 (sqrt(mjj^2 + pT_jj^2) met_pt - pT_jj . met)), of the sum jj of j1 and j2",
        _SVJ,
        "met",
        lambda events: events.transverse_mass,
    ),
    Feature("rt", "", "met_pt / mt", _SVJ, "met", ratio, parts=("met_pt", "mt")),
    Feature(
        "dphi_min",
        "rad",
        "min |dphi(jet, met)| over j1 and j2",
        _SVJ,
        "met",
        lambda events: events.dphi_min(2),
    ),
    Feature(
        "deta_jj",
        "",
        "|eta(j1) - eta(j2)|",
        _SVJ,
        "jets",
        lambda events: np.abs(events.leading["eta"][:, 0] - events.leading["eta"][:, 1]),
    ),
    Feature(
        "pt_balance",
        "",
        "|pT(a) + pT(b)| / (|pT(a)| + |pT(b)|), vectors of the jets a closest to and b farthest from met in azimuth",
        _T_CHANNEL,
        "met",
        lambda events: events.pt_balance,
    ),
    Feature(
        "dphi_max_min",
        "rad",
        "|dphi(a, b)| of the same two jets, the short way around",
        _T_CHANNEL,
        "met",
        lambda events: np.abs(wrap(events.extremes[1][:, 1] - events.extremes[1][:, 0])),
    ),
)
"""Every event feature there is: adding one is adding an entry."""
