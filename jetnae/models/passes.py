"""Compiled passes over images in vectors of 16: convolution, pooling, interpolation, and their ways back."""

# mypy: disable-error-code=no-untyped-def
# ruff: noqa: PLR0913, PLR0917

from __future__ import annotations

import numpy as np

from jetnae.compiled import compiled
from jetnae.models.tiles import make_tile

BLOCK = 8
"""Output channels of one tile; layers whose number of channels is no multiple take them one by one."""
_wide, _wide_last = make_tile(BLOCK, 2), make_tile(BLOCK, 1)
_narrow, _narrow_last = make_tile(1, 4), make_tile(1, 1)


@compiled(nogil=True)
def convolve_blocks(x, gate, bias, y, positive, weights, slope, task):  # pragma: no cover
    (n, rows, columns, n_in, n_out), (gated, activated) = task
    for line in range(n * rows):
        row = line % rows
        first, last = int(row == 0), 3 - int(row == rows - 1)
        for block in range(n_out // 8):
            w, b, shift = weights[block], bias[8 * block :], 8 * block
            for column in range(0, columns - 1, 2):
                at = line * columns + column
                place = (at * n_in, at * n_out + shift, column, columns, n_in, n_out, first, last, gated, activated)
                _wide(x, gate, w, b, y, positive, slope, place)
            if columns % 2:
                column, at = columns - 1, line * columns + columns - 1
                place = (at * n_in, at * n_out + shift, column, columns, n_in, n_out, first, last, gated, activated)
                _wide_last(x, gate, w, b, y, positive, slope, place)


@compiled(nogil=True)
def convolve_singly(x, gate, bias, y, positive, weights, slope, task):  # pragma: no cover
    (n, rows, columns, n_in, n_out), (gated, activated) = task
    for line in range(n * rows):
        row = line % rows
        first, last = int(row == 0), 3 - int(row == rows - 1)
        for block in range(n_out):
            w, b = weights[block], bias[block:]
            for column in range(0, columns - 3, 4):
                at = line * columns + column
                place = (at * n_in, at * n_out + block, column, columns, n_in, n_out, first, last, gated, activated)
                _narrow(x, gate, w, b, y, positive, slope, place)
            for column in range(columns // 4 * 4, columns):
                at = line * columns + column
                place = (at * n_in, at * n_out + block, column, columns, n_in, n_out, first, last, gated, activated)
                _narrow_last(x, gate, w, b, y, positive, slope, place)


@compiled(nogil=True)
def pool(x, y, chosen, slope):  # pragma: no cover
    n, rows, columns, values = y.shape
    for line in range(n * rows):
        image, row = line // rows, line % rows
        for column in range(columns):
            a, b = x[image, 2 * row, 2 * column], x[image, 2 * row, 2 * column + 1]
            c, d = x[image, 2 * row + 1, 2 * column], x[image, 2 * row + 1, 2 * column + 1]
            out, where = y[image, row, column], chosen[image, row, column]
            for i in range(values):
                upper, lower = max(a[i], b[i]), max(c[i], d[i])
                best = max(upper, lower)
                place = (0 if a[i] >= b[i] else 1) if upper >= lower else (2 if c[i] >= d[i] else 3)
                out[i] = best if best > 0 else best * slope
                where[i] = place if best > 0 else place + 4


@compiled(nogil=True)
def unpool(gradient, result, chosen, slope):  # pragma: no cover
    n, rows, columns, values = gradient.shape
    zero = np.float32(0)
    for line in range(n * rows):
        image, row = line // rows, line % rows
        for column in range(columns):
            given, where = gradient[image, row, column], chosen[image, row, column]
            for place in range(4):
                out = result[image, 2 * row + place // 2, 2 * column + place % 2]
                for i in range(values):
                    value = given[i] if where[i] < 4 else given[i] * slope
                    out[i] = value if where[i] % 4 == place else zero


@compiled(nogil=True)
def upsample(x, y, positive, slope):  # pragma: no cover
    n, rows, columns, values = y.shape
    for line in range(n * rows):
        image, row = line // rows, line % rows
        near = row // 2
        far = max(near - 1, 0) if row % 2 == 0 else min(near + 1, rows // 2 - 1)
        for column in range(columns):
            here = column // 2
            there = max(here - 1, 0) if column % 2 == 0 else min(here + 1, columns // 2 - 1)
            a, b = x[image, near, here], x[image, near, there]
            c, d = x[image, far, here], x[image, far, there]
            out, sign = y[image, row, column], positive[image, row, column]
            for i in range(values):
                upper = np.float32(0.75) * a[i] + np.float32(0.25) * b[i]
                lower = np.float32(0.75) * c[i] + np.float32(0.25) * d[i]
                value = np.float32(0.75) * upper + np.float32(0.25) * lower
                out[i] = value if value > 0 else value * slope
                sign[i] = value > 0


@compiled(nogil=True)
def _share(fine, coarse, n):  # pragma: no cover
    """Weight of a coarse pixel in a fine one of its row; at the border it stands for its missing neighbor too."""
    if fine // 2 != coarse:
        return np.float32(0.25)
    return np.float32(1) if fine == 0 or fine == 2 * n - 1 else np.float32(0.75)


@compiled(nogil=True)
def collect(gradient, result, positive, slope):  # pragma: no cover
    n, rows, columns, values = result.shape
    for line in range(n * rows):
        image, row = line // rows, line % rows
        for column in range(columns):
            out = result[image, row, column]
            for i in range(values):
                out[i] = 0
            for r in range(max(2 * row - 1, 0), min(2 * row + 3, 2 * rows)):
                in_row = _share(r, row, rows)
                for c in range(max(2 * column - 1, 0), min(2 * column + 3, 2 * columns)):
                    share = in_row * _share(c, column, columns)
                    given, sign = gradient[image, r, c], positive[image, r, c]
                    for i in range(values):
                        out[i] += given[i] * (share if sign[i] else share * slope)
