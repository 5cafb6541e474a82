"""What a student learns from: background, broadened inputs, and the log-score of the teacher. No label exists here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from jetnae.errors import InputError

if TYPE_CHECKING:
    from jetnae.distillation.config import DistillConfig
    from jetnae.distillation.views import Array, View
    from jetnae.models import Scorer

CHUNK = 4096
"""Inputs that the teacher scores at once."""
N_BINS = 64
MIN_HELD_OUT = 100
"""Held-out inputs, with which the upper tenth holds enough to be compared."""
FLOOR = 1e-4
"""Survival probability below which background is not drawn more often."""


@dataclass(frozen=True)
class Part:
    """Raw values (n, *shape), log-scores of the teacher (n,), and with what odds (n,) each is drawn."""

    raw: Tensor
    log_score: Tensor
    odds: Tensor

    def __len__(self) -> int:
        return len(self.raw)


@dataclass(frozen=True)
class Lesson:
    """Background and broadened inputs to learn from, and held-out ones for the report, the broadened by their way.

    offset, slope : the scale on which the student answers; on it background has about unit width around zero.
    """

    background: Part
    broadened: Part
    held_out: Part
    held_out_broadened: Mapping[str, Part]
    offset: float
    slope: float


def prepare(raw: Array, view: View, teacher: Scorer, config: DistillConfig, device: torch.device) -> Lesson:
    """Hold a share of the raw values (n, *shape) out, broaden both shares, and let the teacher score everything.

    Raises `InputError` for too few, for values that are not finite, and where a score has no logarithm.
    """
    least = math.ceil(MIN_HELD_OUT / min(config.validation, 1 - config.validation))
    if len(raw) < least:
        raise InputError(f"{len(raw)} background inputs, expected at least {least}: give larger files")
    if not np.isfinite(raw).all():
        raise InputError("the inputs are not finite for some jets: cut on them with --select")
    rng = np.random.default_rng(config.seed)
    shuffled = raw[rng.permutation(len(raw))]
    n_held_out = math.ceil(config.validation * len(raw))
    parts = {"held_out": shuffled[:n_held_out], "background": shuffled[n_held_out:]}
    if view.turned is not None:
        seen = parts["background"]
        parts["background"] = np.concatenate([seen, *(view.turned(seen, rng) for _ in range(config.turned))])
    scored = {name: (values, log_scores(values, view, teacher, device)) for name, values in parts.items()}
    background = scored["background"][1]
    held_out = {
        name: _part(values, log_scores(values, view, teacher, device))
        for name, values in broaden(parts["held_out"], view, config.broadened, rng).items()
    }
    ways = broaden(parts["background"], view, config.broadened, rng)
    broadened = np.concatenate(list(ways.values()))
    of_broadened = log_scores(broadened, view, teacher, device)
    width = float(background.double().std())
    if not width > 0:
        raise InputError("the teacher gives all inputs the same score: there is nothing to learn")
    return Lesson(
        background=_part(*scored["background"], tail_odds(background, config.tail)),
        broadened=_part(broadened, of_broadened, even_odds(of_broadened)),
        held_out=_part(*scored["held_out"]),
        held_out_broadened=held_out,
        offset=float(background.double().median()),
        slope=2.0 ** -round(math.log2(width)),
    )


def _part(raw: Array, log_score: Tensor, odds: Tensor | None = None) -> Part:
    return Part(torch.from_numpy(raw), log_score, torch.ones(len(raw), dtype=torch.float64) if odds is None else odds)


def broaden(raw: Array, view: View, ratio: float, rng: np.random.Generator) -> dict[str, Array]:
    """Broadened raw values by their way, `ratio` in all for each of (n, *shape), the same number of each way."""
    n = max(int(ratio * len(raw) / len(view.ways)), 10)
    return {
        name: np.asarray(view.tidy(way(raw[rng.integers(0, len(raw), n)], rng))).astype(view.dtype)
        for name, way in view.ways.items()
    }


@torch.no_grad()
def log_scores(raw: Array, view: View, teacher: Scorer, device: torch.device) -> Tensor:
    """Logarithm (n,) of the teacher's scores; scores of zero count as the smallest other one.

    Raises `InputError` for negative scores and for those that are not finite.
    """
    parts = torch.split(torch.from_numpy(raw), CHUNK)
    scores = torch.cat([teacher.score(view.teacher(part.to(device))).cpu() for part in parts])
    if not bool(torch.isfinite(scores).all()) or float(scores.min()) < 0 or float(scores.max()) == 0:
        raise InputError(
            f"the teacher's scores go from {float(scores.min()):.4g} to {float(scores.max()):.4g}: a student learns "
            "their logarithm, expected a teacher with positive scores, as the error of a reconstruction"
        )
    return scores.clamp_min(float(scores[scores > 0].min())).log()


def tail_odds(log_score: Tensor, power: float) -> Tensor:
    """Odds (n,) with which background is drawn: its survival probability to the power of -`power`."""
    rank = torch.empty(len(log_score), dtype=torch.float64)
    rank[log_score.argsort(descending=True)] = torch.arange(len(log_score), dtype=torch.float64) + 0.5
    return (rank / len(log_score)).clamp_min(FLOOR) ** -power


def even_odds(log_score: Tensor) -> Tensor:
    """Odds (n,) with which log-scores come out evenly over their range."""
    low, high = float(log_score.min()), float(log_score.max())
    index = ((log_score - low) / max(high - low, 1e-30) * N_BINS).long().clamp_max(N_BINS - 1)
    counts = torch.bincount(index, minlength=N_BINS).double()
    # where there are few, evenness would draw the same ones again and again
    return 1 / counts.clamp_min(float(counts.sum()) / (20 * N_BINS))[index]
