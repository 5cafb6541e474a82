"""The compiled pass behind `make_images`: every jet on its own, in parallel, in float64 until it is a pixel."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from jetnae.compiled import compiled

EDGE = 1e-9
"""Coordinates this close below a pixel edge (in pixels) count as on it, so that rounding in the rotation does not
decide to which side of the center a jet with one or two constituents falls."""


@compiled(parallel=True, nogil=True)
def pixelate(
    pt: Any, eta: Any, phi: Any, offsets: Any, axes: Any, settings: Any, images: Any
) -> None:  # pragma: no cover - compiled
    """Fill `images` (n_jets, rows, columns) from flat constituents; jet i owns offsets[i]:offsets[i + 1]."""
    actions, n_pixels, half_width, power, taps, rebin, smeared_power, pixel_sum = settings
    for jet in numba.prange(len(offsets) - 1):
        start, stop = offsets[jet], offsets[jet + 1]
        images[jet] = 0
        if stop > start:
            weight = pt[start:stop]
            x, y = _align(weight, eta[start:stop], phi[start:stop], axes[jet], actions)
            fine = images[jet] if rebin == 1 else np.zeros((n_pixels, n_pixels), dtype=np.float32)
            _fill(weight, x, y, half_width, fine)
            _apply_power(fine, power)
            if len(taps) > 1:
                _smear(fine, taps)
            if rebin > 1:
                _rebin(fine, rebin, images[jet])
            _apply_power(images[jet], smeared_power)
            if pixel_sum > 0:
                _normalize(images[jet], pixel_sum)


@compiled(nogil=True)
def _align(weight: Any, eta: Any, phi: Any, axis: Any, actions: Any) -> Any:
    """Coordinates (x, y) of the constituents after centering, rotation and flips, in rad."""
    center, rotate, flip = actions
    x, y = np.empty(len(weight)), np.empty(len(weight))
    if center:
        # around the hardest constituent first: the centroid of angles only exists away from the seam at pi
        hardest = np.argmax(weight)
        _relative(eta, phi, float(eta[hardest]), float(phi[hardest]), x, y)
        _center(weight, x, y)
    else:
        _relative(eta, phi, axis[0], axis[1], x, y)
    if rotate:
        _rotate(weight, x, y)
    if flip:
        _flip(weight, x, 1.0)
        _flip(weight, y, -1.0)
    return x, y


@compiled(nogil=True)
def _relative(eta: Any, phi: Any, eta_0: float, phi_0: float, x: Any, y: Any) -> None:
    """Distances to (eta_0, phi_0), with dphi in [-pi, pi)."""
    for i in range(len(x)):
        x[i] = eta[i] - eta_0
        dphi = phi[i] - phi_0
        y[i] = dphi - 2 * np.pi * np.floor((dphi + np.pi) / (2 * np.pi))


@compiled(nogil=True)
def _center(weight: Any, x: Any, y: Any) -> None:
    """Move the pT-weighted centroid to the origin, in place."""
    total, mean_x, mean_y = 0.0, 0.0, 0.0
    for i in range(len(weight)):
        total += weight[i]
        mean_x += weight[i] * x[i]
        mean_y += weight[i] * y[i]
    x -= mean_x / total
    y -= mean_y / total


@compiled(nogil=True)
def _rotate(weight: Any, x: Any, y: Any) -> None:
    """Turn in place so that the axis of the largest pT-weighted second moment points along y."""
    xx, xy, yy = 0.0, 0.0, 0.0
    for i in range(len(x)):
        xx += weight[i] * x[i] * x[i]
        xy += weight[i] * x[i] * y[i]
        yy += weight[i] * y[i] * y[i]
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # of the principal axis to x; 0 where there is none
    cos, sin = np.cos(angle), np.sin(angle)
    for i in range(len(x)):
        along, across = cos * x[i] + sin * y[i], cos * y[i] - sin * x[i]
        x[i], y[i] = -across, along


@compiled(nogil=True)
def _flip(weight: Any, x: Any, sign: float) -> None:
    """Mirror in place where more pT lies at positive `sign * x`."""
    balance = 0.0
    for i in range(len(x)):
        if abs(x[i]) > EDGE:
            balance += weight[i] if x[i] * sign > 0 else -weight[i]
    if balance > 0:
        for i in range(len(x)):
            x[i] = -x[i]


@compiled(nogil=True)
def _fill(weight: Any, x: Any, y: Any, half_width: float, image: Any) -> None:
    """Add every constituent inside the window to its pixel of the zero-filled `image`."""
    n_pixels = len(image)
    scale = 0.5 * n_pixels / half_width
    for i in range(len(weight)):
        column = int(np.floor((x[i] + half_width) * scale + EDGE))
        row = int(np.floor((y[i] + half_width) * scale + EDGE))
        if 0 <= row < n_pixels and 0 <= column < n_pixels:
            image[row, column] += np.float32(weight[i])


@compiled(nogil=True)
def _apply_power(image: Any, power: float) -> None:
    """Raise filled pixels to a power in place and restore the sum; empty pixels stay empty."""
    if power == 1.0:
        return
    flat = image.reshape(-1)
    before = flat.sum()
    if power == 0.5:  # four times as fast as the power
        flat[:] = np.sqrt(flat)
    else:
        exponent = np.float32(power)  # half the time of a double one
        for i in range(len(flat)):
            if flat[i] > 0:
                flat[i] = flat[i] ** exponent
    after = flat.sum()
    if after > 0:
        flat *= before / after


@compiled(nogil=True, fastmath=True)
def _smear(image: Any, taps: Any) -> None:
    """Convolve in place with `taps` along both axes, reflecting at the edges.

    Filled pixels give to their neighbors: most pixels of a jet are empty, and so are many rows.
    """
    n, n_taps = len(image), len(taps)
    within, filled = np.zeros((n, n), dtype=np.float32), np.zeros(n, dtype=np.bool_)
    for row in range(n):
        for column in range(n):
            value = image[row, column]
            if value != 0:
                filled[row] = True
                for k in range(n_taps):
                    within[row, _reflect(column + k - n_taps // 2, n)] += value * taps[k]
    image[:] = 0
    for row in range(n):
        if filled[row]:
            for k in range(n_taps):
                target, tap = _reflect(row + k - n_taps // 2, n), taps[k]
                for column in range(n):
                    image[target, column] += tap * within[row, column]


@compiled(nogil=True)
def _reflect(i: int, n: int) -> int:
    """The pixel that stands for `i` beyond an edge."""
    if i < 0:
        return -1 - i
    return i if i < n else 2 * n - 1 - i


@compiled(nogil=True)
def _rebin(fine: Any, rebin: int, image: Any) -> None:
    """Sum blocks of rebin x rebin pixels into the zero-filled `image`."""
    for row in range(len(image)):
        for fine_row in range(row * rebin, (row + 1) * rebin):
            for column in range(len(image)):
                for k in range(rebin):
                    image[row, column] += fine[fine_row, column * rebin + k]


@compiled(nogil=True, fastmath=True)
def _normalize(image: Any, pixel_sum: float) -> None:
    """Scale in place to `pixel_sum`; an empty image stays empty."""
    flat = image.reshape(-1)
    total = flat.sum()
    if total > 0:
        flat *= np.float32(pixel_sum / total)
