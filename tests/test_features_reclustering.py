"""Soft drop and N-subjettiness: against FastJet called directly, and against their definitions on its trees."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

pytest.importorskip("fastjet", reason="needs the extra jetnae[cluster]")

import fastjet

import jetnae
from jetnae.features import available, jet_features
from jetnae.jets import four_vectors, select
from tests.conftest import jets_of, random_constituents
from tests.features import generated, in_double, short_way, simulated

TAUS = ("tau1", "tau2", "tau3", "tau4")


def particles(constituents: ak.Array) -> list[list[fastjet.PseudoJet]]:
    """The constituents of each jet."""
    columns = [getattr(in_double(constituents), name).to_list() for name in ("px", "py", "pz", "E")]
    return [[fastjet.PseudoJet(*each) for each in zip(*jet, strict=True)] for jet in zip(*columns, strict=True)]


def groom(parts: list[fastjet.PseudoJet]) -> tuple[float, list[fastjet.PseudoJet]]:
    """Mass and constituents after soft drop.

    Undo the last step of the Cambridge/Aachen tree, dropping the softer branch, until both are hard enough.
    """
    definition = fastjet.JetDefinition(fastjet.cambridge_aachen_algorithm, 100.0)
    sequence = fastjet.ClusterSequence(parts, definition)
    branch, one, other = sequence.exclusive_jets(1)[0], fastjet.PseudoJet(), fastjet.PseudoJet()
    while branch.has_parents(one, other):
        if min(one.pt(), other.pt()) > 0.1 * (one.pt() + other.pt()):
            break
        branch = fastjet.PseudoJet(one if one.pt() > other.pt() else other)
    return max(branch.m(), 0.0), [fastjet.PseudoJet(part) for part in branch.constituents()]


def minimized_tau(parts: list[fastjet.PseudoJet], n_axes: int, radius: float) -> tuple[float, float]:
    """tau of the exclusive kT axes, and after each axis has moved to where its own constituents are closest to it."""
    pt, y, phi = (np.array([getattr(part, name)() for part in parts]) for name in ("pt", "rap", "phi"))
    sequence = fastjet.ClusterSequence(parts, fastjet.JetDefinition(fastjet.kt_algorithm, 100.0))
    axes = np.array([[axis.rap(), axis.phi()] for axis in sequence.exclusive_jets(n_axes)])
    taus = []
    for _ in range(100):
        dy, dphi = axes[:, :1] - y, short_way(axes[:, 1:] - phi)
        distance = np.hypot(dy, dphi)
        nearest = distance.argmin(axis=0)
        taus.append(float(np.sum(pt * distance.min(axis=0)) / pt.sum() / radius))
        weight = np.where(nearest == np.arange(n_axes)[:, None], pt / np.maximum(distance, 1e-12), 0.0)
        axes = axes - np.stack([(weight * dy).sum(1), (weight * dphi).sum(1)], axis=1) / weight.sum(1)[:, None]
    return taus[0], min(taus)


def test_soft_drop_follows_its_definition_on_the_tree() -> None:
    found = jet_features(simulated(), ("sd_mass", "sd_n2"))
    masses, kept = zip(*(groom(parts) for parts in particles(simulated().constituents)), strict=True)
    np.testing.assert_allclose(found["sd_mass"], masses, rtol=1e-4, atol=1e-3)
    momenta = (
        ak.Array([[getattr(part, name)() for part in parts] for parts in kept]) for name in ("pt", "eta", "phi", "m")
    )
    left = jets_of(four_vectors(*momenta))
    np.testing.assert_allclose(found["sd_n2"], jet_features(left, ("n2",))["n2"], rtol=1e-4, atol=1e-9)
    assert (left.n_constituents < simulated().n_constituents).mean() > 0.5


@pytest.mark.parametrize("name", ["nano/nano_tt_v15.root", "nano/pfnano.root"])
def test_features_are_those_that_cms_stores(name: str, real_data: Path) -> None:
    """To the rounding of NanoAOD, of constituents as well as of features."""
    jets = jetnae.read_jets(real_data / name)
    with uproot.open(real_data / name) as file:
        stored = {key: ak.flatten(file["Events"][f"FatJet_{key}"].array()).to_numpy() for key in (*TAUS, "n2b1")}
    found = jet_features(jets, (*TAUS, "sd_n2"))
    for ours, theirs in zip(found.values(), stored.values(), strict=True):
        both = np.isfinite(ours) & (theirs > 0)
        assert both.sum() >= 20
        difference = np.abs(ours[both] / theirs[both] - 1)
        assert np.median(difference) < 0.002
        assert np.quantile(difference, 0.9) < 0.01


def test_subjettiness_is_that_of_fastjet() -> None:
    constituents = in_double(simulated().constituents)
    records = ak.zip({name: getattr(constituents, name) for name in ("px", "py", "pz", "E")}, with_name="Momentum4D")
    sequence = fastjet.ClusterSequence(records, fastjet.JetDefinition(fastjet.cambridge_aachen_algorithm, 10.0))
    expected = sequence.njettiness(axes_definition="OnePass_KT_Axes", beta=1.0, R0=0.8).to_numpy()
    found = np.stack(list(jet_features(simulated(), TAUS).values()), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4])
def test_subjettiness_is_minimized_from_the_kt_axes(n_axes: int) -> None:
    jets = select(simulated(), simulated().n_constituents > 10)
    jets = select(jets, slice(0, 100))
    found = jet_features(jets, (f"tau{n_axes}",))[f"tau{n_axes}"]
    pairs = [minimized_tau(parts, n_axes, 0.8) for parts in particles(jets.constituents)]
    start, minimum = np.array(pairs).T
    assert (found <= start * (1 + 1e-6)).all()
    # both stop at the minimum next to the same start; which of two close ones may differ
    assert np.median(np.abs(found / minimum - 1)) < 1e-3
    assert np.quantile(np.abs(found / minimum - 1), 0.9) < 0.02


def test_subjettiness_is_relative_to_the_radius() -> None:
    jets = generated()
    half, whole = (jet_features(each, TAUS) for each in (replace(jets, radius=1.6), jets))
    for name in TAUS:
        np.testing.assert_allclose(half[name], whole[name] / 2, rtol=1e-3, atol=1e-9)


def test_clustering_some_jets_at_a_time_changes_nothing() -> None:
    jets = jets_of(random_constituents(np.random.default_rng(3).integers(0, 6, 4500)))
    names = ("sd_mass", *TAUS)
    whole = jet_features(jets, names)
    parts = [jet_features(select(jets, part), names) for part in (slice(0, 700), slice(700, 2500), slice(2500, None))]
    for name, values in whole.items():
        np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]), err_msg=name)
        np.testing.assert_array_equal(np.isnan(values), jets.n_constituents == 0, err_msg=name)


def test_an_absurd_constituent_stops_nothing() -> None:
    pt, eta, phi = (
        ak.Array([[10.0, 5.0], [10.0, 5.0]]),
        ak.Array([[800.0, 0.0], [0.1, 0.2]]),
        ak.Array([[0.0, 0.1]] * 2),
    )
    jets = jets_of(four_vectors(pt, [[0.0, 0.1], [0.1, 0.2]], phi, ak.zeros_like(pt)))
    found = jet_features(replace(jets, constituents=four_vectors(pt, eta, phi, ak.zeros_like(pt))), available(jets))
    for name, values in jet_features(jets, available(jets)).items():
        np.testing.assert_allclose(found[name][1], values[1], err_msg=name)


WITHOUT_FASTJET = """
import sys
sys.modules["fastjet"] = None
import jetnae
from jetnae.errors import MissingExtraError
from jetnae.features import available, jet_features
jets = jetnae.read_jets(sys.argv[1])
assert "sd_mass" not in available(jets) and "c2" in available(jets)
assert set(jet_features(jets)) == set(available(jets))
for name in ("sd_mass", "tau21"):
    try:
        jet_features(jets, (name,))
    except MissingExtraError as error:
        print(error)
"""


def test_without_the_extra_one_line_says_how_to_get_it(events_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_FASTJET, str(events_root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("FastJet" in line and "pip install 'jetnae[cluster]'" in line for line in lines)


def test_features_are_imported_without_the_compiler_and_fastjet() -> None:
    code = "import sys, jetnae.features; print(*sorted({'numba', 'fastjet', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
