"""Laws of the simulation: reproducible, energy conserving, and physical."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra jetnae[simulate]")
pytest.importorskip("fastjet", reason="needs the extra jetnae[simulate]")

import awkward as ak
import h5py
import hdf5plugin  # noqa: F401 - registers the blosc filter
import uproot

import jetnae.simulate
from jetnae.errors import InputError, MissingExtraError
from jetnae.simulate import (
    Calorimeter,
    Detector,
    JetCuts,
    Job,
    Objects,
    Particles,
    Request,
    generate,
    new_pythia,
    produce,
    qcd,
    reconstruct,
    semivisible,
    simulate_chunk,
    top,
    w,
    weighted_qcd,
)

PERFECT = Detector(
    track_resolution=0.0,
    cell_energy_min=0.0,
    electromagnetic=Calorimeter(0.025, 0.0, 0.0),
    hadronic=Calorimeter(0.1, 0.0, 0.0),
)


def particles(
    pdg_id: int, pt: np.ndarray, *, eta: np.ndarray | float, charged: bool = False, phi: float = 0.3
) -> Particles:
    """Massless particles of one kind, one per event."""
    n = len(pt)
    eta = np.broadcast_to(eta, n)
    momentum = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    return Particles(np.arange(n), np.full(n, pdg_id), np.full(n, charged), *momentum)


def seen(made: Particles, detector: Detector, seed: int = 0) -> Objects:
    return reconstruct(made, detector, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("pdg_id", "stochastic", "constant"), [(22, 0.10, 0.007), (11, 0.10, 0.007), (130, 0.50, 0.03)]
)
@pytest.mark.parametrize("energy", [20.0, 200.0])
def test_calorimeter_resolution_is_the_stated_one(
    pdg_id: int, stochastic: float, constant: float, energy: float
) -> None:
    eta = 0.41
    n = 20_000
    objects = seen(particles(pdg_id, np.full(n, energy / np.cosh(eta)), eta=eta), Detector())
    measured = objects.pt * np.cosh(objects.eta) / energy
    expected = np.hypot(stochastic / np.sqrt(energy), constant)
    assert abs(measured.mean() - 1) < 4 * expected / np.sqrt(n)
    assert measured.std() == pytest.approx(expected, rel=0.03)


def test_track_resolution_and_mass() -> None:
    objects = seen(particles(211, np.full(20_000, 50.0), eta=1.0, charged=True), Detector())
    assert objects.pt.std() / 50.0 == pytest.approx(0.01, rel=0.03)
    assert np.unique(objects.mass).tolist() == [0.13957]


@pytest.mark.parametrize(
    ("pdg_id", "pt", "eta", "n_seen"),
    [
        (211, 0.4, 0.0, 0),  # too soft for a track
        (211, 0.6, 0.0, 1),
        (211, 5.0, 3.0, 1),  # beyond the tracker: a cell
        (211, 5.0, 5.0, 0),
        (13, 5.0, 3.0, 0),  # muons beyond the tracker leave nothing
        (22, 5.0, -4.8, 1),
        (22, 0.2, 0.0, 0),
        (130, 5.0, 5.0, 0),
    ],
)
def test_acceptance(pdg_id: int, pt: float, eta: float, n_seen: int) -> None:
    detector = replace(Detector(), electromagnetic=PERFECT.electromagnetic, hadronic=PERFECT.hadronic)
    charged = pdg_id in (13, 211)
    objects = seen(particles(pdg_id, np.array([pt]), eta=eta, charged=charged), detector)
    assert len(objects.pt) == n_seen
    if n_seen and abs(eta) > 2.5:
        assert objects.mass.tolist() == [0.0]


def test_cells_conserve_energy_and_keep_events_apart() -> None:
    rng = np.random.default_rng(1)
    n = 5000
    made = particles(22, rng.exponential(2.0, n), eta=rng.uniform(-4, 4, n))
    made = replace(made, event=np.sort(rng.integers(0, 5, n)))
    objects = seen(made, PERFECT)
    assert len(objects.pt) < n
    summed = np.bincount(objects.event, objects.pt * np.cosh(objects.eta))
    np.testing.assert_allclose(summed, np.bincount(made.event, made.energy), rtol=1e-12)


def test_a_cell_at_the_edge_of_phi_lies_inside_the_circle() -> None:
    for phi in (np.pi, -np.pi, np.nextafter(np.pi, 0)):
        objects = seen(particles(22, np.array([5.0]), eta=0.0, phi=phi), PERFECT)
        assert abs(abs(objects.phi[0]) - np.pi) < 0.025


def test_missing_momentum_balances_all_objects() -> None:
    made = particles(22, np.array([100.0]), eta=0.0, phi=0.0)
    met_pt, met_phi = seen(made, PERFECT).missing_momentum(2)
    assert met_pt == pytest.approx([100.0, 0.0], rel=1e-3)
    assert abs(met_phi[0]) == pytest.approx(np.pi, abs=0.02)


def test_the_bias_weight_is_the_generator_s_own() -> None:
    process = weighted_qcd()
    pythia = new_pythia(process, 7)
    expected = [pythia.infoPython().weight() for _ in range(20) if pythia.next()]
    # Pythia biases before it gives heavy quarks their masses.
    np.testing.assert_allclose(generate(process, 20, seed=7).weight, expected, rtol=2e-3)


@pytest.fixture(scope="module")
def qcd_job() -> Job:
    return Job(qcd(), JetCuts(), seed=5, chunk_size=60)


@pytest.fixture(scope="module")
def sample(qcd_job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qcd")
    produce(qcd_job, Request(folder, "qcd", 120))
    return folder


def test_the_number_of_processes_changes_nothing(qcd_job: Job, sample: Path, tmp_path: Path) -> None:
    produce(qcd_job, Request(tmp_path, "qcd", 120, n_workers=2))
    with uproot.open(sample / "qcd.root") as one, uproot.open(tmp_path / "qcd.root") as two:
        assert ak.array_equal(one["events"].arrays(), two["events"].arrays())
        assert str(one["provenance"]) == str(two["provenance"])
    with h5py.File(sample / "qcd.h5") as one, h5py.File(tmp_path / "qcd.h5") as two:
        assert (one["table/table"][:] == two["table/table"][:]).all()


def test_constituents_sum_to_their_jet_within_the_window(sample: Path) -> None:
    with uproot.open({sample / "qcd.root": "events"}) as tree:
        events = tree.arrays()
    assert 120 <= ak.sum(events.nJet) <= 121
    assert len(np.unique(events.event)) == len(events)
    for event in events:
        pt, eta, phi, mass = (
            event[f"Constituent_{name}"].to_numpy().astype(float) for name in ("pt", "eta", "phi", "mass")
        )
        p4 = [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), np.hypot(pt * np.cosh(eta), mass)]
        px, py, pz, energy = (np.bincount(event.Constituent_jetIdx, component) for component in p4)
        np.testing.assert_allclose(np.hypot(px, py), event.Jet_pt, rtol=1e-5)
        jet_mass = np.sqrt(energy**2 - px**2 - py**2 - pz**2)
        np.testing.assert_allclose(jet_mass, event.Jet_mass, rtol=1e-3)
        for index in range(event.nJet):
            assert (np.diff(pt[event.Constituent_jetIdx == index]) <= 0).all()
        assert (np.diff(event.Jet_pt.to_numpy()) <= 0).all()
    jet_pt, jet_eta = ak.flatten(events.Jet_pt), ak.flatten(events.Jet_eta)
    assert ak.all((jet_pt > 550) & (jet_pt < 650) & (abs(jet_eta) < 2))


def test_root_and_hdf5_hold_the_same_jets(sample: Path) -> None:
    with uproot.open({sample / "qcd.root": "events"}) as tree:
        events = tree.arrays()
    with h5py.File(sample / "qcd.h5") as file:
        rows = file["table/table"][:]
        np.testing.assert_array_equal(file["event"][:], np.repeat(events.event, events.nJet))
    p4 = rows["values_block_0"][:, :800].reshape(len(rows), 200, 4).astype(float)
    summed = p4.sum(axis=1)
    np.testing.assert_allclose(np.hypot(summed[:, 1], summed[:, 2]), ak.flatten(events.Jet_pt), rtol=1e-5)
    assert (p4[..., 0] > 0).sum() == ak.sum(events.nConstituent)
    assert (rows["values_block_1"][:, 1] == 0).all()
    assert rows["index"].tolist() == list(range(len(rows)))


def test_top_jets_weigh_as_much_as_the_top(qcd_job: Job) -> None:
    tops = simulate_chunk(Job(top(), JetCuts(matched_only=True), seed=5, chunk_size=300), 0)
    light = simulate_chunk(qcd_job, 0)
    assert (tops.jet["label"] == 1).all()
    assert 140 < np.median(tops.jet["mass"]) < 190
    assert np.median(light.jet["mass"]) < 110
    energy, *momentum = tops.jet["truth"].astype(float).T
    top_mass = np.sqrt(energy**2 - np.sum(np.square(momentum), axis=0))
    assert np.median(top_mass) == pytest.approx(172, abs=5)


def test_w_jets_weigh_as_much_as_the_w_whose_quarks_they_hold() -> None:
    job = Job(w(), JetCuts(matched_only=True), seed=5, chunk_size=300)
    chunk = simulate_chunk(job, 0)
    assert (chunk.jet["label"] == 1).all()
    assert 75 < np.median(chunk.jet["mass"]) < 95
    energy, *momentum = chunk.jet["truth"].astype(float).T
    mass = np.sqrt(energy**2 - np.sum(np.square(momentum), axis=0))
    assert np.median(mass) == pytest.approx(80.4, abs=2)
    truth = generate(job.process, 100, seed=5).truth
    assert truth.p4.shape == (100, 2, 4)
    assert truth.prongs.shape == (100, 2, 2, 2)
    # momenta of the quarks sum to that of their W, so that it moves in their plane, between them
    eta, phi = truth.prongs[..., 0], truth.prongs[..., 1]
    quarks = np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=-1) / np.cosh(eta)[..., None]
    boson = truth.p4[..., 1:] / np.linalg.norm(truth.p4[..., 1:], axis=-1, keepdims=True)
    whole = np.arccos(np.sum(quarks[:, :, 0] * quarks[:, :, 1], axis=-1))
    parts = np.arccos(np.sum(quarks * boson[:, :, None], axis=-1))
    np.testing.assert_allclose(parts.sum(axis=-1), whole, atol=1e-6)


def test_semivisible_events_miss_momentum() -> None:
    cuts = JetCuts(pt_min=100.0, pt_max=np.inf, eta_max=2.4, n_leading=4, min_jets=2)
    missing = {}
    for r_inv in (0.0, 0.6):
        process = semivisible(m_mediator=2000.0, m_dark=20.0, r_inv=r_inv)
        chunk = simulate_chunk(Job(process, cuts, seed=5, chunk_size=100), 0)
        assert chunk.n_jets.min() >= 2
        assert chunk.n_jets.max() <= 4
        assert chunk.jet["label"].mean() > 0.5
        missing[r_inv] = np.median(chunk.event["met_pt"])
    assert missing[0.6] > 2 * missing[0.0]


def test_bad_requests_say_what_to_do(qcd_job: Job, sample: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--force"):
        produce(qcd_job, Request(sample, "qcd", 10))
    with pytest.raises(InputError, match="at least 1"):
        produce(qcd_job, Request(tmp_path, "qcd", 0))
    with pytest.raises(InputError, match="r_inv"):
        semivisible(m_mediator=2000.0, m_dark=20.0, r_inv=1.5)
    with pytest.raises(InputError, match="not accept"):
        new_pythia(replace(qcd(), settings=("HardQCD:nothing = on",)), 1)


def test_cuts_that_no_jet_passes_end_the_run(qcd_job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jetnae.simulate.run.MAX_EMPTY_CHUNKS", 2)
    job = replace(qcd_job, cuts=JetCuts(pt_min=5000.0, pt_max=6000.0), chunk_size=2)
    with pytest.raises(InputError, match="within the cuts"):
        produce(job, Request(tmp_path, "qcd", 10))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_nothing_behind(qcd_job: Job, tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        produce(qcd_job, Request(tmp_path, "qcd", 10), on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastjet", None)
    with pytest.raises(MissingExtraError, match=r"fastjet.*pip install 'jetnae\[simulate\]'"):
        importlib.reload(jetnae.simulate)
