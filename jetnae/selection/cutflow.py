"""How many jets and events are left after each cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

WIDTH = 48
"""Characters of a cut in the printed table."""


@dataclass(frozen=True)
class CutRow:
    """What is left after one cut and all before it.

    n_events : events that pass; after the first cut on jets those with at least one passing jet. n_jets : jets that
    pass, in passing events. sum_weights, sum_weights_sq : over these events, of weights that are finite.
    """

    cut: str
    n_events: int
    n_jets: int
    sum_weights: float
    sum_weights_sq: float

    @property
    def n_effective(self) -> float:
        """Events without weights that would have this relative error: (sum w)^2 / sum w^2, 0 where there are none."""
        return self.sum_weights**2 / self.sum_weights_sq if self.sum_weights_sq > 0 else 0.0


@dataclass(frozen=True)
class CutFlow:
    """Counts after each cut, in order; the first row is `all`. Cut flows of parts of a sample add up."""

    rows: tuple[CutRow, ...]

    def __add__(self, other: CutFlow) -> CutFlow:
        """The cut flow of both samples; raises `InputError` when their cuts differ."""
        if [row.cut for row in self.rows] != [row.cut for row in other.rows]:
            raise InputError("cut flows of different cuts cannot be added: make both with the same selection")
        return CutFlow(tuple(_added(a, b) for a, b in zip(self.rows, other.rows, strict=True)))

    def efficiencies(self) -> tuple[tuple[float | None, float | None], ...]:
        """For each row its sum of weights over that of the first row, and over that of the row before.

        None where the divisor is 0, and in the second place of the first row.
        """
        sums = [row.sum_weights for row in self.rows]
        before = [0.0, *sums[:-1]]
        return tuple((_ratio(now, sums[0]), _ratio(now, last)) for now, last in zip(sums, before, strict=True))

    def lines(self) -> list[str]:
        """The table as plain text, one line per cut under a heading; efficiencies in %."""
        heading = ("cut", "events", "jets", "sum of weights", "effective", "of all %", "of last %")
        body = [
            (
                row.cut if len(row.cut) <= WIDTH else f"{row.cut[: WIDTH - 3]}...",
                str(row.n_events),
                str(row.n_jets),
                f"{row.sum_weights:.8g}",
                f"{row.n_effective:.1f}",
                *("-" if ratio is None else f"{100 * ratio:.2f}" for ratio in efficiencies),
            )
            for row, efficiencies in zip(self.rows, self.efficiencies(), strict=True)
        ]
        widths = [max(len(line[i]) for line in [heading, *body]) for i in range(len(heading))]
        return [_aligned(line, widths) for line in [heading, *body]]


def count(cut: str, events: npt.NDArray[np.bool_], n_jets: int, weights: npt.NDArray[np.float64] | None) -> CutRow:
    """A row from the mask and the weights (n_events,) of all events, None for weights of 1, and the passing jets."""
    n_events = int(np.count_nonzero(events))
    if weights is None:
        return CutRow(cut, n_events, n_jets, float(n_events), float(n_events))
    passing = weights[events & np.isfinite(weights)]
    return CutRow(cut, n_events, n_jets, float(passing.sum()), float(np.square(passing).sum()))


def _added(a: CutRow, b: CutRow) -> CutRow:
    return CutRow(
        a.cut,
        a.n_events + b.n_events,
        a.n_jets + b.n_jets,
        a.sum_weights + b.sum_weights,
        a.sum_weights_sq + b.sum_weights_sq,
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([cells[0].ljust(widths[0]), *numbers])
