"""Which widths to choose: the same student in several, compared on background alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jetnae.distillation.agreement import Agreement
from jetnae.distillation.size import Size

KEPT = 0.97
"""Share of what the student in floating point retains that one in fixed point has to retain."""
RULE = (
    f"the fewest bit operations among the widths that keep {KEPT:g} of the efficiency for broadened background that "
    "floating point keeps, at the working point; where none does, the one that keeps most"
)


@dataclass(frozen=True)
class Efficiency:
    """Share of a signal that passes at a share of background that does: for the report, nothing is chosen by it."""

    share: float
    teacher: float
    student: float


@dataclass(frozen=True)
class Candidate:
    """One student: bits of its weights (None in floating point), how far it agrees with its teacher, and its size.

    formats : of input, activations and score as in firmware, by layer. signal : by name of the file.
    """

    bits: int | None
    agreement: Agreement
    size: Size
    formats: tuple[str, ...]
    signal: dict[str, tuple[Efficiency, ...]]


@dataclass(frozen=True)
class BitScan:
    """Students of the same sizes in several widths, the first in floating point, and the one to take.

    recommended : bits of its weights.
    """

    teacher: str
    teacher_sha256: str
    candidates: tuple[Candidate, ...]
    recommended: int
    rule: str = RULE


def recommend(candidates: Sequence[Candidate]) -> int:
    """The bits of the weights to take, by the rule, which knows no signal; the first candidate is in floating point."""
    floating, *fixed = candidates
    needed = KEPT * _kept(floating)
    enough = [each for each in fixed if _kept(each) >= needed]
    chosen = min(enough, key=lambda each: each.size.bit_operations) if enough else max(fixed, key=_kept)
    if chosen.bits is None:
        raise ValueError("a candidate in floating point after the first, expected fixed point")
    return chosen.bits


def _kept(candidate: Candidate) -> float:
    """What is retained; the agreement in the decisions where no way leaves room for a difference."""
    retained = candidate.agreement.retention
    return candidate.agreement.points[0].agreement if retained is None else min(retained, 1.0)
