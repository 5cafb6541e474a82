"""A parametrised detector: tracks, and two calorimeters whose cells add up what falls into them."""

from dataclasses import dataclass, field

import numpy as np

from jetnae.simulate.generator import BoolArray, FloatArray, IntArray, Particles

PION_MASS = 0.13957


@dataclass(frozen=True)
class Calorimeter:
    """Square cells of size `cell` in eta and phi; sigma_E / E = stochastic / sqrt(E) (+) constant."""

    cell: float
    stochastic: float
    constant: float


@dataclass(frozen=True)
class Detector:
    """Acceptance, thresholds (pT of tracks, energy of cells; GeV) and resolutions.

    Charged hadrons and muons are measured as tracks within `track_eta_max`; beyond it charged hadrons are
    seen by the hadronic calorimeter only, and muons not at all.
    """

    eta_max: float = 4.9
    track_eta_max: float = 2.5
    track_pt_min: float = 0.5
    track_resolution: float = 0.01
    cell_energy_min: float = 0.3
    electromagnetic: Calorimeter = field(default_factory=lambda: Calorimeter(0.025, 0.10, 0.007))
    hadronic: Calorimeter = field(default_factory=lambda: Calorimeter(0.1, 0.50, 0.03))


@dataclass(frozen=True)
class Objects:
    """Reconstructed objects of a batch of events, ordered by event; arrays (n_objects,), GeV and rad."""

    event: IntArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    mass: FloatArray

    def missing_momentum(self, n_events: int) -> tuple[FloatArray, FloatArray]:
        """Minus the vector sum of all objects: missing pT and its phi, (n_events,) each."""
        px = -np.bincount(self.event, self.pt * np.cos(self.phi), minlength=n_events)
        py = -np.bincount(self.event, self.pt * np.sin(self.phi), minlength=n_events)
        return np.hypot(px, py), np.arctan2(py, px)


def reconstruct(particles: Particles, detector: Detector, rng: np.random.Generator) -> Objects:
    """What the detector sees of the particles: smeared tracks (pion mass) and cells (massless)."""
    pt = np.hypot(particles.px, particles.py)
    # The tiny floor keeps particles along the beam finite; they fail every acceptance.
    eta = np.arcsinh(particles.pz / np.maximum(pt, 1e-12))
    phi = np.arctan2(particles.py, particles.px)
    flavor = np.abs(particles.pdg_id)
    shower = (flavor == 22) | (flavor == 11)
    muon = flavor == 13
    accepted = np.abs(eta) < detector.eta_max
    tracked = particles.charged & ~shower & (np.abs(eta) < detector.track_eta_max)
    hadron = accepted & ~shower & ~muon & ~tracked

    measured = tracked & (pt > detector.track_pt_min)
    tracks = Objects(
        particles.event[measured],
        pt[measured] * rng.normal(1.0, detector.track_resolution, int(measured.sum())),
        eta[measured],
        phi[measured],
        np.full(int(measured.sum()), PION_MASS),
    )
    flight = Flight(particles.event, particles.energy, eta, phi)
    photons = deposit(flight.at(accepted & shower), detector.electromagnetic, detector, rng=rng)
    hadrons = deposit(flight.at(hadron), detector.hadronic, detector, rng=rng)
    return _by_event(tracks, photons, hadrons)


@dataclass(frozen=True)
class Flight:
    """Energy (GeV) and direction of particles on their way into a calorimeter; arrays (n,)."""

    event: IntArray
    energy: FloatArray
    eta: FloatArray
    phi: FloatArray

    def at(self, mask: BoolArray) -> "Flight":
        """The particles where `mask` is true."""
        return Flight(self.event[mask], self.energy[mask], self.eta[mask], self.phi[mask])


def deposit(flight: Flight, calorimeter: Calorimeter, detector: Detector, *, rng: np.random.Generator) -> Objects:
    """One object per cell that fires: energies in a cell are added, then smeared, then cut on."""
    n_eta = int(np.ceil(2 * detector.eta_max / calorimeter.cell))
    # A whole number of cells around the circle, so that none is cut at phi = pi.
    n_phi = round(2 * np.pi / calorimeter.cell)
    i_eta = ((flight.eta + detector.eta_max) / calorimeter.cell).astype(np.int64)
    i_phi = ((flight.phi + np.pi) / (2 * np.pi) * n_phi).astype(np.int64) % n_phi
    cells, where = np.unique((flight.event * n_eta + i_eta) * n_phi + i_phi, return_inverse=True)
    energy = np.bincount(where, flight.energy, minlength=len(cells))
    width = np.hypot(calorimeter.stochastic * np.sqrt(energy), calorimeter.constant * energy)
    energy = energy + width * rng.standard_normal(len(cells))
    eta = (cells // n_phi % n_eta + 0.5) * calorimeter.cell - detector.eta_max
    phi = (cells % n_phi + 0.5) * (2 * np.pi / n_phi) - np.pi
    pt = energy / np.cosh(eta)
    fires = energy > detector.cell_energy_min
    event = cells // (n_eta * n_phi)
    return Objects(event[fires], pt[fires], eta[fires], phi[fires], np.zeros(int(fires.sum())))


def _by_event(*parts: Objects) -> Objects:
    event = np.concatenate([part.event for part in parts])
    order = np.argsort(event, kind="stable")
    columns = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("pt", "eta", "phi", "mass"))
    return Objects(event[order], *columns)
