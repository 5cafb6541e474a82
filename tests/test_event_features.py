"""Event features: by hand from the four-vectors, and the laws between them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from jetnae.errors import InputError
from jetnae.features import EVENT_FEATURES, available_events, dphi_min, event_features
from jetnae.jets import Jets, select

PER_EVENT = [2, 0, 5, 1, 3, 2, 4, 0]
FIRST = 100


def events_with(counts: list[int], seed: int = 1, *, met: bool = True) -> Jets:
    """Events with jets in no order of pT, without constituents."""
    rng = np.random.default_rng(seed)
    n_jets, n_events = sum(counts), len(counts)
    columns = {"met_pt": rng.exponential(200.0, n_events), "met_phi": rng.uniform(-np.pi, np.pi, n_events)}
    return Jets(
        constituents=None,
        pt=rng.exponential(300.0, n_jets) + 50,
        eta=rng.normal(0, 1.2, n_jets),
        phi=rng.uniform(-np.pi, np.pi, n_jets),
        mass=rng.exponential(60.0, n_jets),
        event_index=np.repeat(np.arange(n_events), counts) + FIRST,
        n_events=n_events,
        first_event=FIRST,
        events=columns if met else {},
    )


def dphi(one: float, other: float) -> float:
    return abs(math.remainder(one - other, 2 * math.pi))


def by_hand(jets: Jets, event: int) -> dict[str, float]:
    """The features of one event, in plain loops."""
    inside = np.flatnonzero(jets.event_index == event + FIRST)
    met, met_phi = float(jets.events["met_pt"][event]), float(jets.events["met_phi"][event])
    ht = sum(float(jets.pt[i]) for i in inside)
    result = dict.fromkeys(EVENT_FEATURES, math.nan) | {"ht": ht, "st": ht + met, "met_pt": met}
    if len(inside) < 2:
        return result
    pt, eta, phi, mass = (column.tolist() for column in (jets.pt, jets.eta, jets.phi, jets.mass))
    a, b = sorted(inside, key=lambda i: -pt[i])[:2]
    energy = sum(math.sqrt((pt[i] * math.cosh(eta[i])) ** 2 + mass[i] ** 2) for i in (a, b))
    px, py = (sum(pt[i] * turn(phi[i]) for i in (a, b)) for turn in (math.cos, math.sin))
    pz = sum(pt[i] * math.sinh(eta[i]) for i in (a, b))
    mjj2 = energy**2 - px**2 - py**2 - pz**2
    dot = px * met * math.cos(met_phi) + py * met * math.sin(met_phi)
    mt = math.sqrt(mjj2 + 2 * (math.sqrt(mjj2 + px**2 + py**2) * met - dot))
    near, far = (pick(inside, key=lambda i: dphi(phi[i], met_phi)) for pick in (min, max))
    vector = [pt[near] * turn(phi[near]) + pt[far] * turn(phi[far]) for turn in (math.cos, math.sin)]
    return result | {
        "mjj": math.sqrt(mjj2),
        "mt": mt,
        "rt": met / mt,
        "dphi_min": min(dphi(phi[i], met_phi) for i in (a, b)),
        "deta_jj": abs(eta[a] - eta[b]),
        "pt_balance": math.hypot(*vector) / (pt[near] + pt[far]),
        "dphi_max_min": dphi(phi[near], phi[far]),
    }


@pytest.mark.parametrize("event", range(len(PER_EVENT)))
def test_event_features_are_what_the_formulas_say(event: int) -> None:
    jets = events_with(PER_EVENT)
    found = event_features(jets)
    assert tuple(found) == tuple(EVENT_FEATURES)
    for name, expected in by_hand(jets, event).items():
        np.testing.assert_allclose(found[name][event], expected, rtol=1e-9, err_msg=name)


def test_the_transverse_mass_is_at_least_the_dijet_mass() -> None:
    found = event_features(events_with([2] * 500), ("mt", "mjj"))
    assert (found["mt"] > found["mjj"]).all()


def test_the_transverse_mass_without_missing_momentum_is_the_dijet_mass() -> None:
    jets = events_with([2, 3])
    found = event_features(replace(jets, events={**jets.events, "met_pt": np.zeros(2)}))
    np.testing.assert_allclose(found["mt"], found["mjj"], rtol=1e-12)
    np.testing.assert_array_equal(found["rt"], 0.0)


def test_the_transverse_mass_of_invisible_energy_along_the_dijet() -> None:
    """All missing momentum along a dijet at rest in z gives back a mediator that decayed into jets of mass zero."""
    jets = Jets(
        None,
        pt=np.array([1000.0, 600.0]),
        eta=np.zeros(2),
        phi=np.array([0.0, np.pi]),
        mass=np.zeros(2),
        event_index=np.zeros(2, dtype=np.int64),
        n_events=1,
        events={"met_pt": np.array([400.0]), "met_phi": np.array([np.pi])},
    )
    np.testing.assert_allclose(event_features(jets, ("mt",))["mt"], 2000.0)
    assert event_features(jets, ("dphi_min",))["dphi_min"] == 0


def test_turning_the_event_in_phi_changes_nothing() -> None:
    jets = events_with(PER_EVENT)
    turn = 2.5
    turned = replace(
        jets,
        phi=np.angle(np.exp(1j * (jets.phi + turn))),
        events={**jets.events, "met_phi": np.angle(np.exp(1j * (jets.events["met_phi"] + turn)))},
    )
    for name, expected in event_features(jets).items():
        np.testing.assert_allclose(event_features(turned)[name], expected, rtol=1e-9, err_msg=name)


def test_more_leading_jets_come_no_farther_from_the_missing_momentum() -> None:
    jets = events_with(PER_EVENT)
    angles = [dphi_min(jets, n) for n in (1, 2, 3, 4)]
    several = np.array(PER_EVENT) >= 2
    for fewer, more in pairwise(angles):
        assert (more[several] <= fewer[several]).all()
    np.testing.assert_array_equal(np.isnan(angles[3]), ~several)
    np.testing.assert_array_equal(np.isnan(angles[0]), np.array(PER_EVENT) == 0)
    np.testing.assert_array_equal(angles[1], event_features(jets, ("dphi_min",))["dphi_min"])
    with pytest.raises(InputError, match="1 to 4 leading jets, not 5"):
        dphi_min(jets, 5)


def test_without_missing_momentum_the_rest_is_given() -> None:
    jets = events_with(PER_EVENT, met=False)
    assert available_events(jets) == ("mjj", "ht", "deta_jj")
    assert tuple(event_features(jets)) == available_events(jets)
    for name in set(EVENT_FEATURES) - set(available_events(jets)):
        with pytest.raises(InputError, match=r"no met_pt and met_phi.*choose among mjj, ht, deta_jj"):
            event_features(jets, (name,))


def test_an_unknown_event_feature_is_named() -> None:
    with pytest.raises(InputError, match="unknown feature girth, the known ones are mjj"):
        event_features(events_with([2]), ("girth",))


def test_a_batch_without_jets_keeps_its_events() -> None:
    jets = events_with(PER_EVENT)
    found = event_features(select(jets, np.zeros(len(jets), dtype=bool)))
    np.testing.assert_array_equal(found["ht"], np.zeros(len(PER_EVENT)))
    assert np.isnan(found["mjj"]).all()
    none = replace(
        select(jets, np.zeros(len(jets), dtype=bool)), n_events=0, events={k: v[:0] for k, v in jets.events.items()}
    )
    assert all(values.shape == (0,) for values in event_features(none).values())
