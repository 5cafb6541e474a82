"""Failures of a training that would otherwise be silent: collapse, divergence, dead latents, stuck chains."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jetnae.diagnostics.verdict import MOST_OF_MEAN_IMAGE
from jetnae.models import Model
from jetnae.models.chains import Chains
from jetnae.models.model import squared_error
from jetnae.training.batches import Inputs

MAX_RESTARTS, MAX_ROLLBACKS = 3, 5
JUDGED_AFTER = 300
"""Steps before a reconstruction can be called collapsed rather than hardly begun."""
WINDOW, RECENT, LEAST = 100, 5, 50
MAX_GROWTH = 10.0
"""Of the norm of all weights since the last good state."""
DEAD = 0.01


@dataclass(frozen=True)
class Baseline:
    """The constant reconstruction by the mean training input, and from which share of its error on a model collapsed.

    largest : inputs farther from the mean than this, squared and per value, are not compared; None compares all.
    """

    mean: Tensor
    limit: float
    largest: float | None

    @torch.no_grad()
    def share(self, model: Model, held_out: Inputs) -> float | None:
        """Error of the reconstruction of held-out inputs over that of the mean; None where there is none."""
        reconstruct = getattr(model, "reconstruct", None)
        if reconstruct is None:
            return None
        parts = torch.split(held_out.x, 1024)
        error = torch.cat([squared_error(x, reconstruct(x)) for x in parts])
        constant = squared_error(held_out.x, self.mean)
        if self.largest is not None:
            error, constant = (torch.where(constant <= self.largest, each, 0.0) for each in (error, constant))
        return held_out.mean(error)[0] / max(held_out.mean(constant)[0], 1e-300)


def make_baseline(training: Inputs) -> Baseline:
    """The baseline of a training.

    Of images a working autoencoder removes most of the variance, so the limit is 0.9 of the error of the mean image. Of
    features nobody knows how much there is to remove: they may be independent, and a few jets far out in the tails
    may hold most of the variance. There the farthest 1 % are left out, and the limit is to remove a quarter of what a
    linear model with one component would.
    """
    x = training.first(10_000)
    weights = torch.ones(len(x), device=x.x.device) if x.weights is None else x.weights.to(x.x.dtype)
    weights = weights / weights.sum()
    mean = torch.tensordot(weights.to(x.x.dtype), x.x, dims=1)
    if x.x.dim() > 2:
        return Baseline(mean, MOST_OF_MEAN_IMAGE, None)
    distance = (x.x - mean).square().mean(dim=1)
    largest = float(distance.quantile(0.99))
    kept = torch.where(distance <= largest, weights, 0.0)
    centered = (x.x - mean).double()
    variances = torch.linalg.eigvalsh(centered.T @ (kept.double()[:, None] * centered)).clamp_min(0)
    first = float(variances.max() / variances.sum().clamp_min(1e-300))
    return Baseline(mean, 1 - 0.25 * first, largest)


def is_collapsed(share: float | None, before: float | None, limit: float, *, step: int, of: int) -> bool:
    """Whether a reconstruction has settled at the mean input, rather than not yet begun to learn.

    share, before : of the baseline's error, now and at the check before. step, of : where in the phase of
    reconstruction. Judged at its end, and from its half on where a long enough phase no longer makes progress.
    """
    if share is None or share < limit or step < JUDGED_AFTER:
        return False
    settled = before is not None and share > 0.98 * before
    return step == of or (settled and step >= max(of // 2, 1000))


@dataclass
class Watch:
    """The last energies of data and negative samples, in the order of the steps, to notice when they run away.

    After the divergence detector of arXiv:2310.18677: an energy that stays above mean + 6 sigma of the steps before,
    where sigma is at least a tenth of the mean; negative samples must also lie above twice the data.
    """

    data: list[float] = field(default_factory=list)
    negative: list[float] = field(default_factory=list)

    def add(self, data: float | None, negative: float | None) -> str | None:
        """Take in the energies of a step; returns what is wrong, if something is."""
        for values, value in ((self.data, data), (self.negative, negative)):
            if value is not None:
                values.append(value)
                del values[: -WINDOW - RECENT]
        if _ran_away(self.data):
            return "the energy of the data ran away"
        both = statistics.median(self.data[-RECENT:] or [0.0])
        if _ran_away(self.negative) and statistics.median(self.negative[-RECENT:]) > 2 * both:
            return "the energy of the negative samples ran away"
        return None

    @property
    def quiet(self) -> bool:
        """Whether none of the last steps was out of the ordinary, so that their state is one to go back to."""
        return all(max(values[-RECENT:], default=0.0) <= _limit(values) for values in (self.data, self.negative))


def _ran_away(values: list[float]) -> bool:
    return bool(values) and statistics.median(values[-RECENT:]) > _limit(values)


def _limit(values: list[float]) -> float:
    """What the last values must not exceed, given those before them; infinite before there are enough."""
    past = values[:-RECENT]
    if len(past) < LEAST:
        return math.inf
    mean = statistics.fmean(past)
    return mean + 6 * max(statistics.pstdev(past), 0.1 * abs(mean))


def unsound(norm: float, before: float) -> str | None:
    """What is wrong with the norm of the weights, given that of the last good state."""
    if not math.isfinite(norm):
        return "the weights are not finite"
    return f"the weights grew from {before:.3g} to {norm:.3g}" if norm > MAX_GROWTH * max(before, 1e-12) else None


@torch.no_grad()
def dead_latents(model: Model, held_out: Inputs) -> str | None:
    """A warning where latent dimensions do not vary over held-out inputs."""
    encoder = getattr(model, "encoder", None)
    if encoder is None:
        return None
    parts = [encoder(x) for x in torch.split(held_out.x, 1024)]
    if not isinstance(parts[0], Tensor):
        return None
    z = torch.cat(parts).flatten(1)
    size = float(z.square().mean().sqrt())
    dead = [str(i) for i, spread in enumerate(z.std(dim=0).tolist()) if not spread > DEAD * size]
    if not dead:
        return None
    return f"dead latents: dimensions {', '.join(dead)} of {z.shape[1]} are the same for all held-out jets"


def stuck_chains(chains: Chains, held_out: Inputs) -> str | None:
    """A warning where chains sit at the bounds of the space, beyond what the zeros of the data explain."""
    zeros = float((held_out.x == 0).float().mean())
    if chains.at_bounds <= zeros + 0.25 * (1 - zeros):
        return None
    return (
        f"chains are stuck: {100 * chains.at_bounds:.0f} % of the values at the bounds, {100 * zeros:.0f} % in the data"
    )
