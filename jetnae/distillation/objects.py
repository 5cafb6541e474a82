"""Ways to broaden the objects of crossings, (n, 57) counts: each kind stays ordered by pt, and within its range."""

from __future__ import annotations

import numpy as np

from jetnae.distillation.broadening import Array, Broaden, factors, spread_out
from jetnae.level1 import FIRST, KINDS, MAX_PT, N_OBJECTS, PHI_COUNTS

MAX_ADDED = 4
ETA_COUNTS = 70
"""Largest |eta| in counts."""


def _ordered(table: dict[str, Array]) -> Array:
    """Rows (n, 57) of objects (n, m, 3) of each kind: those of highest pt, at most as many as the kind may have."""
    parts = []
    for name, n_kept in KINDS.items():
        objects = table[name]
        order = np.argsort(-objects[:, :, 0], axis=1, kind="stable")[:, :n_kept]
        kept = np.take_along_axis(objects, order[:, :, None], axis=1).astype(np.float64)
        kept[:, :, 0] = np.clip(np.rint(kept[:, :, 0]), 0, MAX_PT[name])
        parts.append(kept * (kept[:, :, :1] > 0))
    return np.concatenate(parts, axis=1).reshape(len(parts[0]), 3 * N_OBJECTS)


def _kinds(x: Array) -> dict[str, Array]:
    """Objects (n, m, 3) of each kind."""
    table = x.reshape(len(x), N_OBJECTS, 3)
    return {name: table[:, FIRST[name] : FIRST[name] + n] for name, n in KINDS.items()}


def merged(x: Array, rng: np.random.Generator) -> Array:
    """The objects of two crossings together; of the missing momenta the larger one."""
    first, second = _kinds(x), _kinds(x[rng.permutation(len(x))])
    return _ordered({name: np.concatenate([first[name], second[name]], axis=1) for name in KINDS})


def scaled(x: Array, rng: np.random.Generator) -> Array:
    """All momenta times a factor."""
    weights = spread_out(factors(len(x), rng), 3) * np.array([1, 0, 0]) + np.array([0, 1, 1])
    return _ordered({name: objects * weights for name, objects in _kinds(x).items()})


def swapped(x: Array, rng: np.random.Generator) -> Array:
    """Each kind from the same crossing or from another one, and momenta times a factor."""
    mine, other = _kinds(x), _kinds(x[rng.permutation(len(x))])
    choice = {name: rng.random((len(x), 1, 1)) < 0.5 for name in KINDS}
    mixed = {name: np.where(choice[name], mine[name], other[name]) for name in KINDS}
    return scaled(np.concatenate(list(mixed.values()), axis=1).reshape(len(x), -1), rng)


def added(x: Array, rng: np.random.Generator) -> Array:
    """One to four objects more, of any kinds, as hard as the hardest of their kind here, anywhere."""
    n, table = len(x), dict(_kinds(x))
    for _ in range(MAX_ADDED):
        chosen = rng.integers(0, len(KINDS), n)
        for i, name in enumerate(KINDS):
            hardest = table[name][:, :, 0].max(axis=1)
            low, high = np.maximum(np.quantile(hardest, [0.5, 0.999]), 2.0) * (0.5, 1.5)
            pt = np.exp(rng.uniform(np.log(low), np.log(high), n)) * ((chosen == i) & (rng.random(n) < 0.7))
            eta = rng.integers(-ETA_COUNTS, ETA_COUNTS + 1, n) * (name != "met")
            phi = rng.integers(-PHI_COUNTS // 2, PHI_COUNTS // 2, n)
            table[name] = np.concatenate([table[name], np.stack([pt, eta, phi], axis=1)[:, None]], axis=1)
    return _ordered(table)


def subsets(x: Array, rng: np.random.Generator) -> Array:
    """Some objects removed, and the momenta of the others times a factor."""
    kept = rng.random((len(x), N_OBJECTS, 1)) > rng.uniform(0, 0.7, (len(x), 1, 1))
    table = x.reshape(len(x), N_OBJECTS, 3) * kept
    return scaled(table.reshape(len(x), -1), rng)


OBJECT_WAYS: dict[str, Broaden] = {
    "merged": merged,
    "scaled": scaled,
    "swapped": swapped,
    "added": added,
    "subsets": subsets,
}
"""Ways to broaden the objects of crossings."""
