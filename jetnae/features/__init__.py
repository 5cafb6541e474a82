"""Features: the substructure of jets and the variables of events, by name.

    jet_features(jets, ("girth", "c2"))     # from the constituents, or from the file where it has none
    event_features(jets, ("mjj", "mt"))
    make_features(jets, FeatureSpec(("girth", "ptd", "tau21")))

`JET_FEATURES` and `EVENT_FEATURES` hold the formula, unit and reference of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from jetnae.errors import InputError
from jetnae.features.events import EVENT_FEATURES, Events, has_met
from jetnae.features.feature import Feature
from jetnae.features.substructure import Substructure
from jetnae.features.table import JET_FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from jetnae.jets import FloatArray, Jets

__all__ = [
    "EVENT_FEATURES",
    "JET_FEATURES",
    "Feature",
    "FeatureSpec",
    "angularity",
    "available",
    "available_events",
    "dphi_min",
    "event_features",
    "jet_features",
    "make_features",
    "with_parts",
]


@dataclass(frozen=True)
class FeatureSpec:
    """The jet features that a model takes as its input, in this order.

    center, scale : what is subtracted from each, and what the difference is divided by; empty leaves the units.
    Raises `InputError` for no features, for unknown ones, for one given twice, and for a scale that is not positive.
    """

    names: tuple[str, ...]
    center: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("features: names is empty, expected at least one jet feature")
        _check_known(self.names, JET_FEATURES)
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise InputError(f"features: {', '.join(twice)} given more than once, name each feature once")
        if {len(self.center), len(self.scale)} not in ({0}, {len(self.names)}) or min(self.scale, default=1.0) <= 0:
            raise InputError(f"features: expected a center and a positive scale for each of {len(self.names)}, or none")

    @property
    def shape(self) -> tuple[int]:
        """The shape of one input."""
        return (len(self.names),)

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of a file that these features may come from: themselves, or what they are functions of."""
        return with_parts(self.names)

    def standardized(
        self, table: npt.NDArray[np.float32], weights: npt.NDArray[np.float64] | None = None
    ) -> FeatureSpec:
        """This specification with medians and half the central 68 % of a table (n_jets, n_features) in its units.

        Quantiles, because tails must not decide what is near; a feature that never changes keeps its unit. `weights`
        (n_jets,) are event weights.
        """
        table = table.astype(np.float64)
        if weights is None:
            low, middle, high = np.nanquantile(table, (0.16, 0.5, 0.84), axis=0)
        else:
            spread = np.broadcast_to(weights[:, None], table.shape)  # one number per row fails with missing values
            low, middle, high = np.nanquantile(table, (0.16, 0.5, 0.84), axis=0, weights=spread, method="inverted_cdf")
        scale = np.where(high > low, (high - low) / 2, 1.0)
        return replace(self, center=tuple(middle.tolist()), scale=tuple(scale.tolist()))


def with_parts(names: Iterable[str]) -> tuple[str, ...]:
    """Feature names and those that they are functions of; names of anything else are left out."""
    table = JET_FEATURES | EVENT_FEATURES
    known = [name for name in names if name in table]
    return tuple(dict.fromkeys([*known, *(part for name in known for part in with_parts(table[name].parts))]))


def available(jets: Jets) -> tuple[str, ...]:
    """Names of the jet features that can be given for these jets."""
    fastjet = find_spec("fastjet") is not None
    return tuple(name for name in JET_FEATURES if _has_source(jets, name) and (fastjet or not _reclusters(jets, name)))


def available_events(jets: Jets) -> tuple[str, ...]:
    """Names of the event features that can be given for these jets."""
    return tuple(name for name, feature in EVENT_FEATURES.items() if feature.needs != "met" or has_met(jets))


def jet_features(jets: Jets, names: Sequence[str] | None = None) -> dict[str, FloatArray]:
    """Features of each jet, float64 (n_jets,) each, in the order of `names`.

    Computed from the constituents where there are any, else taken from `jets.columns` under the same name; `n3` and the
    energy fractions always come from there. Without `names`: all that can be given without reclustering. A jet without
    constituents has multiplicity 0 and NaN for what needs them. Raises `InputError` naming those that are unknown or
    cannot be given, with those that can, and `MissingExtraError` where FastJet is needed but not installed.
    """
    if names is None:
        names = [name for name in available(jets) if not _reclusters(jets, name)]
    _check_known(names, JET_FEATURES)
    missing = [name for name in names if not _has_source(jets, name)]
    if missing:
        raise InputError(
            f"the jets '{jets.collection}' have {'no' if jets.constituents is None else 'their'} constituents but no "
            f"column {', '.join(missing)}: available are {', '.join(available(jets))}"
        )
    substructure = Substructure(jets)
    return {name: _jet_feature(substructure, name) for name in names}


