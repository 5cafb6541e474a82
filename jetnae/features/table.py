"""Every jet feature there is: adding one is adding an entry.

All that is computed uses rapidity and azimuth (see `jetnae.features.substructure`), z = pT / sum pT of the
constituents, and dR = sqrt(dy^2 + dphi^2) to the sum of their four-vectors or between two of them. A jet without
constituents has multiplicity 0 and NaN for the rest. A jet with a single one has ptd = 1, its own mass as sd_mass, and
0 for angularities, axes, N-subjettiness, correlations and all ratios.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jetnae.features.feature import Feature, by_name
from jetnae.features.graphs import GRAPHS
from jetnae.features.substructure import ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetnae.features.substructure import Substructure
    from jetnae.jets import FloatArray

_ANGULARITIES = "A. Larkoski, J. Thaler, W. Waalewijn, arXiv:1408.3122"
_AXES = "CMS Collaboration, JME-13-002"
_SUBJETTINESS = "J. Thaler, K. Van Tilburg, arXiv:1011.2268, arXiv:1108.2701"
_CORRELATIONS = "A. Larkoski, G. Salam, J. Thaler, arXiv:1305.0007"
_GENERALIZED = "I. Moult, L. Necib, J. Thaler, arXiv:1609.07483"
_POLYNOMIALS = "P. Komiske, E. Metodiev, J. Thaler, arXiv:1712.07124"


def _own(name: str) -> Callable[[Substructure], FloatArray]:
    return lambda substructure: np.array(getattr(substructure.jets, name), dtype=np.float64)


def _stored(name: str) -> Callable[[Substructure], FloatArray]:
    return lambda substructure: substructure.column(name)


def _angularity(kappa: float, beta: float) -> Callable[[Substructure], FloatArray]:
    return lambda substructure: substructure.angularity(kappa, beta)


def _moment(name: str) -> Callable[[Substructure], FloatArray]:
    return lambda substructure: substructure.moments[name]


def _correlator(name: str) -> Callable[[Substructure], FloatArray]:
    return lambda substructure: substructure.correlators[name]


def _tau(name: str) -> Callable[[Substructure], FloatArray]:
    return lambda substructure: substructure.subjettiness[name]


def _energy_correlation(three_points: str, per_triplet: float, power: int) -> Callable[[Substructure], FloatArray]:
    """A three-point function, counting each triplet once, over a power of the two-point function."""
    return lambda substructure: ratio(
        substructure.correlators[three_points] / per_triplet, (substructure.correlators["efp_1_0"] / 2) ** power
    )


_N2 = _energy_correlation("2e3", 1, 2)


def _polynomials() -> tuple[Feature, ...]:
    features = []
    for name, edges in GRAPHS.items():
        angles = " ".join(f"theta_{i}{j}" for i, j in edges)
        unit = "rad" if len(edges) == 1 else f"rad^{len(edges)}"
        formula = f"sum of z_0 ... z_{max(map(max, edges))} {angles} over all constituents for every index"
        features.append(Feature(name, unit, formula, _POLYNOMIALS, "constituents", _correlator(name)))
    return tuple(features)


def _fractions() -> tuple[Feature, ...]:
    kinds = ("charged_hadron", "neutral_hadron", "photon", "electron", "muon")
    formula = "energy of the constituents of this kind / energy of all, before corrections"
    return tuple(
        Feature(f"{kind}_fraction", "", formula, "the experiment's", "file", _stored(f"{kind}_fraction"))
        for kind in kinds
    )


JET_FEATURES: dict[str, Feature] = by_name(
    Feature("pt", "GeV", "transverse momentum of the jet, as in the file", "the experiment's", "jets", _own("pt")),
    Feature("eta", "", "pseudorapidity of the jet, as in the file", "the experiment's", "jets", _own("eta")),
    Feature("phi", "rad", "azimuth of the jet, as in the file", "the experiment's", "jets", _own("phi")),
    Feature("mass", "GeV", "mass of the jet, as in the file", "the experiment's", "jets", _own("mass")),
    Feature(
        "multiplicity",
        "",
        "number of constituents",
        _AXES,
        "constituents",
        lambda substructure: substructure.counts.astype(np.float64),
    ),
    Feature(
        "girth",
        "rad",
        "sum z dR, also called width or angularity (1, 1)",
        "J. Gallicchio, M. Schwartz, arXiv:1106.3076",
        "constituents",
        _angularity(1, 1),
    ),
    Feature("ptd", "", "sqrt(sum pT^2) / sum pT", _AXES, "constituents", _moment("ptd")),
    Feature(
        "major_axis",
        "rad",
        "square root of the larger eigenvalue of the pT^2-weighted covariance of (y, phi)",
        _AXES,
        "constituents",
        _moment("major_axis"),
    ),
    Feature(
        "minor_axis",
        "rad",
        "square root of the smaller eigenvalue of the pT^2-weighted covariance of (y, phi)",
        _AXES,
        "constituents",
        _moment("minor_axis"),
    ),
    Feature(
        "lha", "rad^0.5", "sum z dR^0.5, not divided by the radius", _ANGULARITIES, "constituents", _angularity(1, 0.5)
    ),
    Feature(
        "thrust", "rad^2", "sum z dR^2, not divided by the radius", _ANGULARITIES, "constituents", _angularity(1, 2)
    ),
    Feature(
        "sd_mass",
        "GeV",
        "mass after soft drop on the Cambridge/Aachen tree, z_cut = 0.1, beta = 0",
        "A. Larkoski, S. Marzani, G. Soyez, J. Thaler, arXiv:1402.2657",
        "reclustering",
        lambda substructure: substructure.groomed.jets.mass,
    ),
    Feature(
        "sd_n2",
        "",
        "n2 of what soft drop leaves of the jet; `n2b1` of CMS NanoAOD",
        _GENERALIZED,
        "reclustering",
        lambda substructure: _N2(substructure.groomed),
    ),
    Feature(
        "sd_n3",
        "",
        "n3 of what soft drop leaves of the jet; `n3b1` of CMS NanoAOD",
        _GENERALIZED,
        "file",
        _stored("sd_n3"),
    ),
    *(
        Feature(
            f"tau{n}",
            "",
            f"sum z min(dR to {n} axes) / R_0, one-pass minimization from exclusive k_T; R_0 the radius of the jets, "
            "0.8 where unknown",
            _SUBJETTINESS,
            "reclustering",
            _tau(f"tau{n}"),
        )
        for n in (1, 2, 3, 4)
    ),
    *(
        Feature(
            f"tau{n}{n - 1}",
            "",
            f"tau{n} / tau{n - 1}",
            _SUBJETTINESS,
            "reclustering",
            ratio,
            parts=(f"tau{n}", f"tau{n - 1}"),
        )
        for n in (2, 3, 4)
    ),
    Feature("c2", "rad", "e_3 / e_2^2, beta = 1", _CORRELATIONS, "constituents", _energy_correlation("efp_3_4", 6, 2)),
    Feature(
        "d2",
        "",
        "e_3 / e_2^3, beta = 1",
        "A. Larkoski, I. Moult, D. Neill, arXiv:1409.6298",
        "constituents",
        _energy_correlation("efp_3_4", 6, 3),
    ),
    Feature("n2", "", "2e_3 / (1e_2)^2, beta = 1", _GENERALIZED, "constituents", _N2),
    Feature("n3", "", "2e_4 / (1e_3)^2, beta = 1", _GENERALIZED, "file", _stored("n3")),
    *_polynomials(),
    *_fractions(),
)
