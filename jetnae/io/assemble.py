"""From flat columns of constituents to `Jets`: what every reader does after it has read."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.errors import InputError, JetnaeError, MissingExtraError
from jetnae.jets import Jets, four_vectors, from_cartesian, sum_constituents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from jetnae.io.layouts import LabelRule
    from jetnae.io.matching import Match
    from jetnae.jets import FloatArray, IntArray

    Momenta = tuple[FloatArray, FloatArray, FloatArray, FloatArray]

TARGET_BYTES = 32_000_000
"""Uncompressed size of one chunk when the user does not choose: small beside torch, large beside a basket."""

RADIUS = "jet_radius"
"""Column of events that says the radius of their jets, the same for all."""

MAX_ROW_BYTES = 1 << 28
"""No jet or event is larger; a file that says so is broken, or hostile."""

MIN_PT, MAX_PT = 1e-6, 1e8
"""GeV. No constituent is softer or harder; numbers beyond are broken ones, and a pixel could not hold them."""

MASSES = {
    11: 0.000511,
    13: 0.105658,
    211: 0.139570,
    321: 0.493677,
    130: 0.497611,
    310: 0.497611,
    2112: 0.939565,
    2212: 0.938272,
}
"""GeV, of the particles that live long enough to be constituents, by |PDG number|; all others count as massless."""


@dataclass(frozen=True)
class Rows:
    """The input rows of one chunk: how many, where they start, and the columns that pass through.

    `columns` has an entry per row; `extra` are columns asked for by name, of the events or of the jets.
    """

    n_events: int
    first_event: int
    columns: dict[str, Any]
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class Constituents:
    """Flat constituents in jet order: (pt, eta, phi, mass) each (n,), `counts` (n_jets,) of them per jet."""

    momenta: Momenta
    counts: IntArray
    n_dropped: int = 0


@dataclass(frozen=True)
class Found:
    """The jets of one chunk as the links found them.

    `n_jets` (n_events,) per row; `constituents` None where the file has none; `jets`, `features` flat columns in
    the unit of the file, `jets` empty where they are to be summed from the constituents; `label` as in the file;
    `radius` of jets that were found here, else that of the layout holds; `arrays` with one per jet, as they are.
    """

    n_jets: IntArray
    constituents: Constituents | None
    jets: Mapping[str, FloatArray]
    features: Mapping[str, FloatArray]
    label: Any = None
    radius: float | None = None
    arrays: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def reading(path: Path, container: str) -> Iterator[None]:
    """Whatever a damaged file makes a library raise becomes an `InputError` of one line."""
    try:
        yield
    except JetnaeError:
        raise
    except MemoryError as error:
        raise InputError(f"{path}: needs more memory than there is: lower --chunk-size") from error
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path}: not a complete {container} file ({reason[:120]}): copy or produce it again"
        ) from error


def identity_of(path: Path) -> str:
    """A stand-in for a file uuid, which only ROOT files have: a hash of the size and the first megabyte."""
    with path.open("rb") as file:
        head = file.read(1_000_000)
    return hashlib.sha256(f"{path.stat().st_size}".encode() + head).hexdigest()[:32]


def ranges(n_rows: int, chunk_size: int, rows: tuple[int, int] | None = None) -> Iterator[tuple[int, int]]:
    """First row and end of each chunk, in order, of all rows or those from first to end; none make one empty chunk."""
    first, end = rows or (0, n_rows)
    for start in range(first, max(end, first + 1), chunk_size):
        yield start, min(start + chunk_size, end)


def split_at(boundaries: Iterable[int], n_rows: int) -> list[tuple[int, int]]:
    """First row and end of parts of about `n_rows` rows, at least one, that begin and end at boundaries.

    boundaries : rows in rising order, from 0 to the number of rows.
    """
    ends, last = [0], 0
    for boundary in boundaries:
        if boundary - ends[-1] > n_rows and last > ends[-1]:
            ends.append(last)
        last = int(boundary)
    return list(pairwise([*ends, last]))


@contextmanager
def fitting(path: Path, match: Match) -> Iterator[None]:
    """Columns that contradict each other become an `InputError`: a wrong layout, or a damaged file."""
    try:
        yield
    except MissingExtraError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: the columns of the layout '{match.layout.name}' do not fit together "
            f"({str(error).strip().splitlines()[0][:120]}): choose another --layout, look with `jetnae inspect`, "
            "or produce the file again"
        ) from error


def momenta(columns: Mapping[str, FloatArray]) -> Momenta:
    """(pt, eta, phi, mass) from any naming of four-vectors, times the `weight` where there is one."""
    if "px" in columns:
        pt, eta, phi, mass = from_cartesian(*(columns[name] for name in ("px", "py", "pz", "energy")))
    elif "rapidity" in columns:
        pt, eta, phi, mass = _from_rapidity(columns)
    else:
        pt, eta, phi = (columns[name] for name in ("pt", "eta", "phi"))
        mass = columns["mass"] if "mass" in columns else np.zeros_like(pt)
    if "weight" in columns:
        pt, mass = pt * columns["weight"], mass * columns["weight"]
    return pt, eta, phi, mass


def _from_rapidity(columns: Mapping[str, FloatArray]) -> Momenta:
    """pT sinh(eta) = m_T sinh(y), with the masses of the particles."""
    pt, rapidity, phi, pid = (np.asarray(columns[name], dtype=np.float64) for name in ("pt", "rapidity", "phi", "pid"))
    mass = np.zeros_like(pt)
    for number, value in MASSES.items():
        mass[np.abs(pid) == number] = value
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        eta = np.where(pt > 0, np.arcsinh(np.hypot(1.0, mass / pt) * np.sinh(rapidity)), 0.0)
    return pt, eta, phi, mass


def build_jets(found: Found, rows: Rows, match: Match) -> Jets:
    """Assemble a batch: drop what is not finite, take or recompute the jets' four-vectors, apply the label rule."""
    scale = 1e-3 if match.layout.unit == "MeV" else 1.0
    kept, n_dropped = None, 0
    if found.constituents is not None:
        kept, n_dropped = drop_bad(_scaled(found.constituents, scale))
    ragged = None if kept is None else ak.unflatten(four_vectors(*kept.momenta), kept.counts)
    pt, eta, phi, mass = _jet_vectors(found.jets, scale) if found.jets else sum_constituents(ragged)
    extra, events = _split_extra(rows, found.n_jets)
    return Jets(
        constituents=ragged,
        pt=pt,
        eta=eta,
        phi=phi,
        mass=mass,
        event_index=np.repeat(np.arange(rows.first_event, rows.first_event + rows.n_events), found.n_jets),
        n_events=rows.n_events,
        first_event=rows.first_event,
        label=None if found.label is None else _labels(found.label, match.collection.label),
        columns={**_scaled_features(found.features, scale), **found.arrays, **extra},
        events=_events(rows.columns | events, scale),
        n_dropped=n_dropped + (0 if found.constituents is None else found.constituents.n_dropped),
        collection=match.collection.name,
        radius=found.radius or _radius(rows) or match.collection.radius,
        layout=match.layout.name,
    )


