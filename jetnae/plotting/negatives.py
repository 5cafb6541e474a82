"""Figures of negative samples beside data: images, features, principal components, and the latent sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from jetnae.plotting.style import COLORS, PAGE, Style, annotate, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from jetnae.diagnostics.result import Diagnosis, Marginal

DYNAMIC_RANGE = 1e4
PANEL, N_COLUMNS, MOST_FEATURES = 5.2, 3, 24


def samples_figure(found: Diagnosis, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Images of the data in the upper row, negative samples in the lower, on one logarithmic scale of the pixels.

    None for models of features.
    """
    if found.examples is None:
        return None
    rows = {"Data": found.examples.data, "Negative samples": found.examples.negative}
    high = max(float(np.nanmax(images)) for images in rows.values())
    low, n = high / DYNAMIC_RANGE, len(found.examples.data)
    with style(look):
        figure = Figure(figsize=(PAGE, 1.75 * PAGE / n + 1.0), layout="constrained")
        grid = figure.subplots(2, n, squeeze=False)
        for axes, (name, images) in zip(grid, rows.items(), strict=True):
            for each, image in zip(axes, images, strict=False):
                shown = each.imshow(np.maximum(image, low), norm=LogNorm(low, high), origin="lower", cmap="viridis")
            for each in axes:
                each.set(xticks=[], yticks=[])
                each.minorticks_off()
            axes[0].set_ylabel(name, loc="center")
        figure.colorbar(shown, ax=grid, label="Pixel", shrink=0.9, pad=0.01)
        annotate(grid[0, 0], grid[0, -1], look=look, title=title, label=label)
    return figure


def components_figure(found: Diagnosis, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure:
    """Data and negative samples along the first principal components of the data, with what tells them apart."""
    names = [f"{each.name} ({100 * each.variance_share:.2g} % of the variance)" for each in found.components]
    return _marginals(found.components, names, look=look, title=title, label=label)


def features_figure(found: Diagnosis, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Data and negative samples along each feature, relative to the mean of the data; None for images."""
    if not found.features:
        return None
    shown = found.features[:MOST_FEATURES]
    return _marginals(shown, [each.name for each in shown], look=look, title=title, label=label)


def sphere_figure(found: Diagnosis, *, look: Style = Style.PLAIN, title: str = "", label: str = "") -> Figure | None:
    """Latent vectors of data and of negative samples on their sphere, in Mollweide projection of equal area.

    Shares are in units of those on an evenly covered sphere, empty cells are white. None where latent vectors have not
    three dimensions.
    """
    if found.latent is None or found.latent.data is None or found.latent.negative is None:
        return None
    panels = {"Data": found.latent.data, "Negative samples": found.latent.negative}
    rows, columns = found.latent.data.shape
    longitude = np.linspace(-np.pi, np.pi, columns + 1)
    latitude = np.arcsin(np.linspace(-1, 1, rows + 1))
    high = max(float(each.max()) for each in panels.values()) * rows * columns
    norm = LogNorm(high / 1e3, high)
    with style(look):
        figure = Figure(figsize=(PAGE, 0.36 * PAGE), layout="constrained")
        grid = figure.subplots(1, 2, subplot_kw={"projection": "mollweide"})
        for axes, (name, cells) in zip(grid, panels.items(), strict=True):
            density = np.ma.masked_equal(cells * rows * columns, 0)
            mesh = axes.pcolormesh(longitude, latitude, density, norm=norm, cmap="viridis", rasterized=True)
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(f"{name}, {100 * (cells > 0).mean():.0f} % of the cells", loc="center")
        figure.colorbar(mesh, ax=grid, label="Density / even", shrink=0.9)
        annotate(grid[0], grid[-1], look=look, title=title, label=label)
    return figure


def _marginals(marginals: Sequence[Marginal], names: Sequence[str], *, look: Style, title: str, label: str) -> Figure:
    n_rows = -(-len(marginals) // N_COLUMNS)
    with style(look):
        figure = Figure(figsize=(PAGE, PANEL * n_rows + 0.8), layout="constrained")
        grid = figure.subplots(n_rows, N_COLUMNS, squeeze=False)
        for axes, each, name in zip(grid.flat, marginals, names, strict=False):
            _draw_marginal(axes, each, name)
        for axes in grid.flat[len(marginals) :]:
            axes.set_axis_off()
        grid[0, 0].set_ylabel("Fraction per bin")
        grid[0, 0].legend(loc="upper right")
        annotate(grid[0, 0], grid[0, -1], look=look, title=title, label=label)
    return figure


def _draw_marginal(axes: Axes, marginal: Marginal, name: str) -> None:
    axes.stairs(marginal.data, marginal.edges, fill=True, color=COLORS[0], alpha=0.45, label="Held-out data")
    axes.stairs(marginal.negative, marginal.edges, color=COLORS[1], linewidth=2.5, label="Negative samples")
    highest = max(float(marginal.data.max()), float(marginal.negative.max()))
    axes.set(xlabel=name, xlim=(marginal.edges[0], marginal.edges[-1]), ylim=(0, 1.6 * max(highest, 1e-6)))
    axes.text(
        0.04,
        0.95,
        f"distance {marginal.distance:.2f} σ\nshift {marginal.shift:+.2f} σ\nwidth × {marginal.width:.2f}",
        transform=axes.transAxes,
        va="top",
        fontsize="small",
    )
