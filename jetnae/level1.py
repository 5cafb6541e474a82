"""What a first-level trigger sees of a bunch crossing: energies of calorimeter regions, and a few objects.

Regions: (18, 14) transverse energies, 18 steps of 20 degrees in phi from -pi, 14 steps of 3/7 in eta from -3; integers
from 0 to 1023, one count is 0.5 GeV. Objects: 57 integers, (pt, eta, phi) of the missing transverse momentum, of 4
electrons or photons, 4 muons and 10 jets, each kind by falling pt, zeros where there are fewer; one count of pt is 0.5
GeV, of eta 3/70, of phi 2 pi / 144, from -72 to 71.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from jetnae.jets import Jets

Transform = Literal["linear", "sqrt", "log"]
"""Of counts c: c, sqrt(c), or log(1 + c); divided by that of a scale, which becomes 1."""

N_PHI, N_ETA = 18, 14
ETA_MAX = 3.0
"""Largest |eta| of the regions."""
COUNT = 0.5
"""GeV, of one count of transverse energy or momentum."""
MAX_COUNT = 1023
"""What a region saturates at, 511.5 GeV."""
PHI_COUNTS = 144
"""Counts of phi around the circle, eight in a region."""
PHI_UNIT = 2 * math.pi / PHI_COUNTS
ETA_UNIT = 2 * ETA_MAX / (10 * N_ETA)
"""One count of eta, of which a region has ten."""
KINDS = {"met": 1, "eg": 4, "mu": 4, "jet": 10}
"""The objects in their order, and how many of each."""
MAX_PT = {"met": 4095, "eg": 511, "mu": 511, "jet": 2047}
"""Counts that the pt of each kind saturates at."""
N_OBJECTS = sum(KINDS.values())
FIRST = {name: sum(list(KINDS.values())[:i]) for i, name in enumerate(KINDS)}
"""Position of the first object of each kind."""


@dataclass(frozen=True)
class RegionSpec:
    """How the regions of a crossing become the input of a model, (18, 14), phi then eta.

    transform : of counts from 0 to 1023. sqrt, the default, makes the fluctuations of pile-up alike everywhere, since
        their variance grows with the energy, and leaves the order of energies; linear with a scale of 1024 is exact in
        binary numbers, for students. scale : counts that become 1; by default a full region, so that all is in [0, 1].
    window : each region is averaged with its neighbors in a square of window x window around it, since jets spread over
        regions; around the circle in phi, with nothing beyond the ends in eta.
    Raises `InputError` for a scale below 1, and a window that is not 1, 3, or 5.
    """

    transform: Transform = "sqrt"
    scale: float = float(MAX_COUNT)
    window: int = 1

    def __post_init__(self) -> None:
        _check_scales("regions", scale=self.scale)
        if self.window not in {1, 3, 5}:
            raise InputError(f"regions: window = {self.window}, expected 1, 3 or 5 regions")

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of one input."""
        return (N_PHI, N_ETA)

    def raw(self, jets: Jets) -> npt.NDArray[np.int32]:
        """The counts (n, 18, 14), from 0 to 1023; raises `InputError` where the file has none, or other shapes."""
        return np.clip(_integers(jets, "regions", self.shape), 0, MAX_COUNT)

    def make(self, jets: Jets) -> npt.NDArray[np.float32]:
        """Inputs (n, 18, 14) of a model; raises as `raw`."""
        return self.from_raw(self.raw(jets))

    def from_raw(self, counts: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """Inputs (n, 18, 14) from counts."""
        n_summed = self.window**2
        return _scaled(_sums(counts, self.window), self.transform, self.scale * n_summed).astype(np.float32)


@dataclass(frozen=True)
class ObjectSpec:
    """How the objects of a crossing become the input of a model, (57,), (pt, eta, phi) of each; zeros stay zeros.

    transform, scale : of counts of pt, as for regions; by default log(1 + c) / log(256). angle_scale : counts of eta
        and phi that become 1; by default angles, which tell little, weigh less than momenta. A linear transform with
        powers of two is exact in binary numbers, for students.
    Raises `InputError` for scales below 1.
    """

    transform: Transform = "log"
    scale: float = 255.0
    angle_scale: float = 256.0

    def __post_init__(self) -> None:
        _check_scales("objects", scale=self.scale, angle_scale=self.angle_scale)

    @property
    def shape(self) -> tuple[int]:
        """The shape of one input."""
        return (3 * N_OBJECTS,)

    @property
    def names(self) -> tuple[str, ...]:
        """What each value is, as `jet2_eta`."""
        objects = [name if n == 1 else f"{name}{i + 1}" for name, n in KINDS.items() for i in range(n)]
        return tuple(f"{each}_{part}" for each in objects for part in ("pt", "eta", "phi"))

    def raw(self, jets: Jets) -> npt.NDArray[np.int32]:
        """The counts (n, 57); raises `InputError` where the file has none, or other shapes."""
        return _integers(jets, "objects", self.shape)

    def make(self, jets: Jets) -> npt.NDArray[np.float32]:
        """Inputs (n, 57) of a model; raises as `raw`."""
        return self.from_raw(self.raw(jets))

    def from_raw(self, counts: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """Inputs (n, 57) from counts."""
        values = counts / self.angle_scale
        values[:, ::3] = _scaled(np.maximum(counts[:, ::3], 0), self.transform, self.scale)
        return np.asarray(values, dtype=np.float32)


_FUNCTIONS: dict[Transform, Callable[[Any], Any]] = {"linear": np.float64, "sqrt": np.sqrt, "log": np.log1p}


def _check_scales(where: str, **scales: float) -> None:
    for name, value in scales.items():
        if not 1 <= value < math.inf:
            raise InputError(f"{where}: {name} = {value}, expected counts, at least 1")


def _scaled(counts: npt.NDArray[np.integer[Any]], transform: Transform, scale: float) -> npt.NDArray[np.float64]:
    """A table of all counts is many times as fast as their functions, and small."""
    values = np.arange(int(counts.max(initial=0)) + 1)
    return np.asarray((_FUNCTIONS[transform](values) / _FUNCTIONS[transform](scale))[counts])


def _sums(counts: npt.NDArray[np.integer[Any]], window: int) -> npt.NDArray[np.integer[Any]]:
    """Sums (n, phi, eta) of each region and its neighbors."""
    _, n_phi, n_eta = counts.shape
    reach = window // 2
    around = np.pad(counts, ((0, 0), (reach, reach), (0, 0)), mode="wrap")
    around = np.pad(around, ((0, 0), (0, 0), (reach, reach)))
    shifts = [(i, j) for i in range(window) for j in range(window)]
    return np.asarray(np.sum([around[:, i : i + n_phi, j : j + n_eta] for i, j in shifts], axis=0))


def _integers(jets: Jets, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """A column of integers of the crossings, (n, *shape), also where the file has it flat."""
    if name not in jets.columns:
        raise InputError(
            f"the jets '{jets.collection}' (layout {jets.layout}) have no {name}: expected a file of bunch crossings, "
            "see `jetnae inspect`"
        )
    column = np.asarray(jets.columns[name])
    if column.dtype.kind not in "iu" or math.prod(column.shape[1:]) != math.prod(shape):
        found = f"{column.dtype} of shape {column.shape[1:]}"
        raise InputError(f"{name}: found {found} for each crossing, expected integers of shape {shape}")
    return column.reshape(len(column), *shape).astype(np.int32)