def _radius(rows: Rows) -> float | None:
    """The radius of the jets, where the file says."""
    column = rows.columns.get(RADIUS, ())
    return float(column[0]) if len(column) else None


def _events(columns: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """Columns that pass through, the missing transverse momentum in GeV."""
    kept = {name: column for name, column in columns.items() if name != RADIUS}
    return {name: column * scale if name == "met_pt" else column for name, column in kept.items()}


def _scaled(constituents: Constituents, scale: float) -> Constituents:
    if scale == 1.0:
        return constituents
    pt, eta, phi, mass = constituents.momenta
    return Constituents((pt * scale, eta, phi, mass * scale), constituents.counts, constituents.n_dropped)


def _scaled_features(features: Mapping[str, FloatArray], scale: float) -> dict[str, FloatArray]:
    """Features as numbers of double precision; of those the file has, only the mass has a unit."""
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in features.items()}
    return {name: column * scale if name == "sd_mass" else column for name, column in columns.items()}


def _split_extra(rows: Rows, n_jets: IntArray) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns asked for by name: those with one list per row, as long as the jets', are columns of the jets."""
    jets, events = {}, {}
    for name, column in rows.extra.items():
        if column.ndim == 1:
            events[name] = column
            continue
        if not np.array_equal(ak.num(column, axis=1), n_jets):
            raise InputError(
                f"{name} is a column of something else than the jets, its lists have other lengths: take another "
                "--collection, or leave it out"
            )
        jets[name] = ak.to_numpy(ak.flatten(column, axis=1))
    return jets, events


