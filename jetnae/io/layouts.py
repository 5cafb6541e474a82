"""Layouts: where a file keeps its jets, and how the constituents are tied to them. Data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jetnae.config import parse, read_toml
from jetnae.errors import InputError
from jetnae.io.columns import check

Link = Literal["inline", "index_table", "tref", "element_link", "per_row", "padded", "cluster", "none"]
"""How constituents are tied to jets.

inline       : one constituent list per event, each entry naming its jet (`jet_index`).
index_table  : a table per event pairs jets (`jet_index`) with entries of a shared list (`constituent_index`).
tref         : each jet lists unique numbers (`constituent_index`) of stored `objects`, as Delphes does.
element_link : each jet lists positions (`constituent_index`) in a shared list, as ATLAS does.
per_row      : one row is one jet, with its own list of constituents.
padded       : one row is one jet, with a fixed number of slots filled up with zeros.
cluster      : one row is one event, with a list of constituents or padded slots; FastJet finds the jets.
none         : the jets are stored without constituents.
"""


EVENTS = (
    "run",
    "luminosityBlock",
    "event",
    "weight",
    "process",
    "met_pt",
    "met_phi",
    "jet_radius",
    "npv",
    "total_et",
    "leading_jet_pt",
)
"""Columns of events that have a meaning here."""


def _sets(*names: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(each.split()) for each in names)


MOMENTA = _sets("pt eta phi", "pt eta phi mass", "px py pz energy", "pt rapidity phi pid", "ptrel etarel phirel")
OBJECTS = _sets("id pt eta phi", "id pt eta phi mass", "id px py pz energy")
JETS = _sets("pt eta phi", "pt eta phi mass", "pt eta phi energy", "px py pz energy")
JETS_WITHOUT_PHI = _sets("pt eta mass", "pt eta energy")


@dataclass(frozen=True)
class LabelRule:
    """A jet is background (label 0) where column `name` lies in `background`, signal (1) where it lies in `signal`.

    Both are ranges with both ends included; without `signal` everything else is signal. A `required` label tells a
    layout from others: a file without it has another.
    """

    name: str
    background: tuple[int, int] = (0, 0)
    signal: tuple[int, int] | None = (1, 1)
    required: bool = False

    def __post_init__(self) -> None:
        for name, ends in (("background", self.background), ("signal", self.signal or (0, 0))):
            if ends[0] > ends[1]:
                raise InputError(f"label '{self.name}': {name} = {ends}, expected [lowest, highest]")


@dataclass(frozen=True)
class Collection:
    """One jet collection of a layout; every value is a column of the file.

    A column is the name of a branch or a dataset, with `@` and a field, a position or a slice of its last axis where
    it holds more than one number: `Jet.Tau[5]@0`, `JetsAK8@fP.fX`, `values@0:2100:3`.

    `constituents` names {pt, eta, phi} with or without mass, {px, py, pz, energy}, {pt, rapidity, phi, pid}, or
    {ptrel, etarel, phirel} relative to the jet; optionally a multiplicative `weight` (a PUPPI weight, say) and a
    `mask` of the used slots. `objects` names them per kind of object, with the unique number `id`, where there are
    several kinds. `jets` names {pt, eta, phi}, with mass or energy where they have one, or {px, py, pz, energy}; where
    they are absent the constituents are summed. `features` maps names of `jetnae.features` to columns. `radius` is that
    of the jets, None where the files differ; clustering starts from it. `widths` says how long the last axis of a
    column may be, where only that tells the layout from others. `arrays` maps `regions` and `objects` of
    `jetnae.level1` to columns with one array per row, which are read where a model takes them.
    """

    name: str
    link: Link
    constituents: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[Mapping[str, str], ...] = ()
    jets: Mapping[str, str] = field(default_factory=dict)
    jet_index: str = ""
    constituent_index: str = ""
    label: LabelRule | None = None
    radius: float | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    widths: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        needs = {
            "constituents": self.link not in {"none", "tref"},
            "objects": self.link == "tref",
            "jets": self.link in {"none", "tref", "element_link", "index_table"},
            "jet_index": self.link in {"inline", "index_table"},
            "constituent_index": self.link in {"index_table", "tref", "element_link"},
        }
        for name, needed in needs.items():
            if needed and not getattr(self, name):
                raise InputError(f"collection '{self.name}': the link '{self.link}' needs `{name}`")
        if self.constituents:
            _check_keys(self.name, "constituents", self.constituents, MOMENTA, {"weight", "mask"})
        for kind in self.objects:
            _check_keys(self.name, "objects", kind, OBJECTS, {"weight"})
        if self.jets:
            phi = {"phi"} if "ptrel" in self.constituents else set()
            _check_keys(self.name, "jets", self.jets, JETS_WITHOUT_PHI if phi else JETS, phi)
        for column in self.all_columns:
            check(column)

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Every column that is named."""
        objects = (name for kind in self.objects for name in kind.values())
        label = (self.label.name,) if self.label is not None else ()
        links = tuple(name for name in (self.jet_index, self.constituent_index) if name)
        return (
            *self.constituents.values(),
            *objects,
            *self.jets.values(),
            *self.features.values(),
            *self.arrays.values(),
            *links,
            *label,
        )

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that must be in the file for this collection to resolve; for `objects`, one kind at least."""
        links = tuple(name for name in (self.jet_index, self.constituent_index) if name)
        jets = () if self.jets_optional else tuple(self.jets.values())
        label = (self.label.name,) if self.label is not None and self.label.required else ()
        return (*self.constituents.values(), *jets, *links, *label)

    @property
    def jets_optional(self) -> bool:
        """Whether the jets' four-vectors can be recomputed from the constituents."""
        return self.link in {"inline", "per_row", "padded", "cluster"} and "ptrel" not in self.constituents


@dataclass(frozen=True)
class Layout:
    """A naming that jet files come in: its tree or group, and its collections, large radius first.

    `tree` is the name, with or without folders; "*" for any, as in files that hold nothing else. `events` maps our
    event columns (`EVENTS`) to columns of the file; of several the first that is there. `unit` is that of the momenta.
    """

    name: str
    tree: str
    collections: tuple[Collection, ...]
    events: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    unit: Literal["GeV", "MeV"] = "GeV"

    def __post_init__(self) -> None:
        if not self.collections:
            raise InputError(f"layout '{self.name}': no collections, expected at least one")
        unknown = sorted(set(self.events) - set(EVENTS))
        if unknown:
            raise InputError(
                f"layout '{self.name}': unknown events {', '.join(unknown)}, known are {', '.join(EVENTS)}"
            )
        for columns in self.events.values():
            for column in (columns,) if isinstance(columns, str) else columns:
                check(column)


def _check_keys(
    name: str, where: str, found: Mapping[str, str], expected: tuple[frozenset[str], ...], optional: set[str]
) -> None:
    if frozenset(found) - optional not in expected:
        several = " or ".join("{" + ", ".join(sorted(keys)) + "}" for keys in expected)
        raise InputError(f"collection '{name}': {where} = {{{', '.join(sorted(found))}}}, expected {several}")


def read_layout(path: str) -> Layout:
    """A layout of one's own from a TOML file with the fields of `Layout` and `Collection`.

    Raises `InputError` for a file that is not TOML, and for unknown, missing or contradicting keys.
    """
    return parse(Layout, read_toml(path), path)
