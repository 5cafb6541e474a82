"""Where a bump may be: all windows of neighboring bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jetnae.bumphunt.spectrum import Bools, Floats, Ints
from jetnae.errors import InputError

MAX_WINDOWS = 1_000_000


@dataclass(frozen=True)
class Windows:
    """Windows of `width` bins from bin `first` on, (n_windows,) each, on `n_bins` bins."""

    first: Ints
    width: Ints
    n_bins: int

    def __len__(self) -> int:
        return len(self.first)

    def keep(self, chosen: Bools) -> Windows:
        """The windows where `chosen` (n_windows,); raises `InputError` when there are none."""
        if not chosen.any():
            raise InputError("no window with expected background: give a wider spectrum or another range of widths")
        return Windows(self.first[chosen], self.width[chosen], self.n_bins)

    def sums(self, values: Floats | Ints) -> Floats:
        """What the windows hold: `values` (..., n_bins) summed within each, (..., n_windows)."""
        return _between(values, self.first, self.first + self.width)

    def sideband_sums(self, values: Floats | Ints) -> tuple[Floats, Floats]:
        """What lies left and right of each window within max(1, width // 2) bins, as far as there are bins."""
        size, stop = np.maximum(1, self.width // 2), self.first + self.width
        left = _between(values, np.maximum(self.first - size, 0), self.first)
        return left, _between(values, stop, np.minimum(stop + size, self.n_bins))


def make_windows(allowed: Bools, *, min_width: int, max_width: int | None = None) -> Windows:
    """All windows of `min_width` to `max_width` bins (default: half of the bins) in steps of one bin.

    allowed : (n_bins,) bins a window may contain. Raises `InputError` when no window fits, or too many do.
    """
    n_bins = len(allowed)
    widest = max(n_bins // 2, min_width) if max_width is None else max_width
    if not 1 <= min_width <= widest <= n_bins:
        raise InputError(f"windows of {min_width} to {widest} bins on {n_bins} bins: expected 1 <= min <= max <= bins")
    widths = range(min_width, widest + 1)
    n_windows = sum(n_bins - width + 1 for width in widths)
    if n_windows > MAX_WINDOWS:
        raise InputError(f"{n_windows} windows, expected {MAX_WINDOWS} at most: use coarser bins or narrower windows")
    first = np.concatenate([np.arange(n_bins - width + 1) for width in widths])
    width = np.concatenate([np.full(n_bins - width + 1, width) for width in widths])
    windows = Windows(first, width, n_bins)
    whole = windows.sums(allowed.astype(np.float64)) == width
    if not whole.any():
        raise InputError(f"no window of {min_width} bins outside the blinded bins: give narrower windows")
    return windows.keep(whole)


def _between(values: Floats | Ints, start: Ints, stop: Ints) -> Floats:
    # summed from the end, where falling spectra are small, so that differences there keep their precision
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values[..., ::-1], axis=-1, out=sums[..., -2::-1])
    return np.asarray(sums[..., start] - sums[..., stop])
