"""The layouts that jetnae knows: one entry per naming, the more specific of two that share a tree first."""

from __future__ import annotations

from dataclasses import replace

from jetnae.io.known.datasets import ARRAYS, CROSSINGS, JETCLASSES
from jetnae.io.known.delphes import DELPHES
from jetnae.io.known.naming import of
from jetnae.io.known.nano import NANO
from jetnae.io.known.physlite import PHYSLITE
from jetnae.io.known.treemaker import FEATURES, TREEMAKER
from jetnae.io.layouts import EVENTS, Collection, LabelRule, Layout

_OWN = Collection(
    name="Jet",
    link="inline",
    constituents=of("Constituent"),
    jets=of("Jet"),
    jet_index="Constituent_jetIdx",
    label=LabelRule("Jet_label"),
    features={name: f"Jet_{name}" for name in (*FEATURES, "n2", "n3", "c2", "d2", "lha", "thrust")},
)
_JETNAE = Layout(
    "jetnae",
    "events",
    (_OWN, replace(_OWN, link="none", constituents={}, jet_index="")),
    {name: name for name in EVENTS},
)

_ALL = (_JETNAE, *NANO, *JETCLASSES, DELPHES, PHYSLITE, *TREEMAKER, CROSSINGS, *ARRAYS)
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _ALL}
