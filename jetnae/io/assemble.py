"""From flat columns of constituents to `Jets`: what every reader does after it has read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.errors import InputError, JetnaeError
from jetnae.jets import FOUR_VECTOR, Jets, four_vectors, from_cartesian, sum_constituents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from jetnae.io.layouts import Match
    from jetnae.jets import FloatArray, IntArray


TARGET_BYTES = 32_000_000
"""Uncompressed size of one chunk when the user does not choose: small beside torch, large beside a basket."""

MIN_PT, MAX_PT = 1e-6, 1e8
"""GeV. No constituent is softer or harder; numbers beyond are broken ones, and a pixel could not hold them."""


@dataclass(frozen=True)
class Rows:
    """The input rows of one chunk: how many, where they start, and the columns that pass through."""

    n_events: int
    first_event: int
    columns: Mapping[str, Any]


@dataclass(frozen=True)
class JetFile:
    """An open file: how it is read, its number of rows, its identity, and its jets, to be iterated once."""

    match: Match
    n_events: int
    identity: str
    chunks: Iterator[Jets]


@dataclass(frozen=True)
class Constituents:
    """Flat constituents in jet order: (pt, eta, phi, mass) each (n,), `counts` (n_jets,) of them per jet."""

    momenta: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    counts: IntArray
    n_dropped: int = 0


@contextmanager
def reading(path: Path, container: str) -> Iterator[None]:
    """Whatever a damaged file makes a library raise becomes an `InputError` of one line."""
    try:
        yield
    except (JetnaeError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path}: not a complete {container} file ({reason[:120]}): copy or produce it again"
        ) from error


def ranges(n_events: int, chunk_size: int) -> Iterator[tuple[int, int]]:
    """First row and end of each chunk, in order; no rows make one empty chunk."""
    for start in range(0, max(n_events, 1), chunk_size):
        yield start, min(start + chunk_size, n_events)


@contextmanager
def fitting(path: Path, match: Match) -> Iterator[None]:
    """Columns that contradict each other become an `InputError`: a wrong layout, or a damaged file."""
    try:
        yield
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{path}: the columns of the layout '{match.layout.name}' do not fit together "
            f"({str(error).strip().splitlines()[0][:120]}): choose another --layout, or produce the file again"
        ) from error


def momenta(columns: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(pt, eta, phi, mass) from either naming of four-vectors, times the `weight` where there is one."""
    if "px" in columns:
        pt, eta, phi, mass = from_cartesian(*(columns[name] for name in ("px", "py", "pz", "energy")))
    else:
        pt, eta, phi, mass = (columns[name] for name in FOUR_VECTOR)
    if "weight" in columns:
        pt, mass = pt * columns["weight"], mass * columns["weight"]
    return pt, eta, phi, mass


def build_jets(
    constituents: Constituents,
    rows: Rows,
    match: Match,
    event_index: IntArray,
    *,
    jets: Mapping[str, FloatArray],
    label: npt.NDArray[Any] | None,
) -> Jets:
    """Assemble a batch: drop what is not finite, take or recompute the jets' four-vectors, apply the label rule."""
    kept, n_bad = _drop_bad(constituents)
    ragged = ak.unflatten(four_vectors(*kept.momenta), kept.counts)
    pt, eta, phi, mass = _jet_vectors(jets) if jets else sum_constituents(ragged)
    rule = match.collection.label
    if rule is not None and label is not None:
        low, high = rule.background
        label = np.where((label >= low) & (label <= high), 0, 1).astype(np.int32)
    return Jets(
        constituents=ragged,
        pt=pt,
        eta=eta,
        phi=phi,
        mass=mass,
        event_index=event_index,
        n_events=rows.n_events,
        first_event=rows.first_event,
        label=label,
        events=rows.columns,
        n_dropped=constituents.n_dropped + n_bad,
        collection=match.collection.name,
        radius=match.collection.radius,
        layout=match.layout.name,
    )


def _jet_vectors(jets: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    pt, eta, phi = (np.asarray(jets[name], dtype=np.float64) for name in ("pt", "eta", "phi"))
    if "mass" in jets:
        return pt, eta, phi, np.asarray(jets["mass"], dtype=np.float64)
    energy = np.asarray(jets["energy"], dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mass = np.sqrt(np.maximum(energy**2 - (pt * np.cosh(eta)) ** 2, 0.0))
    return pt, eta, phi, mass


def _drop_bad(constituents: Constituents) -> tuple[Constituents, int]:
    """Leave out empty slots (pt = 0, silently) and ones that are not finite, negative or absurd (counted)."""
    pt = constituents.momenta[0]
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
