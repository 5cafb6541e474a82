"""What the first trigger level sees of single collisions: energies of regions, electrons or photons, and muons.

A parametrised calorimeter of 72 x 70 towers in phi and eta up to |eta| = 3, with the resolutions of `Detector`, towers
below 0.5 GeV left out. Charged particles below 0.7 GeV of pt curl up in the field and do not reach it; nothing else is
bent, there is no noise, and energy comes from the crossing itself only. Muons are measured to 20 %; those from pions
and kaons in flight are absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from jetnae.level1 import COUNT, ETA_MAX, ETA_UNIT, KINDS, MAX_PT, N_ETA, N_PHI, PHI_COUNTS, PHI_UNIT
from jetnae.simulate.detector import Calorimeter, Detector
from jetnae.simulate.generator import BoolArray, FloatArray, IntArray, Particles

FINE = 64
"""Steps of a GeV that region energies of single collisions are rounded to, so that their sums are right."""
N_PHI_TOWERS, N_ETA_TOWERS = 4 * N_PHI, 5 * N_ETA
TOWER_MIN = 0.5
"""GeV of transverse energy, below which a tower is left out."""
CHARGED_PT_MIN = 0.7
SEED_MIN, CLUSTER_MIN, HADRONIC_SHARE = 2.0, 3.0, 0.2
"""Of electrons and photons: GeV in the tower, GeV in 3 x 3 towers, and largest hadronic energy there, as a share."""
EG_ETA, MUON_ETA = 2.5, 2.4
MUON_PT_MIN, MUON_RESOLUTION = 3.0, 0.2


@dataclass(frozen=True)
class Collisions:
    """Collisions as the trigger sees them.

    regions : (n, 18, 14) transverse energies in units of 1/64 GeV, saturating at 1 TeV. eg, mu : (n, 4, 3) counts of
    pt, eta and phi as in `jetnae.level1`, by falling pt, zeros where there are fewer.
    """

    regions: npt.NDArray[np.uint16]
    eg: npt.NDArray[np.int16]
    mu: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.regions)

    def take(self, which: slice | BoolArray) -> Collisions:
        """Some of them."""
        return Collisions(self.regions[which], self.eg[which], self.mu[which])


def join(parts: Sequence[Collisions]) -> Collisions:
    """All collisions of several batches."""
    return Collisions(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Collisions)))


def measure(particles: Particles, n_events: int, rng: np.random.Generator) -> Collisions:
    """What the trigger sees of the final visible particles of each collision."""
    pt = np.hypot(particles.px, particles.py)
    eta = np.arcsinh(particles.pz / np.maximum(pt, 1e-12))
    phi = np.arctan2(particles.py, particles.px)
    flavor = np.abs(particles.pdg_id)
    muon, shower = flavor == 13, (flavor == 11) | (flavor == 22)
    inside = (np.abs(eta) < ETA_MAX) & ~muon & ~(particles.charged & (pt < CHARGED_PT_MIN))
    tower = (particles.event * N_PHI_TOWERS + phi_tower(phi)) * N_ETA_TOWERS + eta_tower(eta)
    detector = Detector()
    em, had = (
        _towers(tower[each], particles.energy[each], n_events, calorimeter, rng)
        for each, calorimeter in ((inside & shower, detector.electromagnetic), (inside & ~shower, detector.hadronic))
    )
    reached = muon & (pt > MUON_PT_MIN) & (np.abs(eta) < MUON_ETA)
    seen = pt[reached] * np.exp(MUON_RESOLUTION * rng.standard_normal(int(reached.sum())))
    angles = np.rint(eta[reached] / ETA_UNIT), wrapped(np.rint(phi[reached] / PHI_UNIT).astype(np.int64))
    mu = leading(particles.event[reached], n_events, "mu", _counts(seen), *angles)
    return Collisions(to_regions(em + had), electrons_photons(em, had), mu)


def phi_tower(phi: FloatArray) -> IntArray:
    """Position of a tower in phi, 0 at -pi."""
    return ((phi + np.pi) / (2 * np.pi) * N_PHI_TOWERS).astype(np.int64) % N_PHI_TOWERS


def eta_tower(eta: FloatArray) -> IntArray:
    """Position of a tower in eta, 0 at the lowest; beyond the regions the last one."""
    position: IntArray = ((np.clip(eta, -ETA_MAX, ETA_MAX) + ETA_MAX) / (2 * ETA_MAX) * N_ETA_TOWERS).astype(np.int64)
    return np.minimum(position, N_ETA_TOWERS - 1)


def wrapped(phi: IntArray) -> IntArray:
    """Counts of phi in their range, -72 to 71."""
    half = PHI_COUNTS // 2
    return np.asarray((phi + half) % PHI_COUNTS - half)


def _towers(
    tower: IntArray, energy: FloatArray, n_events: int, calorimeter: Calorimeter, rng: np.random.Generator
) -> FloatArray:
    """Transverse energies (n_events, 72, 70): energies in a tower are added, then smeared, then cut on."""
    shape = (n_events, N_PHI_TOWERS, N_ETA_TOWERS)
    total: FloatArray = np.bincount(tower, energy, minlength=int(np.prod(shape))).astype(np.float64)
    hit = np.flatnonzero(total)
    width = np.hypot(calorimeter.stochastic * np.sqrt(total[hit]), calorimeter.constant * total[hit])
    centers = (np.arange(N_ETA_TOWERS) + 0.5) * (2 * ETA_MAX / N_ETA_TOWERS) - ETA_MAX
    et = (total[hit] + width * rng.standard_normal(len(hit))) / np.cosh(centers)[hit % N_ETA_TOWERS]
    total[hit] = np.where(et > TOWER_MIN, et, 0.0)
    return total.reshape(shape)


def to_regions(towers: FloatArray) -> npt.NDArray[np.uint16]:
    """Sums of 4 x 5 towers, (n, 18, 14) in units of 1/64 GeV."""
    sums = towers.reshape(-1, N_PHI, N_PHI_TOWERS // N_PHI, N_ETA, N_ETA_TOWERS // N_ETA).sum(axis=(2, 4))
    return np.asarray(np.minimum(np.rint(FINE * sums), np.iinfo(np.uint16).max), dtype=np.uint16)


def electrons_photons(em: FloatArray, had: FloatArray) -> npt.NDArray[np.int16]:
    """Leading electrons and photons (n, 4, 3): local maxima of electromagnetic energy with little hadronic around.

    Of equal neighbors the one that comes first in phi and eta counts. The pt is that of 3 x 3 towers.
    """
    em, had = (np.pad(each, ((0, 0), (0, 0), (1, 1))) for each in (em, had))
    event, i, j = np.nonzero(em > SEED_MIN)
    steps = [(di, dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
    around = [((i + di) % N_PHI_TOWERS, j + dj) for di, dj in steps]
    near = np.stack([em[event, k, m] for k, m in around], axis=1)
    hadronic = np.sum([had[event, k, m] for k, m in around], axis=0)
    seed, cluster = near[:, 4], near.sum(axis=1)
    highest = (near[:, :4] < seed[:, None]).all(axis=1) & (near[:, 5:] <= seed[:, None]).all(axis=1)
    eta, phi = 2 * (j - 1) + 1 - N_ETA_TOWERS, 2 * i + 1 - N_PHI_TOWERS
    good = highest & (cluster > CLUSTER_MIN) & (hadronic < HADRONIC_SHARE * cluster) & (abs(eta) * ETA_UNIT < EG_ETA)
    return leading(event[good], len(em), "eg", _counts(cluster[good]), eta[good], phi[good])


def _counts(pt: FloatArray) -> IntArray:
    return np.asarray(pt / COUNT, dtype=np.int64)


def leading(
    event: IntArray, n_events: int, kind: str, pt: IntArray, eta: npt.NDArray[np.generic], phi: IntArray
) -> npt.NDArray[np.int16]:
    """The objects (n,) of highest pt in each event, (n_events, 4, 3) counts of pt, eta and phi; zeros for none."""
    result = np.zeros((n_events, KINDS[kind], 3), dtype=np.int16)
    pt = np.minimum(pt, MAX_PT[kind])
    order = np.lexsort((-pt, event))
    event = event[order]
    place = np.arange(len(event)) - np.searchsorted(event, event)
    kept = place < KINDS[kind]
    values = np.stack([pt, eta, phi], axis=1)[order][kept]
    result[event[kept], place[kept]] = values.astype(np.int16)
    return result
