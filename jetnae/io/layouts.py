"""Named layouts: where a file keeps its jets, and how the constituents are tied to them. Data, not code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from jetnae.errors import InputError
from jetnae.jets import WEIGHT

Link = Literal["inline", "index_table", "padded", "per_row"]
"""How constituents are tied to jets.

inline      : one constituent list per event, each entry naming its jet (`jet_index`).
index_table : a table per event pairs jets (`jet_index`) with entries of a shared list (`constituent_index`).
per_row     : one row is one jet, with its own list of constituents.
padded      : one row is one jet, with a fixed number of slots filled up with zeros.
"""


@dataclass(frozen=True)
class LabelRule:
    """A jet is background (label 0) where column `name` lies in `background` (both ends included), else signal."""

    name: str
    background: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Collection:
    """One jet collection of a layout; every value is a branch, or a dataset, of the file.

    `constituents` names {pt, eta, phi, mass} or {px, py, pz, energy}, optionally a multiplicative `weight`
    (a PUPPI weight, say). `jets` names {pt, eta, phi} and mass or energy; empty means: sum the constituents.
    `radius` is that of the jets, None where the files differ.
    """

    name: str
    link: Link
    constituents: Mapping[str, str]
    jets: Mapping[str, str] = field(default_factory=dict)
    jet_index: str = ""
    constituent_index: str = ""
    label: LabelRule | None = None
    radius: float | None = None

    @property
    def required(self) -> tuple[str, ...]:
        """The names that must be in the file for this collection to resolve."""
        links = tuple(name for name in (self.jet_index, self.constituent_index) if name)
        return (*self.constituents.values(), *self.jets.values(), *links)


@dataclass(frozen=True)
class Layout:
    """A naming that jet files come in: its tree or dataset, and its collections, large radius first.

    `optional` maps our event columns (run, luminosityBlock, event, weight, ...) to names in the file.
    """

    name: str
    container: Literal["root", "hdf5"]
    tree: str
    collections: tuple[Collection, ...]
    optional: Mapping[str, str] = field(default_factory=dict)


def _cms(prefix: str, names: str = "pt eta phi mass") -> dict[str, str]:
    return {name: f"{prefix}_{name}" for name in names.split()}


_EVENT_ID = {name: name for name in ("run", "luminosityBlock", "event")}
_NANO = {**_EVENT_ID, WEIGHT: "genWeight"}
_PF = _cms("PFCands")
_JETCLASS = Collection(
    name="jet",
    link="per_row",
    constituents=_cms("part", "px py pz energy"),
    jets=_cms("jet", "pt eta phi energy"),
    radius=0.8,
)


def _jetclass(label: LabelRule) -> Collection:
    return replace(_JETCLASS, label=label)


_ALL = (
    Layout(
        name="jetnae",
        container="root",
        tree="events",
        collections=(
            Collection(
                name="Jet",
                link="inline",
                constituents=_cms("Constituent"),
                jets=_cms("Jet"),
                jet_index="Constituent_jetIdx",
                label=LabelRule("Jet_label"),
            ),
        ),
        optional={**_EVENT_ID, WEIGHT: "weight", "process": "process"},
    ),
    Layout(
        name="pfnano",
        container="root",
        tree="Events",
        collections=(
            # The weighted sum of the candidates of a fat (PUPPI) jet is its raw pt; small-R jets of UL PFNano
            # are CHS jets, whose candidates enter with weight one.
            Collection(
                name="FatJet",
                link="index_table",
                constituents={**_PF, "weight": "PFCands_puppiWeight"},
                jets=_cms("FatJet"),
                jet_index="FatJetPFCands_jetIdx",
                constituent_index="FatJetPFCands_pFCandsIdx",
                radius=0.8,
            ),
            Collection(
                name="Jet",
                link="index_table",
                constituents=_PF,
                jets=_cms("Jet"),
                jet_index="JetPFCands_jetIdx",
                constituent_index="JetPFCands_pFCandsIdx",
                radius=0.4,
            ),
        ),
        optional=_NANO,
    ),
    Layout(
        name="nanoaod-v15",
        container="root",
        tree="Events",
        collections=(
            # Candidates are stored with their PUPPI weight already applied.
            Collection(
                name="FatJet",
                link="index_table",
                constituents=_cms("PFCand"),
                jets=_cms("FatJet"),
                jet_index="FatJetPFCand_jetIdx",
                constituent_index="FatJetPFCand_pfCandIdx",
                radius=0.8,
            ),
        ),
        optional=_NANO,
    ),
    # JetClass-II before JetClass: their names are the same but for the label. Of the 188 classes of
    # JetClass-II the last 27, 161 to 187, are QCD (arXiv:2405.12972).
    Layout("jetclass2", "root", "tree", (_jetclass(LabelRule("jet_label", (161, 187))),)),
    Layout("jetclass", "root", "tree", (_jetclass(LabelRule("label_QCD", (1, 1))),)),
    Layout(
        name="toptag",
        container="hdf5",
        tree="table/table",
        collections=(
            Collection(
                name="jet",
                link="padded",
                constituents={"px": "PX", "py": "PY", "pz": "PZ", "energy": "E"},
                label=LabelRule("is_signal_new"),
                radius=0.8,
            ),
        ),
    ),
)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _ALL}


@dataclass(frozen=True)
class Match:
    """A layout and the collection of it that a file is read with."""

    layout: Layout
    collection: Collection


def find_layout(name: str, container: str) -> Layout:
    """The layout called `name`; raises `InputError` listing the layouts of this container."""
    known = [layout.name for layout in LAYOUTS.values() if layout.container == container]
    if name not in known:
        raise InputError(f"no layout '{name}' for {container} files: choose one of {', '.join(known)}")
    return LAYOUTS[name]


def match_layout(
    names: Mapping[str, set[str]], candidates: Sequence[Layout], collection: str | None, *, path: str
) -> Match:
    """Choose the first layout, and in it the first collection, whose names are all in the file.

    `names` holds the branch names of each tree of the file. A layout whose label is also there goes before one
    without. Raises `InputError` that says which layouts were tried and what the nearest lacks.
    """
    matches = [
        (not _has_label(names, layout, option), order, Match(layout, option))
        for order, layout in enumerate(candidates)
        for option in layout.collections
        if not _missing(names, layout, option)
    ]
    if collection is not None:
        wanted = [match for match in matches if match[2].collection.name == collection]
        if matches and not wanted:
            found = sorted({match[2].collection.name for match in matches})
            raise InputError(
                f"{path}: no jet collection '{collection}' with constituents, found {', '.join(found)}: "
                "choose one of these with --collection"
            )
        matches = wanted
    if not matches:
        raise InputError(_explain(names, candidates, path))
    return min(matches, key=lambda match: match[:2])[2]


def _missing(names: Mapping[str, set[str]], layout: Layout, collection: Collection) -> list[str]:
    present = names.get(layout.tree, set())
    return [name for name in collection.required if name not in present]


def _has_label(names: Mapping[str, set[str]], layout: Layout, collection: Collection) -> bool:
    return collection.label is None or collection.label.name in names.get(layout.tree, set())


def _explain(names: Mapping[str, set[str]], candidates: Sequence[Layout], path: str) -> str:
    options = [(layout, option) for layout in candidates for option in layout.collections]
    tried = ", ".join(layout.name for layout in candidates)
    if not options:
        return f"{path}: no layout is known for this kind of file"
    layout, option = min(
        options,
        key=lambda pair: len(_missing(names, *pair)) / len(pair[1].required) + (pair[0].tree not in names),
    )
    missing = _missing(names, layout, option)
    if layout.tree not in names:
        found = ", ".join(sorted(names)) or "nothing"
        expected = ", ".join(dict.fromkeys(f"'{each.tree}'" for each in candidates))
        return (
            f"{path}: no known jet layout (tried {tried}): found {found}, expected one of {expected}; "
            "the README says what each layout needs"
        )
    return (
        f"{path}: no known jet layout (tried {tried}): the nearest, '{layout.name}' with jets "
        f"'{option.name}', lacks {_some(missing)} in '{layout.tree}'; images need jets with constituents"
    )


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