def event_features(jets: Jets, names: Sequence[str] | None = None) -> dict[str, FloatArray]:
    """Features of each event, float64 (n_events,) each, in the order of `names`; NaN where there are too few jets.

    Without `names`: all, or those that need no missing transverse momentum where the events hold none. Raises
    `InputError` for unknown names, and where `met_pt` and `met_phi` are needed but absent.
    """
    names = available_events(jets) if names is None else names
    _check_known(names, EVENT_FEATURES)
    events = Events(jets)
    return {name: _event_feature(events, name) for name in names}


def make_features(jets: Jets, spec: FeatureSpec) -> npt.NDArray[np.float32]:
    """Turn jets into the rows of a model's input.

    Returns float32 (n_jets, n_features), centered and scaled, else in the units of `JET_FEATURES`. Where features are
    computed from constituents, a jet without any gives a row of NaN. The jets are not changed. Raises like
    `jet_features`.
    """
    columns = jet_features(jets, spec.names)
    table = np.stack([columns[name] for name in spec.names], axis=1)
    if spec.center:
        table = (table - np.asarray(spec.center)) / np.asarray(spec.scale)
    table = table.astype(np.float32)
    if any(_computed(jets, name) for name in spec.names):
        table[jets.n_constituents == 0] = np.nan
    return table


def angularity(jets: Jets, kappa: float, beta: float) -> FloatArray:
    """Generalized angularity sum z^kappa dR^beta of each jet, (n_jets,), rad^beta; NaN for one without constituents.

    Around the sum of the constituents, not divided by the radius: (0, 0) is the multiplicity, (2, 0) is ptd^2, (1, 1)
    the girth (A. Larkoski, J. Thaler, W. Waalewijn, arXiv:1408.3122). Raises `InputError` for negative powers, and for
    jets without constituents.
    """
    if kappa < 0 or beta < 0:
        raise InputError(f"angularity: kappa = {kappa}, beta = {beta}, expected powers of 0 or more")
    return Substructure(jets).angularity(kappa, beta)


def dphi_min(jets: Jets, n_leading: int = 2) -> FloatArray:
    """Smallest |dphi(jet, met)| over the leading jets of each event, (n_events,), rad in [0, pi].

    Over as many of the `n_leading` (1 to 4) as there are; NaN for fewer than two jets, or none where `n_leading` is 1.
    Raises `InputError` for other numbers, and where the events hold no missing transverse momentum.
    """
    return Events(jets).dphi_min(n_leading)


def _computed(jets: Jets, name: str) -> bool:
    """Whether a feature comes from the constituents."""
    return jets.constituents is not None and JET_FEATURES[name].needs in {"constituents", "reclustering"}


def _reclusters(jets: Jets, name: str) -> bool:
    return _computed(jets, name) and JET_FEATURES[name].needs == "reclustering"


def _stored(jets: Jets, name: str) -> bool:
    """Whether a feature is the file's own column."""
    return name in jets.columns and JET_FEATURES[name].needs != "jets" and not _computed(jets, name)


def _has_source(jets: Jets, name: str) -> bool:
    feature = JET_FEATURES[name]
    if feature.needs == "jets" or _computed(jets, name) or _stored(jets, name):
        return True
    return bool(feature.parts) and all(_has_source(jets, part) for part in feature.parts)


def _jet_feature(substructure: Substructure, name: str) -> FloatArray:
    """One feature that has a source: the file's own, or a function of others, or computed."""
    feature = JET_FEATURES[name]
    if _stored(substructure.jets, name):
        return substructure.column(name)
    if feature.parts:
        return feature.compute(*(_jet_feature(substructure, part) for part in feature.parts))
    return feature.compute(substructure)


def _event_feature(events: Events, name: str) -> FloatArray:
    feature = EVENT_FEATURES[name]
    if feature.parts:
        return feature.compute(*(_event_feature(events, part) for part in feature.parts))
    return feature.compute(events)


def _check_known(names: Sequence[str], table: Mapping[str, Feature]) -> None:
    unknown = [name for name in names if name not in table]
    if unknown:
        raise InputError(f"unknown feature {', '.join(unknown)}, the known ones are {', '.join(table)}")
