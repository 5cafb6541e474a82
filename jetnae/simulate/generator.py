"""Pythia 8 events as flat arrays: final visible particles and the partons that jets are matched to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import pythia8mc

from jetnae.errors import InputError
from jetnae.simulate.processes import Process

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Neutrinos, dark matter and the dark sector.
INVISIBLE = (12, 14, 16, 51, 53, 4900101, 4900111, 4900113, 4900211, 4900213)


@dataclass(frozen=True)
class Particles:
    """Final visible particles of a batch of events; every array is (n_particles,), momenta in GeV.

    `event` is the index of the event and does not decrease.
    """

    event: IntArray
    pdg_id: IntArray
    charged: BoolArray
    px: FloatArray
    py: FloatArray
    pz: FloatArray
    energy: FloatArray


@dataclass(frozen=True)
class Truth:
    """The heavy partons of each event.

    `p4`: (n_events, n_partons, 4), E, px, py, pz in GeV. `prongs`: (n_events, n_partons, n_prongs, 2), eta
    and phi of the quarks that a matched jet must contain. Processes without heavy partons have n_partons = 0.
    """

    p4: FloatArray
    prongs: FloatArray


@dataclass(frozen=True)
class Events:
    """A generated batch; `weight` and `pt_hat` (GeV) are (n_events,), the cross section in pb is the estimate so far.

    `pt_hat` is that of the hardest scattering, also in soft collisions.
    """

    particles: Particles
    truth: Truth
    weight: FloatArray
    cross_section: float
    pt_hat: FloatArray

    def __len__(self) -> int:
        return len(self.weight)


def new_pythia(process: Process, seed: int) -> Any:
    """A Pythia generator ready to run; seed 1 to 900000000. Raises `InputError` for a bad setting."""
    pythia = pythia8mc.Pythia("", False)
    random = ("Random:setSeed = on", f"Random:seed = {seed}")
    for line in ("Print:quiet = on", *process.settings, *random):
        if not pythia.readString(line):
            raise InputError(f"Pythia does not accept the setting '{line}' of the process '{process.name}'")
    if not pythia.init():
        raise InputError(f"Pythia cannot start the process '{process.name}': check its masses and pTHat window")
    return pythia


def generate(process: Process, n_events: int, *, seed: int) -> Events:
    """Generate up to `n_events` events; the few that Pythia cannot finish are left out."""
    return _batch(new_pythia(process, seed), process, n_events)


def iter_events(process: Process, n_events: int, *, seed: int, batch_size: int = 500) -> Iterator[Events]:
    """The same in batches of one generator, whose start takes seconds for soft collisions; bounded memory."""
    pythia = new_pythia(process, seed)
    for start in range(0, n_events, batch_size):
        yield _batch(pythia, process, min(batch_size, n_events - start))


def _batch(pythia: Any, process: Process, n_events: int) -> Events:
    batch = pythia.nextBatch(n_events)
    pt_hat = np.sqrt(batch.info.pT2Hat.to_numpy())
    weight = np.ones(len(batch))
    if process.bias_power:
        # Pythia's arrays carry no weight of biased events, but the bias is a known function of pTHat
        # (to 0.1 % for charm and bottom, whose masses enter after the bias).
        weight = (process.bias_reference / pt_hat) ** process.bias_power
    return Events(
        particles=_visible(batch.prt, pythia.particleData),
        truth=_truth(batch.prt, process),
        weight=weight,
        cross_section=1e9 * float(pythia.infoPython().sigmaGen()),
        pt_hat=pt_hat,
    )


def _visible(record: ak.Array, particle_data: Any) -> Particles:
    flat = ak.flatten(record)
    pdg_id = flat.id.to_numpy().astype(np.int64)
    codes, kind = np.unique(pdg_id, return_inverse=True)
    keep = (flat.status.to_numpy() > 0) & ~np.isin(np.abs(codes), INVISIBLE)[kind]
    charged = np.array([particle_data.chargeType(int(code)) != 0 for code in codes], dtype=bool)
    event = np.repeat(np.arange(len(record)), ak.num(record, axis=1).to_numpy())
    momenta = (flat.p[name].to_numpy()[keep] for name in ("px", "py", "pz", "e"))
    return Particles(event[keep], pdg_id[keep], charged[kind[keep]], *momenta)


def _truth(record: ak.Array, process: Process) -> Truth:
    if process.truth == "none" or len(record) == 0:
        return Truth(np.zeros((len(record), 0, 4)), np.zeros((len(record), 0, 1, 2)))
    mother = record.id[record.mother1]
    outgoing = abs(record.status) == 23
    if process.truth == "dark":
        quark = outgoing & (abs(record.id) == 4900101)
        p4 = _sorted_momenta(record[quark], record.id[quark], n=2)
        return Truth(p4, _directions(p4)[:, :, None, :])
    if process.truth == "w":
        quark = outgoing & (abs(record.id) <= 5) & (abs(mother) == 24)
        prongs = _sorted_momenta(record[quark], mother[quark] > 0, n=4)
        bosons = record[record.mother1[quark & (record.id > 0)]]
        return Truth(_sorted_momenta(bosons, bosons.id, n=2), _directions(prongs).reshape(-1, 2, 2, 2))
    quark = outgoing & (abs(record.id) <= 5) & ((abs(mother) == 6) | (abs(mother) == 24))
    prongs = _sorted_momenta(record[quark], mother[quark] > 0, n=6)
    from_top = quark & (abs(mother) == 6)
    tops = record[record.mother1[from_top]]
    p4 = _sorted_momenta(tops, tops.id, n=2)
    return Truth(p4, _directions(prongs).reshape(-1, 2, 3, 2))


def _sorted_momenta(partons: ak.Array, key: ak.Array, *, n: int) -> FloatArray:
    # Sorted by charge, the antiparticle (or its decay products) first, so that parton and prongs belong
    # together.
    counts = ak.num(partons, axis=1).to_numpy()
    if not (counts == n).all():
        found = int(counts[counts != n][0])
        raise InputError(f"found {found} partons to match where {n} are expected: is every decay hadronic?")
    momenta = partons.p[ak.argsort(key, axis=1, stable=True)]
    columns = [ak.flatten(momenta[name]).to_numpy().reshape(-1, n) for name in ("e", "px", "py", "pz")]
    return np.stack(columns, axis=-1)


def _directions(p4: FloatArray) -> FloatArray:
    px, py, pz = p4[..., 1], p4[..., 2], p4[..., 3]
    return np.stack([np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)], axis=-1)
