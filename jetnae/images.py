"""Jet images: centered, rotated, flipped, pixelated, smeared and normalized, in one compiled pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from jetnae.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from jetnae.jets import Jets


@dataclass(frozen=True)
class ImageSpec:
    """How a jet becomes an image; the default is the full preprocessing.

    center : put the pT-weighted centroid at the origin (else the jet axis).
    rotate : turn the principal axis of the pT-weighted second moments to the vertical.
    flip : mirror so that the larger pT sum lies at negative x and at positive y.
    n_pixels, half_width : pixels per side, and half the side in rad; pT falling into one pixel adds up.
    pixel_power : raise pixels to this power, keeping the pixel sum; below 1, soft constituents count for more.
    smearing : standard deviation of a Gaussian filter, in pixels; reflecting edges, cut at four deviations.
    rebin : sum blocks of rebin x rebin pixels after the smearing.
    smeared_power : raise what smearing and rebinning have made to this power, keeping the pixel sum. With 1/2 a sum of
        squared differences is a Hellinger distance: faint and bright pixels fluctuate alike.
    pixel_sum : scale every image to this sum; None leaves GeV.

    Raises `InputError` for values outside their ranges.
    """

    center: bool = True
    rotate: bool = True
    flip: bool = True
    n_pixels: int = 40
    half_width: float = 0.6
    pixel_power: float = 1.0
    smearing: float = 0.0
    rebin: int = 1
    smeared_power: float = 1.0
    pixel_sum: float | None = 1.0

    def __post_init__(self) -> None:
        checks = {
            "n_pixels": (1 <= self.n_pixels <= 1024, "1 to 1024"),
            "half_width": (0 < self.half_width <= np.pi, "more than 0, at most pi"),
            "pixel_power": (0 < self.pixel_power <= 10, "more than 0, at most 10"),
            "smearing": (0 <= self.smearing <= self.n_pixels / 8, "0 to an eighth of n_pixels"),
            "rebin": (self.rebin >= 1 and self.n_pixels % self.rebin == 0, "a divisor of n_pixels"),
            "smeared_power": (0 < self.smeared_power <= 10, "more than 0, at most 10"),
            "pixel_sum": (self.pixel_sum is None or self.pixel_sum > 0, "positive, or none"),
        }
        for name, (fine, expected) in checks.items():
            if not fine:
                raise InputError(f"image: {name} = {getattr(self, name)}, expected {expected}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (y, the principal axis) and columns (x) of the finished image."""
        return self.n_pixels // self.rebin, self.n_pixels // self.rebin


def make_images(jets: Jets, spec: ImageSpec | None = None) -> npt.NDArray[np.float32]:
    """Turn jets into images.

    Returns float32 (n_jets, rows, columns); intensities in GeV, or summing to `spec.pixel_sum`. Row 0 is at the
    lowest y. A jet with nothing inside the window gives an image of zeros. The jets are not changed. Raises
    `InputError` for jets without constituents.
    """
    from jetnae.pixelate import pixelate  # the compiler takes longer to import than everything else here

    spec = spec or ImageSpec()
    constituents = jets.stored_constituents
    images = np.empty((len(jets), *spec.shape), dtype=np.float32)  # cleared where it is filled, in parallel
    if not len(jets):
        return images
    flat = ak.flatten(constituents, axis=1)
    offsets = np.concatenate([[0], np.cumsum(jets.n_constituents)]).astype(np.int64)
    axes = np.stack([jets.eta, jets.phi], axis=1).astype(np.float64)
    pt, eta, phi = (np.asarray(flat[name]) for name in ("pt", "eta", "phi"))
    pixelate(pt, eta, phi, offsets, axes, _settings(spec), images)
    return images


def _settings(spec: ImageSpec) -> tuple[Any, ...]:
    return (
        (spec.center, spec.rotate, spec.flip),
        spec.n_pixels,
        float(spec.half_width),
        float(spec.pixel_power),
        _gaussian(spec.smearing),
        spec.rebin,
        float(spec.smeared_power),
        0.0 if spec.pixel_sum is None else float(spec.pixel_sum),
    )


def _gaussian(sigma: float) -> npt.NDArray[np.float32]:
    """Normalized filter taps out to four standard deviations; a single 1 for no smearing."""
    radius = int(4.0 * sigma + 0.5)
    if radius == 0:
        return np.ones(1, dtype=np.float32)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum(), dtype=np.float32)
