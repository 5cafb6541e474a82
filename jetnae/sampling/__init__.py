"""Samplers: pure functions that know an energy and a space, nothing about networks."""

from __future__ import annotations

from jetnae.sampling.bounds import Bounds
from jetnae.sampling.langevin import Langevin, at_temperature, metropolis_chain, run_chain
from jetnae.sampling.replay import replay_starts, replay_store
from jetnae.sampling.sphere import (
    Resampled,
    SphereWalk,
    kernel_points,
    metropolis_sphere_chain,
    resample,
    run_sphere_chain,
    sphere_points,
    walk_on_sphere,
)

__all__ = [
    "Bounds",
    "Langevin",
    "Resampled",
    "SphereWalk",
    "at_temperature",
    "kernel_points",
    "metropolis_chain",
    "metropolis_sphere_chain",
    "replay_starts",
    "replay_store",
    "resample",
    "run_chain",
    "run_sphere_chain",
    "sphere_points",
    "walk_on_sphere",
]
