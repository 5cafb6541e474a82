"""How far a student agrees with its teacher where it matters, from held-out background and what was made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from jetnae.errors import InputError
from jetnae.roc import auc

Scores = npt.NDArray[np.floating[Any]]
WORKING_POINT = 3.5e-4
"""Share of all crossings that passes at 10 kHz of 28.6 MHz."""
SHARES = (WORKING_POINT, 1e-3, 1e-2, 1e-1)
MIN_PASSING = 10
"""Held-out inputs that have to pass, so that a share means something."""
TAIL = 0.01
BETWEEN = (0.1, 0.9)
"""Efficiencies of the teacher that leave room for the student to differ."""


@dataclass(frozen=True)
class Point:
    """At one share of background that passes: how many of the teacher's pass with the student, at equal share."""

    share: float
    n_pass: int
    agreement: float


@dataclass(frozen=True)
class Way:
    """Efficiencies of teacher and student for inputs broadened in one way, and both areas under the ROC curve."""

    teacher: float
    student: float
    auc_teacher: float
    auc_student: float


@dataclass(frozen=True)
class Agreement:
    """What held-out background says of a student, in the order of ranks, which is all that a threshold knows.

    n : held-out background inputs. correlation : of the ranks of both scores; correlation_tail : among the 1 % with the
    highest scores of the teacher. points : decisions at equal shares. working_point : the share of the efficiencies in
    `ways`, of broadened inputs by their way. retention : mean of the student's over the teacher's efficiency, of the
    ways in which the teacher's lies between 0.1 and 0.9; None where there is none.
    """

    n: int
    correlation: float
    correlation_tail: float
    points: tuple[Point, ...]
    working_point: float
    ways: Mapping[str, Way]
    retention: float | None


def compare(
    teacher: Scores, student: Scores, ways: Mapping[str, tuple[Scores, Scores]], share: float = WORKING_POINT
) -> Agreement:
    """Compare scores (n,) of held-out background, and of broadened inputs by their way, each (teacher, student).

    Raises `InputError` where too few are held out for any share.
    """
    points = tuple(_points(teacher, student, sorted({share, *SHARES})))
    if not points:
        least = round(MIN_PASSING / max(SHARES))
        raise InputError(f"{len(teacher)} held-out inputs, expected at least {least}: give more background")
    at = share if any(point.share == share for point in points) else points[0].share
    cuts = (threshold(teacher, at), threshold(student, at))
    found = {name: _way(*scores, cuts, (teacher, student)) for name, scores in ways.items()}
    tail = np.argsort(teacher)[-max(int(TAIL * len(teacher)), MIN_PASSING) :]
    return Agreement(
        n=len(teacher),
        correlation=rank_correlation(teacher, student),
        correlation_tail=rank_correlation(teacher[tail], student[tail]),
        points=points,
        working_point=at,
        ways=found,
        retention=retention([(each.teacher, each.student) for each in found.values()]),
    )


def threshold(scores: Scores, share: float) -> float:
    """The score that at most this share of the scores (n,) lies above; equal scores pass together or not at all."""
    return float(np.sort(scores)[-int(share * len(scores)) - 1])


def rank_correlation(a: Scores, b: Scores) -> float:
    """Spearman's correlation of two scores (n,); 0 where one of them is the same for all."""
    first, second = (rankdata(each) - (len(each) + 1) / 2 for each in (a, b))
    sizes = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / sizes if sizes else 0.0


def retention(efficiencies: list[tuple[float, float]]) -> float | None:
    """Mean of student over teacher efficiency, where the teacher's leaves room for a difference."""
    low, high = BETWEEN
    ratios = [student / teacher for teacher, student in efficiencies if low <= teacher <= high]
    return float(np.mean(ratios)) if ratios else None


def _points(teacher: Scores, student: Scores, shares: list[float]) -> list[Point]:
    points = []
    for share in shares:
        if int(share * len(teacher)) < MIN_PASSING:
            continue
        passing = teacher > threshold(teacher, share)
        both = passing & (student > threshold(student, share))
        if passing.any():
            points.append(Point(share, int(passing.sum()), float(both.sum() / passing.sum())))
    return points


def _way(teacher: Scores, student: Scores, cuts: tuple[float, float], background: tuple[Scores, Scores]) -> Way:
    return Way(
        teacher=float(np.mean(teacher > cuts[0])),
        student=float(np.mean(student > cuts[1])),
        auc_teacher=auc(teacher, background[0]).value,
        auc_student=auc(student, background[1]).value,
    )
