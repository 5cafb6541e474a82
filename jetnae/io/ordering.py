"""Constituents that are in the order of their jets already, as files mostly have them: one pass to see and count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jetnae.compiled import compiled

if TYPE_CHECKING:
    from jetnae.jets import IntArray


def ordered_counts(local: Any, links: IntArray, n_jets: IntArray) -> IntArray | None:
    """Constituents per jet (sum of n_jets,), or None where some belong to no jet or are out of order.

    local : the jet of each constituent within its event. links : (n_events,) constituents, n_jets : (n_events,) jets.
    """
    if len(links) != len(n_jets) or int(links.sum()) != len(local) or (len(n_jets) and n_jets.min() < 0):
        return None
    counts = np.zeros(int(n_jets.sum()), dtype=np.int64)
    ordered = local.dtype.kind == "i" and _count(np.ascontiguousarray(local), links, n_jets, counts)
    return counts if ordered else None


@compiled(nogil=True)
def _count(local: Any, links: Any, n_jets: Any, counts: Any) -> bool:
    entry, first = 0, 0
    for event in range(len(links)):
        last = 0
        for _ in range(links[event]):
            jet = local[entry]
            if jet < last or jet >= n_jets[event]:
                return False
            counts[first + jet] += 1
            last = jet
            entry += 1
        first += n_jets[event]
    return True
