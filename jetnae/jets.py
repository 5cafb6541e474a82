"""Jets: the one container for a batch of jets and the events they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import vector

from jetnae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.floating[Any]]
    IntArray = npt.NDArray[np.integer[Any]]

WEIGHT = "jetnae_weight"
"""Name of the event weight among the event columns, whatever the file calls it."""
FOUR_VECTOR = ("pt", "eta", "phi", "mass")


@dataclass(frozen=True)
class Jets:
    """A batch of jets with their constituents, in the order of the input file.

    Attributes
    ----------
    constituents : awkward array, n_jets * var * {pt, eta, phi, mass} in GeV and rad, with vector behavior; None where
        the file stores jets without them.
    pt, eta, phi, mass : (n_jets,) the jet four-vectors as the file has them (corrected where the file is), GeV, rad.
    event_index : (n_jets,) the row of the input each jet belongs to, counted from the start of the file.
    n_events : number of input rows in this batch, with or without jets.
    first_event : row number of the first of them.
    label : (n_jets,) 0 background, 1 signal, or None where the file does not say.
    columns : further columns with one entry per jet, each (n_jets,): features the file has, under our names (see
        `jetnae.features`), and branches that were asked for.
    events : columns with one entry per input row (`run`, `event`, ...; `met_pt` and `met_phi` in GeV and rad).
    n_dropped : constituents left out while reading: not finite, negative or absurd pt, or links to nowhere.
    collection, layout : where the jets came from. radius : of the jets, None where that is not known.

    Raises `InputError` naming the first jet whose columns do not fit together.
    """

    constituents: ak.Array | None
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    mass: FloatArray
    event_index: IntArray
    n_events: int
    first_event: int = 0
    label: IntArray | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, Any] = field(default_factory=dict)
    n_dropped: int = 0
    collection: str = ""
    layout: str = ""
    radius: float | None = None

    def __post_init__(self) -> None:
        n_jets = len(self.pt)
        columns = {name: getattr(self, name) for name in ("constituents", *FOUR_VECTOR, "event_index", "label")}
        for name, column in {**columns, **self.columns}.items():
            if column is not None and len(column) != n_jets:
                raise InputError(f"{n_jets} jets have `pt` but {len(column)} have `{name}`")
        for name, column in self.events.items():
            if len(column) != self.n_events:
                raise InputError(f"event column `{name}` has {len(column)} rows for {self.n_events} events")
        row = self.event_index - self.first_event
        bad = (row < 0) | (row >= self.n_events)
        bad[1:] |= row[1:] < row[:-1]
        if bad.any():
            jet = int(np.argmax(bad))
            raise InputError(
                f"jet {jet} belongs to row {int(self.event_index[jet])}, out of order or outside "
                f"[{self.first_event}, {self.first_event + self.n_events})"
            )

    def __len__(self) -> int:
        return len(self.pt)

    @property
    def n_constituents(self) -> IntArray:
        """Number of constituents of each jet, shape (n_jets,); raises `InputError` where the file has none."""
        return np.asarray(ak.num(self.stored_constituents, axis=1))

    @property
    def stored_constituents(self) -> ak.Array:
        """The constituents; raises `InputError` where the file stores jets without them."""
        if self.constituents is None:
            raise InputError(
                f"the jets '{self.collection}' are stored without constituents (layout '{self.layout}'): images and "
                "substructure need them, use features that the file has, or `jetnae inspect` to see what it offers"
            )
        return self.constituents

    @property
    def jets_per_event(self) -> IntArray:
        """Number of jets in each input row, shape (n_events,)."""
        return np.bincount(self.event_index - self.first_event, minlength=self.n_events)

    @property
    def weight(self) -> FloatArray | None:
        """Event weight of each jet, shape (n_jets,), or None where the file has no weights."""
        weight = self.events.get(WEIGHT)
        return None if weight is None else np.asarray(weight)[self.event_index - self.first_event]


def select(jets: Jets, which: npt.NDArray[np.bool_] | slice) -> Jets:
    """Keep the jets where a mask (n_jets,) is true, or a slice of them; the events all stay."""
    vectors: dict[str, Any] = {name: getattr(jets, name)[which] for name in (*FOUR_VECTOR, "event_index")}
    return replace(
        jets,
        constituents=None if jets.constituents is None else jets.constituents[which],
        **vectors,
        label=None if jets.label is None else jets.label[which],
        columns={name: column[which] for name, column in jets.columns.items()},
    )


def select_events(jets: Jets, which: npt.NDArray[np.bool_]) -> Jets:
    """Keep the events where a mask (n_events,) is true, with their jets; rows are counted anew from `first_event`."""
    row = jets.event_index - jets.first_event
    kept = select(jets, which[row])
    return replace(
        kept,
        event_index=jets.first_event + (np.cumsum(which) - 1)[row[which[row]]],
        n_events=int(np.count_nonzero(which)),
        events={name: column[which] for name, column in jets.events.items()},
    )


def concatenate(batches: Sequence[Jets]) -> Jets:
    """Join consecutive batches of one file into one; raises `InputError` when there are none."""
    if not batches:
        raise InputError("no jets to join: the input gave no batches")
    labels = [batch.label for batch in batches if batch.label is not None]
    constituents = [batch.constituents for batch in batches if batch.constituents is not None]
    vectors: dict[str, Any] = {
        name: np.concatenate([getattr(batch, name) for batch in batches]) for name in (*FOUR_VECTOR, "event_index")
    }
    return replace(
        batches[0],
        constituents=ak.concatenate(constituents) if len(constituents) == len(batches) else None,
        **vectors,
        n_events=sum(batch.n_events for batch in batches),
        label=np.concatenate(labels) if len(labels) == len(batches) else None,
        columns={name: _join([batch.columns[name] for batch in batches]) for name in batches[0].columns},
        events={name: _join([batch.events[name] for batch in batches]) for name in batches[0].events},
        n_dropped=sum(batch.n_dropped for batch in batches),
    )


def _join(columns: Sequence[Any]) -> Any:
    """Concatenate; columns with one value per row stay NumPy arrays."""
    return np.concatenate(columns) if isinstance(columns[0], np.ndarray) else ak.concatenate(columns)


def four_vectors(pt: Any, eta: Any, phi: Any, mass: Any) -> ak.Array:
    """Momentum four-vectors (GeV, rad) with vector behavior from equally shaped arrays."""
    return ak.zip(
        {"pt": pt, "eta": eta, "phi": phi, "mass": mass},
        with_name="Momentum4D",
        behavior=vector.backends.awkward.behavior,
    )


def from_cartesian(
    px: FloatArray, py: FloatArray, pz: FloatArray, energy: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(pt, eta, phi, mass) of Cartesian four-momenta in GeV; rounding to negative squared masses gives 0."""
    px, py, pz, energy = (np.asarray(p, dtype=np.float64) for p in (px, py, pz, energy))
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        eta = np.where(pt > 0, np.arcsinh(pz / pt), 0.0)
        mass = np.sqrt(np.maximum(energy**2 - pt**2 - pz**2, 0.0))
    return pt, eta, np.arctan2(py, px), mass


def sum_constituents(
    constituents: ak.Array,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(pt, eta, phi, mass) of each jet as the vector sum of its constituents; zeros where there are none."""
    px, py, pz, energy = (
        np.asarray(ak.sum(ak.values_astype(part, np.float64), axis=1))
        for part in (constituents.px, constituents.py, constituents.pz, constituents.E)
    )
    return from_cartesian(px, py, pz, energy)
