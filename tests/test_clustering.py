"""Jets found in events: the definition by brute force, invariances, and grooming against the feature of that name."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from jetnae.clustering import ClusterSpec, cluster
from jetnae.errors import InputError
from jetnae.features import jet_features
from jetnae.jets import Jets, four_vectors

Momenta = tuple[np.ndarray, ...]


def events(n_events: int, seed: int = 1) -> tuple[Momenta, np.ndarray]:
    """Sprays around two axes per event over soft particles everywhere."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(8, 25, n_events)
    event = np.repeat(np.arange(n_events), counts)
    axis = rng.integers(0, 2, len(event))
    eta = rng.normal(0, 1, (n_events, 2))[event, axis] + rng.normal(0, 0.3, len(event))
    phi = (axis * np.pi + rng.normal(0, 0.3, len(event)) + 0.3) % (2 * np.pi) - np.pi
    pt = rng.exponential(20.0, len(event)) + 0.1
    return (pt, eta, phi, rng.uniform(0, 0.2, len(event))), counts


def brute_force(momenta: Momenta, spec: ClusterSpec) -> list[tuple[float, list[int]]]:
    """Anti-kT by its definition: (pt, members) of the jets above the threshold, by falling pt."""
    vectors = four_vectors(*momenta)
    left = [
        (np.array([getattr(vectors[i], name) for name in ("px", "py", "pz", "E")]), [i]) for i in range(len(vectors))
    ]
    jets = []
    while left:
        pt = np.array([np.hypot(p[0], p[1]) for p, _ in left])
        y = np.array([0.5 * np.log((p[3] + p[2]) / (p[3] - p[2])) for p, _ in left])
        phi = np.array([np.arctan2(p[1], p[0]) for p, _ in left])
        dphi = np.abs(phi[:, None] - phi)
        distance = (y[:, None] - y) ** 2 + np.minimum(dphi, 2 * np.pi - dphi) ** 2
        pairs = np.minimum(pt[:, None] ** -2, pt**-2) * distance / spec.radius**2
        np.fill_diagonal(pairs, pt**-2.0)
        i, j = np.unravel_index(np.argmin(pairs), pairs.shape)
        if i == j:
            jets.append((float(pt[i]), sorted(left.pop(i)[1])))
        else:
            merged = (left[i][0] + left[j][0], left[i][1] + left[j][1])
            left = [each for k, each in enumerate(left) if k not in {i, j}] + [merged]
    return sorted((jet for jet in jets if jet[0] >= spec.min_pt), key=lambda jet: -jet[0])


@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_jets_are_those_of_the_definition(radius: float) -> None:
    spec = ClusterSpec(radius=radius, min_pt=15.0)
    momenta, counts = events(30)
    found = cluster(momenta, counts, spec)
    ends, jet, member = np.cumsum(counts), 0, 0
    for event, (start, stop) in enumerate(zip(ends - counts, ends, strict=True)):
        expected = brute_force(tuple(part[start:stop] for part in momenta), spec)
        assert found.n_jets[event] == len(expected)
        for pt, members in expected:
            mine = found.members[member : member + found.counts[jet]]
            assert sorted((mine - start).tolist()) == members
            assert found.pt[jet] == pytest.approx(pt, rel=1e-9)
            assert (np.diff(momenta[0][mine]) <= 0).all()
            jet, member = jet + 1, member + found.counts[jet]
    assert jet == len(found.pt)


def test_events_do_not_know_of_each_other() -> None:
    momenta, counts = events(12)
    whole = cluster(momenta, counts, ClusterSpec(min_pt=10.0))
    start, pts = 0, []
    for count in counts:
        one = cluster(
            tuple(part[start : start + count] for part in momenta), np.array([count]), ClusterSpec(min_pt=10.0)
        )
        pts += one.pt.tolist()
        start += count
    assert whole.pt.tolist() == pytest.approx(pts, rel=1e-12)


def test_events_without_particles_have_no_jets() -> None:
    momenta, counts = events(3)
    padded = np.array([0, *counts, 0])
    found = cluster(momenta, padded, ClusterSpec(min_pt=10.0))
    assert found.n_jets[[0, -1]].tolist() == [0, 0]
    assert found.n_jets[1:-1].tolist() == cluster(momenta, counts, ClusterSpec(min_pt=10.0)).n_jets.tolist()
    nothing = cluster(tuple(part[:0] for part in momenta), np.array([0, 0]), ClusterSpec())
    assert (nothing.n_jets.tolist(), len(nothing.pt)) == ([0, 0], 0)


def test_groomed_jets_have_the_soft_drop_mass_of_the_ungroomed_ones() -> None:
    momenta, counts = events(40)
    plain = cluster(momenta, counts, ClusterSpec(radius=1.0, min_pt=30.0))
    groomed = cluster(momenta, counts, ClusterSpec(radius=1.0, min_pt=30.0, soft_drop=True))
    assert groomed.n_jets.tolist() == plain.n_jets.tolist()
    ragged = ak.unflatten(four_vectors(*(part[plain.members] for part in momenta)), plain.counts)
    jets = Jets(ragged, plain.pt, plain.eta, plain.phi, plain.mass, np.arange(len(plain.pt)), len(plain.pt))
    expected = jet_features(jets, ["sd_mass"])["sd_mass"]
    event = np.repeat(np.arange(len(counts)), plain.n_jets)
    for each in range(len(counts)):  # grooming changes the order within an event
        np.testing.assert_allclose(
            np.sort(groomed.mass[event == each]), np.sort(expected[event == each]), rtol=1e-6, atol=1e-6
        )
    assert groomed.counts.sum() < plain.counts.sum()


@pytest.mark.parametrize("wrong", [{"radius": 0.0}, {"radius": 9.0}, {"min_pt": 0.0}, {"z_cut": 0.7}])
def test_what_makes_no_jets_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"clustering: .* expected"):
        ClusterSpec(**wrong)
