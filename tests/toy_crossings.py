"""Bunch crossings as quick as random numbers, and a teacher for them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jetnae.models import Scorer

PHI, ETA = 18, 14


def toy_regions(n: int, seed: int = 1) -> npt.NDArray[np.int16]:
    """Counts (n, 18, 14): pile-up everywhere, and a few deposits whose sizes fall with a power."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(rng.uniform(2, 6, (n, 1, 1)), (n, PHI, ETA)).astype(np.float64)
    for _ in range(3):
        place = np.arange(n), rng.integers(0, PHI, n), rng.integers(0, ETA, n)
        np.add.at(x, place, 15 * rng.uniform(0, 1, n) ** (-1 / 2.5))
    return np.clip(np.rint(x), 0, 1023).astype(np.int16)


class ToyTeacher(Scorer):
    """Scores regions by the mean of their squares, as a reconstruction that knows only the mean would."""

    def __init__(self) -> None:
        super().__init__((PHI, ETA), None)

    def score(self, x: Tensor) -> Tensor:
        """Mean square (n,) of inputs (n, 18, 14), and a little more."""
        return x.square().flatten(1).mean(dim=1) + 1e-4


def write_crossings(path: Path, n: int, seed: int = 1, label: int = 0) -> Path:
    """A file of toy crossings with regions; a signal has three large deposits more."""
    regions = toy_regions(n, seed)
    rng = np.random.default_rng(seed)
    for _ in range(3 * label):
        np.add.at(regions, (np.arange(n), rng.integers(0, PHI, n), rng.integers(0, ETA, n)), 100)
    objects = np.zeros((n, 57), dtype=np.int16)
    objects[:, 27] = regions.max(axis=(1, 2))
    with h5py.File(path, "w") as file:
        group = file.create_group("crossings")
        columns = {
            "regions": regions.astype(np.uint16),
            "objects": objects,
            "npv": np.full(n, 50, dtype=np.uint16),
            "total_et": regions.sum(axis=(1, 2)).astype(np.float32) / 2,
            "leading_jet_pt": objects[:, 27].astype(np.float32) / 2,
            "leading_jet_eta": np.zeros(n, dtype=np.float32),
            "leading_jet_phi": np.zeros(n, dtype=np.float32),
            "label": np.full(n, label, dtype=np.uint8),
            "run": np.ones(n, dtype=np.uint32),
            "luminosityBlock": np.ones(n, dtype=np.uint32),
            "event": np.arange(n, dtype=np.uint64),
        }
        for name, column in columns.items():
            group[name] = column
    return path


def device() -> torch.device:
    """Where the tests compute."""
    return torch.device("cpu")
