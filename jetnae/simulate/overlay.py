"""Bunch crossings: collisions drawn from a pool and overlaid, each turned and mirrored at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jetnae.errors import InputError
from jetnae.level1 import COUNT, FIRST, KINDS, MAX_COUNT, N_ETA, N_OBJECTS, N_PHI, PHI_COUNTS
from jetnae.simulate.collisions import FINE, Collisions, join
from jetnae.simulate.objects import find_jets, merge_objects, missing_momentum, sum_regions
from jetnae.simulate.pool import Pool

STEP = round(FINE * COUNT)
"""Steps of energies in the pool that make one count."""


@dataclass(frozen=True)
class PileUp:
    """Mean number of inelastic collisions per crossing, over a run cut into luminosity sections of equal length.

    It falls linearly by `fall` around `mean` from the first to the last of `n_sections`, and in each section varies
    between bunches as a Gaussian of width `spread`, cut at `lowest` and at twice the mean less that.
    """

    mean: float = 50.0
    fall: float = 20.0
    spread: float = 8.0
    lowest: float = 5.0
    n_sections: int = 100

    def __post_init__(self) -> None:
        fine = self.spread >= 0 and 0 <= self.lowest <= self.mean - self.fall / 2 and self.mean <= 500
        if not (fine and self.fall >= 0 and self.n_sections >= 1):
            raise InputError(f"pile-up: {self}, expected 0 <= lowest <= mean - fall / 2, mean up to 500, and sections")

    def section(self, row: npt.NDArray[np.int64], n_crossings: int) -> npt.NDArray[np.int64]:
        """The luminosity section of each crossing, from 1."""
        return 1 + row * self.n_sections // n_crossings

    def draw(self, section: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """The mean number of collisions in crossings of these sections."""
        center = self.mean + self.fall * (0.5 - (section - 0.5) / self.n_sections)
        drawn = center + self.spread * rng.standard_normal(len(section))
        return np.clip(drawn, self.lowest, 2 * self.mean - self.lowest)


@dataclass(frozen=True)
class Draw:
    """Which collisions make crossings: those of crossing i are `first[i]` to `first[i + 1]` of the arrays.

    collision : position in the pool. turn : regions that it is rotated by. mirror : whether eta changes sign.
    """

    first: npt.NDArray[np.int64]
    collision: npt.NDArray[np.int64]
    turn: npt.NDArray[np.int64]
    mirror: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Crossings:
    """Crossings as the trigger sees them, in counts of `jetnae.level1`; `npv` (n,) collisions were overlaid.

    regions : (n, 18, 14) from 0 to 1023. objects : (n, 57).
    """

    regions: npt.NDArray[np.uint16]
    objects: npt.NDArray[np.int16]
    npv: npt.NDArray[np.uint16]


class Overlay:
    """Makes crossings from a pool, with one collision of a signal in each where that is given."""

    def __init__(self, pool: Pool, signal: Pool | None = None) -> None:
        parts = [each.collisions for each in pool.slices]
        self.shares = pool.shares
        self.sizes = np.array([len(part) for part in parts])
        self.n_signal = 0
        if signal is not None:
            parts += [each.collisions for each in signal.slices]
            self.n_signal = sum(len(each.collisions) for each in signal.slices)
        self.collisions = join(parts)

    def draw(self, mean: npt.NDArray[np.float64], rng: np.random.Generator, first: int = 0) -> Draw:
        """Poisson numbers of collisions of each slice for crossings of these means; signals in turn from `first`."""
        counts = rng.poisson(mean[:, None] * self.shares)
        starts, sizes = np.cumsum(self.sizes) - self.sizes, self.sizes
        if self.n_signal:
            counts = np.concatenate([counts, np.ones((len(mean), 1), dtype=counts.dtype)], axis=1)
            starts, sizes = np.append(starts, self.sizes.sum()), np.append(sizes, self.n_signal)
        kind = np.repeat(np.tile(np.arange(len(sizes)), len(mean)), counts.ravel())
        collision = starts[kind] + (rng.random(len(kind)) * sizes[kind]).astype(np.int64)
        if self.n_signal:
            collision[kind == len(sizes) - 1] = starts[-1] + (first + np.arange(len(mean))) % self.n_signal
        ends = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])
        return Draw(ends, collision, rng.integers(N_PHI, size=len(kind)), rng.random(len(kind)) < 0.5)

    def make(self, draw: Draw) -> Crossings:
        """The crossings of a draw."""
        return overlay(self.collisions, draw, n_other=int(self.n_signal > 0))


def overlay(collisions: Collisions, draw: Draw, *, n_other: int = 0) -> Crossings:
    """Overlay collisions: energies of regions are added and counted, objects kept by pt; `n_other` are no pile-up.

    Jets and the missing momentum follow from the regions; electrons, photons and muons are those of the collisions.
    """
    regions = to_counts(fine_sums(collisions, draw))
    n = len(regions)
    objects = np.zeros((n, N_OBJECTS, 3), dtype=np.int16)
    objects[:, 0] = missing_momentum(regions)
    which = (draw.first, draw.collision, draw.turn * (PHI_COUNTS // N_PHI), draw.mirror)
    for kind in ("eg", "mu"):
        merge_objects(getattr(collisions, kind), *which, objects[:, FIRST[kind] : FIRST[kind] + KINDS[kind]])
    find_jets(regions, objects[:, FIRST["jet"] : FIRST["jet"] + KINDS["jet"]])
    npv = np.diff(draw.first) - n_other
    return Crossings(regions, objects.reshape(n, -1), npv.astype(np.uint16))


def fine_sums(collisions: Collisions, draw: Draw) -> npt.NDArray[np.int32]:
    """Energies of regions of all collisions of each crossing, (n, 18, 14) in the steps of the pool."""
    sums = np.zeros((len(draw.first) - 1, N_PHI, N_ETA), dtype=np.int32)
    sum_regions(collisions.regions, draw.first, draw.collision, draw.turn, draw.mirror, sums)
    return sums


def to_counts(sums: npt.NDArray[np.int32]) -> npt.NDArray[np.uint16]:
    """Full counts, saturating."""
    return np.minimum(sums // STEP, MAX_COUNT).astype(np.uint16)
