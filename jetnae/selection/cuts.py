"""Cuts on jets and on the events they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.errors import InputError
from jetnae.jets import FOUR_VECTOR
from jetnae.selection.cutflow import CutFlow, count
from jetnae.selection.evaluation import evaluate, numbers, require_columns
from jetnae.selection.luminosity import LuminosityMask
from jetnae.selection.normalization import event_weights
from jetnae.selection.parser import parse
from jetnae.selection.syntax import names

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.jets import Jets
    from jetnae.selection.syntax import Expression

    BoolArray = npt.NDArray[np.bool_]

JET_NAMES = frozenset({*FOUR_VECTOR, "label", "n_constituents"})
"""Names that always mean the jet's own; every other name is that of a column."""
LUMINOSITY_NAMES = ("run", "luminosityBlock")


@dataclass(frozen=True)
class Selection:
    """Which jets to use: those that pass all cuts.

    cuts : conditions such as `200 < pt < 400 and |eta| < 2.4`, in the order they are counted. golden_json : a file with
    the certified luminosity sections, relative to the working directory. Parsed and read once, on construction.
    Raises `InputError` for a cut or a file that cannot be understood.
    """

    cuts: tuple[str, ...] = ()
    golden_json: Path | None = None

    def __post_init__(self) -> None:
        if type(self.cuts) is not tuple:
            raise InputError(f"selection: cuts = {self.cuts!r}, expected a tuple of texts")
        _ = self.expressions, self.luminosity_mask

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        """The cuts as parsed."""
        return tuple(parse(cut) for cut in self.cuts)

    @cached_property
    def luminosity_mask(self) -> LuminosityMask | None:
        """The certified luminosity sections, None for all."""
        return None if self.golden_json is None else LuminosityMask.from_json(self.golden_json)

    @cached_property
    def names(self) -> frozenset[str]:
        """All columns that have to be read, those of `JET_NAMES` among them."""
        luminosity = () if self.golden_json is None else LUMINOSITY_NAMES
        return frozenset(luminosity).union(*(names(expression) for expression in self.expressions))


@dataclass(frozen=True)
class Passing:
    """What passes a selection.

    jets : (n_jets,) jets that pass all cuts on jets, in events that pass. events : (n_events,) events that pass all
    cuts on events, with or without jets. flow : the counts after each cut.
    """

    jets: BoolArray
    events: BoolArray
    flow: CutFlow


def apply(selection: Selection, jets: Jets) -> Passing:
    """Find the jets and events that pass.

    A cut that names at least one column of the jets is a cut on jets, and event columns in it are those of the jet's
    event; any other is a cut on events. A name that both have is the jet's. Where a value is NaN see `evaluate`.
    Raises `InputError` for names that neither has, for lists of numbers, and for a golden JSON without
    `run` and `luminosityBlock`.
    """
    tally = _Tally(jets)
    if selection.luminosity_mask is not None:
        tally.cut_events("golden JSON", _certified(selection.luminosity_mask, jets))
    jet_columns = _jet_columns(jets)
    for text, expression in zip(selection.cuts, selection.expressions, strict=True):
        used, cut = names(expression), " ".join(text.split())
        require_columns(used, {*jet_columns, *jets.events})
        if used.isdisjoint(jet_columns):
            tally.cut_events(cut, evaluate(expression, jets.events))
        else:
            row = jets.event_index - jets.first_event
            of_event = {name: numbers(name, jets.events[name])[row] for name in used.difference(jet_columns)}
            tally.cut_jets(cut, evaluate(expression, {**of_event, **jet_columns}))
    return Passing(tally.jets, tally.events, CutFlow(tuple(tally.rows)))


def _jet_columns(jets: Jets) -> dict[str, Any]:
    own: dict[str, Any] = {name: getattr(jets, name) for name in FOUR_VECTOR}
    if jets.label is not None:
        own["label"] = jets.label
    if jets.constituents is not None:
        own["n_constituents"] = jets.n_constituents
    return {**jets.columns, **own}


def _certified(mask: LuminosityMask, jets: Jets) -> BoolArray:
    absent = [name for name in LUMINOSITY_NAMES if name not in jets.events]
    if absent:
        raise InputError(
            f"golden JSON: the file has no column {' and no '.join(f'`{name}`' for name in absent)}, which collision "
            "data have: leave out golden_json for simulated events, or name a layout that has them"
        )
    run, lumi = (numbers(name, jets.events[name]) for name in LUMINOSITY_NAMES)
    return mask.contains(run, lumi)


class _Tally:
    """The masks after the cuts so far, and a row of counts for each cut."""

    def __init__(self, jets: Jets) -> None:
        self.jets = np.ones(len(jets), dtype=bool)
        self.events = np.ones(jets.n_events, dtype=bool)
        self._alive = self.events
        self._row = jets.event_index - jets.first_event
        self._weights = event_weights(jets)
        self.rows = [count("all", self._alive, len(jets), self._weights)]

    def cut_events(self, cut: str, passing: BoolArray) -> None:
        self.events = self.events & passing
        self._count(cut, self.jets & passing[self._row], self._alive & passing)

    def cut_jets(self, cut: str, passing: BoolArray) -> None:
        jets = self.jets & passing
        alive = np.zeros_like(self._alive)
        alive[self._row[jets]] = True
        self._count(cut, jets, alive)

    def _count(self, cut: str, jets: BoolArray, alive: BoolArray) -> None:
        self.jets, self._alive = jets, alive
        self.rows.append(count(cut, alive, int(np.count_nonzero(jets)), self._weights))