def _labels(values: Any, rule: LabelRule | None) -> IntArray:
    """0 for background, 1 for signal; raises `ValueError` for what is neither."""
    if rule is None:
        raise ValueError("labels without a rule that reads them")
    values = np.asarray(values)
    background = (values >= rule.background[0]) & (values <= rule.background[1])
    if rule.signal is not None:
        signal = (values >= rule.signal[0]) & (values <= rule.signal[1])
        if not (background | signal).all():
            odd = values[~(background | signal)][0]
            raise ValueError(
                f"the label {odd:g} in {rule.name}, expected {_text(rule.background)} or {_text(rule.signal)}"
            )
    return np.where(background, 0, 1).astype(np.int32)


def _text(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _jet_vectors(jets: Mapping[str, FloatArray], scale: float) -> Momenta:
    if "px" in jets:
        pt, eta, phi, mass = from_cartesian(*(jets[name] for name in ("px", "py", "pz", "energy")))
        return pt * scale, eta, phi, mass * scale
    pt, eta = (np.asarray(jets[name], dtype=np.float64) for name in ("pt", "eta"))
    phi = np.asarray(jets["phi"], dtype=np.float64) if "phi" in jets else np.zeros_like(pt)
    if "mass" in jets:
        return pt * scale, eta, phi, np.asarray(jets["mass"], dtype=np.float64) * scale
    if "energy" not in jets:
        return pt * scale, eta, phi, np.zeros_like(pt)
    energy = np.asarray(jets["energy"], dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mass = np.sqrt(np.maximum(energy**2 - (pt * np.cosh(eta)) ** 2, 0.0))
    return pt * scale, eta, phi, mass * scale


def _all_good(momenta: Momenta) -> bool:
    """Whether nothing has to be left out, which is quick to see: a sum is finite only if all its terms are."""
    pt = momenta[0]
    if not len(pt) or not MIN_PT <= pt.min() <= pt.max() <= MAX_PT:
        return not len(pt)
    with np.errstate(over="ignore", invalid="ignore"):
        return all(np.isfinite(column.sum()) for column in momenta[1:])


def drop_bad(constituents: Constituents) -> tuple[Constituents, int]:
    """Leave out empty slots (pt = 0, silently) and ones that are not finite, negative or absurd (counted)."""
    pt = constituents.momenta[0]
    if _all_good(constituents.momenta):
        return constituents, 0
    good = ((pt >= MIN_PT) & (pt <= MAX_PT)) | (pt == 0)  # false for NaN
    for column in constituents.momenta[1:]:
        good &= np.isfinite(column)
    n_bad = int(len(good) - np.count_nonzero(good))
    good &= pt > 0
    if good.all():
        return constituents, n_bad
    ends = np.cumsum(constituents.counts)
    kept_before = np.concatenate([[0], np.cumsum(good)])
    counts = kept_before[ends] - kept_before[ends - constituents.counts]
    pt, eta, phi, mass = (column[good] for column in constituents.momenta)
    return Constituents((pt, eta, phi, mass), counts), n_bad
