"""What the jets of a file look like: average images and distributions of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from jetnae.features import JET_FEATURES, available, jet_features
from jetnae.images import ImageSpec, make_images
from jetnae.jets import select
from jetnae.plotting import COLORS, style

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from jetnae.jets import FloatArray, Jets

PREFERRED = ("pt", "mass", "multiplicity", "girth", "ptd", "n2", "sd_mass", "tau1", "tau2", "eta", "phi")
"""Features in the order they are drawn in, as many as there is room for."""
LABELS = {
    "pt": r"$p_T$",
    "eta": r"$\eta$",
    "phi": r"$\phi$",
    "mass": "Mass",
    "multiplicity": "Constituents",
    "girth": "Girth",
    "ptd": r"$p_T^D$",
    "n2": r"$N_2$",
    "sd_mass": "Soft-drop mass",
    "tau1": r"$\tau_1$",
    "tau2": r"$\tau_2$",
}
N_FEATURES, MOST_IMAGES = 6, 5000
DYNAMIC_RANGE, FEW_JETS, FONT_SIZE = 1e4, 1000, 17


def jet_overview(jets: Jets, *, title: str = "") -> Figure:
    """Average images, where there are constituents, above six features, for each class of the labels.

    Images show the first 5000 jets of a class, centered, rotated and flipped, as shares of the jet's pT per pixel.
    """
    classes = _classes(jets)
    images = (
        {name: _average(select(jets, mask)) for name, mask in classes.items()} if jets.constituents is not None else {}
    )
    there = [name for name in PREFERRED if name in _cheap(jets)][:N_FEATURES]
    features = jet_features(jets, there)
    n_rows = 2 + bool(images)
    with style(), mpl.rc_context({"font.size": FONT_SIZE}):
        figure = Figure(figsize=(15, 4.6 * n_rows), layout="constrained")
        grid = figure.add_gridspec(n_rows, 3)
        for i, (name, image) in enumerate(images.items()):
            _draw_image(figure, figure.add_subplot(grid[0, i]), image, name)
        for i, name in enumerate(there):
            axes = figure.add_subplot(grid[bool(images) + i // 3, i % 3])
            _draw_feature(axes, features[name], classes, name, first=i == 0)
        figure.suptitle(f"{title}   {len(jets)} jets of '{jets.collection}'", x=0.01, ha="left")
    return figure


def _cheap(jets: Jets) -> tuple[str, ...]:
    """Features that need no reclustering of the constituents."""
    computed = jets.constituents is not None
    return tuple(name for name in available(jets) if not (computed and JET_FEATURES[name].needs == "reclustering"))


def _classes(jets: Jets) -> dict[str, npt.NDArray[np.bool_]]:
    if jets.label is None:
        return {"all jets": np.ones(len(jets), dtype=bool)}
    masks = {"background": jets.label == 0, "signal": jets.label == 1}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _average(jets: Jets) -> npt.NDArray[Any]:
    return np.asarray(make_images(select(jets, slice(0, MOST_IMAGES)), ImageSpec(half_width=0.8)).mean(axis=0))


def _draw_image(figure: Figure, axes: Axes, image: npt.NDArray[Any], name: str) -> None:
    high = max(float(image.max()), 1e-12)
    low = high / DYNAMIC_RANGE
    norm = LogNorm(low, high)
    shown = axes.imshow(
        np.maximum(image, low), norm=norm, origin="lower", extent=(-0.8, 0.8, -0.8, 0.8), cmap="viridis"
    )
    axes.set(xlabel=r"$\Delta\eta$ (rotated)", ylabel=r"$\Delta\phi$ (rotated)")
    axes.set_title(f"Average image, {name}", fontsize=FONT_SIZE)
    figure.colorbar(shown, ax=axes, label="Share of the jet $p_T$", shrink=0.8)


def _draw_feature(
    axes: Axes, values: FloatArray, classes: dict[str, npt.NDArray[np.bool_]], name: str, *, first: bool
) -> None:
    """Shares of the jets per bin between the outermost half percents, the rest in the first and last bin."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, (0.005, 0.995)) if len(finite) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, (31 if len(finite) >= FEW_JETS else 16))
    for (label, mask), color in zip(classes.items(), COLORS, strict=False):
        inside = np.clip(values[mask & np.isfinite(values)], edges[0], edges[-1])
        counts, _ = np.histogram(inside, edges)
        axes.stairs(counts / max(len(inside), 1), edges, color=color, linewidth=2, label=f"{label} ({mask.sum()})")
    unit = JET_FEATURES[name].unit
    axes.set(xlabel=f"{LABELS[name]} [{unit}]" if unit else LABELS[name], ylabel="Fraction of jets per bin")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    if first:
        axes.legend(fontsize=0.9 * FONT_SIZE, loc="upper right")
