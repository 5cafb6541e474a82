"""Jet features: their definitions, closed forms, and what must not change them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, combinations_with_replacement, permutations

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("fastjet", reason="needs the extra jetnae[cluster]")

import fastjet

from jetnae.errors import InputError
from jetnae.features import JET_FEATURES, angularity, jet_features
from jetnae.features.graphs import GRAPHS
from jetnae.jets import Jets, four_vectors, select
from tests.conftest import jets_of, random_constituents
from tests.features import COLLINEAR_UNSAFE, COUNTS, angles, around_axis, generated, in_double, jet, simulated

COMPUTED = tuple(name for name, feature in JET_FEATURES.items() if feature.needs in {"constituents", "reclustering"})


def assert_same(found: Jets, expected: Jets, *, but: set[str] = frozenset(), rtol: float = 1e-6) -> None:
    """The computed features of both are equal, apart from those named."""
    names = tuple(name for name in COMPUTED if name not in but)
    one, other = jet_features(found, names), jet_features(expected, names)
    for name in names:
        atol = 1e-4 if name == "sd_mass" else 1e-9  # GeV: the mass of a single constituent is rounding
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, atol=atol, err_msg=name)


# definitions


def test_shapes_follow_their_definitions() -> None:
    found = jet_features(simulated(), ("girth", "ptd", "lha", "thrust", "major_axis", "minor_axis", "multiplicity"))
    for i, constituents in enumerate(simulated().constituents):
        z, y, phi = around_axis(constituents)
        r = np.hypot(y, phi)
        variances = np.linalg.eigvalsh(np.cov(y, phi, aweights=z**2, ddof=0)) if len(z) > 1 else np.zeros(2)
        expected = {
            "girth": np.sum(z * r),
            "ptd": np.sqrt(np.sum(z**2)),
            "lha": np.sum(z * np.sqrt(r)),
            "thrust": np.sum(z * r**2),
            "major_axis": np.sqrt(variances[1]),
            "minor_axis": np.sqrt(max(variances[0], 0.0)),
            "multiplicity": len(z),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][i], value, rtol=1e-4, atol=1e-7, err_msg=name)


@pytest.mark.slow
def test_energy_flow_polynomials_are_the_sums_over_their_graphs() -> None:
    found = jet_features(simulated(), tuple(GRAPHS))
    for i, constituents in enumerate(simulated().constituents):
        z, y, phi = around_axis(constituents)
        theta = angles(y, phi)
        for name, edges in GRAPHS.items():
            vertices = sorted({vertex for edge in edges for vertex in edge})
            operands = [part for edge in edges for part in (theta, list(edge))]
            operands += [part for vertex in vertices for part in (z, [vertex])]
            value = np.einsum(*operands, [], optimize=True)
            np.testing.assert_allclose(found[name][i], value, rtol=1e-4, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("i", range(len(COUNTS)))
def test_energy_correlations_are_the_sums_over_pairs_and_triplets(i: int) -> None:
    jets = generated()
    z, y, phi = around_axis(jets.constituents[i])
    theta = angles(y, phi)
    e2 = sum(z[a] * z[b] * theta[a, b] for a, b in combinations(range(len(z)), 2))
    e3 = two_smallest = 0.0
    for a, b, c in combinations(range(len(z)), 3):
        three = sorted((theta[a, b], theta[b, c], theta[a, c]))
        e3 += z[a] * z[b] * z[c] * three[0] * three[1] * three[2]
        two_smallest += z[a] * z[b] * z[c] * three[0] * three[1]
    expected = [e3 / e2**2, e3 / e2**3, two_smallest / e2**2] if e2 else [0.0] * 3
    found = jet_features(jets, ("c2", "d2", "n2"))
    np.testing.assert_allclose([values[i] for values in found.values()], expected, rtol=1e-9)


def test_angles_are_taken_the_short_way_around() -> None:
    wide = jet((90.0, 0.0, 3.0), (40.0, 0.3, 3.0 + 2.5), (50.0, -0.2, 3.0 - 2.6))
    theta = [np.hypot(0.3, 2.5), np.hypot(0.2, 2.6), np.hypot(0.5, 2 * np.pi - 5.1)]
    z = np.array([90.0, 40.0, 50.0]) / 180.0
    found = jet_features(wide, ("efp_1_0", "efp_3_4"))
    expected = 2 * (z[0] * z[1] * theta[0] + z[0] * z[2] * theta[1] + z[1] * z[2] * theta[2])
    np.testing.assert_allclose(found["efp_1_0"], expected, rtol=1e-12)
    np.testing.assert_allclose(found["efp_3_4"], 6 * np.prod(z) * np.prod(theta), rtol=1e-12)


def test_energy_correlations_are_those_of_fastjet() -> None:
    jets = select(simulated(), simulated().n_constituents >= 3)
    constituents = in_double(jets.constituents)
    records = ak.zip({name: getattr(constituents, name) for name in ("px", "py", "pz", "E")}, with_name="Momentum4D")
    sequence = fastjet.ClusterSequence(
        ak.to_packed(records), fastjet.JetDefinition(fastjet.cambridge_aachen_algorithm, 10.0)
    )
    found = jet_features(jets, ("c2", "d2", "n2"))
    assert len(jets) > 980
    for name, values in found.items():
        expected = sequence.exclusive_jets_energy_correlator(njets=1, beta=1, func=name).to_numpy()
        np.testing.assert_allclose(values, expected, rtol=1e-4, err_msg=name)


def test_the_graphs_are_all_connected_ones_with_up_to_three_edges() -> None:
    def canonical(edges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
        relabeled = ([tuple(sorted((p[a], p[b]))) for a, b in edges] for p in permutations(range(4)))
        return min(tuple(sorted(each)) for each in relabeled)

    def connected(edges: tuple[tuple[int, int], ...]) -> bool:
        reached = set(edges[0])
        for _ in edges:
            reached |= {vertex for edge in edges if reached & set(edge) for vertex in edge}
        return reached == {vertex for edge in edges for vertex in edge}

    pairs = list(combinations(range(4), 2))
    every = {canonical(edges) for d in (1, 2, 3) for edges in combinations_with_replacement(pairs, d)}
    known = [canonical(edges) for edges in GRAPHS.values()]
    assert sorted(known) == sorted(edges for edges in every if connected(edges))
    assert all(name.split("_")[1] == str(len(edges)) for name, edges in GRAPHS.items())


@pytest.mark.parametrize(
    ("kappa", "beta", "name", "power"), [(0, 0, "multiplicity", 1), (2, 0, "ptd", 2), (1, 1, "girth", 1)]
)
def test_angularities_contain_the_known_ones(kappa: float, beta: float, name: str, power: int) -> None:
    jets = generated()
    np.testing.assert_allclose(angularity(jets, kappa, beta), jet_features(jets, (name,))[name] ** power, rtol=1e-12)


def test_negative_powers_are_refused() -> None:
    with pytest.raises(InputError, match="kappa = -1"):
        angularity(generated(), -1, 1)


# closed forms


@pytest.mark.parametrize("distance", [0.01, 0.4])
def test_two_equal_prongs(distance: float) -> None:
    two = jet((50.0, 1.0 - distance / 2, 3.1), (50.0, 1.0 + distance / 2, 3.1))
    expected = {
        "multiplicity": 2,
        "girth": distance / 2,
        "ptd": np.sqrt(0.5),
        "major_axis": distance / 2,
        "minor_axis": 0,
        "lha": np.sqrt(distance / 2),
        "thrust": distance**2 / 4,
        "sd_mass": 100 * np.sinh(distance / 2),
        "tau1": distance / 2 / 0.8,
        "tau2": 0,
        "tau21": 0,
        "tau32": 0,
        "c2": 0,
        "d2": 0,
        "n2": 0,
        "efp_1_0": distance / 2,
        "efp_2_0": distance**2 / 2,
        "efp_2_1": distance**2 / 4,
        "efp_3_0": distance**3 / 2,
        "efp_3_1": distance**3 / 4,
        "efp_3_2": distance**3 / 8,
        "efp_3_3": distance**3 / 8,
        "efp_3_4": 0,
    }
    for name, values in jet_features(two, tuple(expected)).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-7, err_msg=name)


def test_three_prongs_at_equal_distances() -> None:
    side = 0.3
    three = jet((20.0, 0.0, 3.0), (20.0, side, 3.0), (20.0, side / 2, 3.0 + side * np.sqrt(0.75) - 2 * np.pi))
    found = jet_features(three, ("c2", "d2", "n2", "tau3", "efp_3_4"))
    expected = [side / 3, 1.0, 1 / 3, 0.0, 6 * side**3 / 27]
    np.testing.assert_allclose(np.concatenate(list(found.values())), expected, rtol=1e-12, atol=1e-7)


def test_jets_with_one_constituent_or_none() -> None:
    jets = jets_of(random_constituents([0, 1, 5, 0]))
    found = jet_features(jets, COMPUTED)
    nonzero = {"multiplicity": 1, "ptd": 1}
    for name, values in found.items():
        np.testing.assert_allclose(values[1], nonzero.get(name, 0), atol=1e-4, err_msg=name)
        np.testing.assert_array_equal(values[[0, 3]], 0 if name == "multiplicity" else np.nan, err_msg=name)
        assert np.isfinite(values[2]), name
    assert all(len(values) == 0 for values in jet_features(select(jets, slice(0, 0)), COMPUTED).values())
    assert all(
        np.isnan(values[0])
        for name, values in jet_features(select(jets, slice(0, 1)), COMPUTED).items()
        if name != "multiplicity"
    )


# invariances


def test_permuting_the_constituents_changes_nothing() -> None:
    jets = generated().constituents
    order = ak.argsort(ak.Array([np.random.default_rng(i).random(n) for i, n in enumerate(COUNTS)]), axis=1)
    assert_same(jets_of(jets[order]), jets_of(jets))


@pytest.mark.parametrize("shift", [0.3, np.pi / 2, np.pi - 0.01, 4.0])
def test_turning_the_detector_in_phi_changes_nothing(shift: float) -> None:
    jets = generated().constituents
    turned = four_vectors(jets.pt, jets.eta, (jets.phi + shift + np.pi) % (2 * np.pi) - np.pi, jets.mass)
    assert_same(jets_of(turned), jets_of(jets))


@pytest.mark.parametrize("velocity", [-0.9, 0.5])
@pytest.mark.parametrize("make", [generated, simulated])
def test_boosting_along_the_beam_changes_nothing(make: Callable[[], Jets], velocity: float) -> None:
    jets = in_double(make().constituents[:50])
    moved = jets.boostZ(beta=velocity)
    assert_same(jets_of(four_vectors(moved.pt, moved.eta, moved.phi, jets.mass)), jets_of(jets), rtol=1e-5)


def test_splitting_a_constituent_along_itself_changes_what_is_not_collinear_safe_only() -> None:
    jets = generated().constituents
    hardest = ak.argmax(jets.pt, axis=1, keepdims=True) == ak.local_index(jets.pt)
    parts = [ak.concatenate([jets[name], jets[name][hardest]], axis=1) for name in ("pt", "eta", "phi", "mass")]
    share = ak.concatenate([ak.where(hardest, 0.3, 1.0), ak.full_like(jets.pt[hardest], 0.7)], axis=1)
    split = jets_of(four_vectors(parts[0] * share, *parts[1:]))
    assert_same(split, jets_of(jets), but=COLLINEAR_UNSAFE)
    before, after = (jet_features(each, ("multiplicity", "ptd")) for each in (jets_of(jets), split))
    np.testing.assert_array_equal(after["multiplicity"], before["multiplicity"] + 1)
    assert (after["ptd"] < before["ptd"]).all()


def test_a_very_soft_constituent_changes_the_multiplicity_only() -> None:
    jets = select(generated(), generated().n_constituents > 3).constituents
    axis = jets_of(jets)
    soft = four_vectors(
        *(
            ak.Array(np.asarray(column)[:, None].tolist())
            for column in (np.full(len(axis), 1e-9), axis.eta + 0.3, axis.phi, np.zeros(len(axis)))
        )
    )
    added = four_vectors(*(ak.concatenate([jets[name], soft[name]], axis=1) for name in ("pt", "eta", "phi", "mass")))
    assert_same(jets_of(added), axis, but={"multiplicity"})


def test_scaling_all_momenta_scales_masses_only() -> None:
    jets = generated().constituents
    harder = jets_of(four_vectors(7 * jets.pt, jets.eta, jets.phi, jets.mass))
    assert_same(harder, jets_of(jets), but={"sd_mass"})
    heavy, light = (jet_features(each, ("sd_mass",))["sd_mass"] for each in (harder, jets_of(jets)))
    np.testing.assert_allclose(heavy, 7 * light, rtol=1e-6, atol=1e-3)
