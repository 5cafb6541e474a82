"""Tops in QCD and QCD in tops: images of jets, what models make of them, and negative samples.

python plots/top_qcd_images.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from jetnae.plotting import PAGE, save_figure, style

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "top_qcd" / "figures.json"
TITLE = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
CLASSES = {"qcd": "QCD", "top": "Top"}
TRAINED = {"qcd": "QCD", "top": "tops"}
N_SINGLE = 3


def draw_rows(rows: list[tuple[str, list[Any]]], columns: list[str]) -> Figure:
    """Images in rows with names, on one logarithmic scale of the pixels."""
    high = max(float(np.max(image)) for _, images in rows for image in images)
    norm, n = LogNorm(high / 1e3, high), len(rows[0][1])
    with style():
        figure = Figure(figsize=(PAGE, 0.87 * PAGE / n * len(rows) + 1.0), layout="constrained")
        grid = figure.subplots(len(rows), n, squeeze=False)
        for axes_row, (name, images) in zip(grid, rows, strict=True):
            for axes, image in zip(axes_row, images, strict=True):
                shown = axes.imshow(np.maximum(image, high / 1e3), norm=norm, origin="lower", cmap="viridis")
                axes.set(xticks=[], yticks=[])
                axes.minorticks_off()
            axes_row[0].set_ylabel(name, loc="center")
        for axes, column in zip(grid[-1], columns, strict=False):
            axes.set_xlabel(column, loc="center")
        figure.colorbar(shown, ax=grid, label="Pixel", shrink=0.9, pad=0.01)
        figure.suptitle(TITLE, x=0.03, ha="left", fontsize=20)  # above all columns: over the first it would widen it
    return figure


def draw_reconstructions(found: dict[str, Any], model: str) -> Figure:
    """Averages and single jets of both classes; below, reconstructions by the models of both directions."""
    columns = [f"{text}, {each}" for text in CLASSES.values() for each in ("mean", *range(1, N_SINGLE + 1))]
    rows = [("Jets", [image for name in CLASSES for image in pick(found["images"][name])])]
    for trained, each in found["trained"].items():
        made = each["models"][model]["reconstructions"]
        images = [image for name in CLASSES for image in pick(made[name])]
        rows.append((f"{model.upper()} ({TRAINED[trained]})", images))
    return draw_rows(rows, columns)


def pick(images: dict[str, Any]) -> list[Any]:
    """The average, and the first single ones."""
    return [images["average"], *images["single"][:N_SINGLE]]


def draw_negatives(found: dict[str, Any]) -> Figure:
    """Jets of each class, and what the model that learned from them makes without any jet."""
    rows = []
    for trained, text in CLASSES.items():
        made = found["trained"][trained]["models"]["nae"]["negative_samples"]
        rows += [(f"{text} jets", found["images"][trained]["single"]), (f"NAE ({TRAINED[trained]})", made)]
    return draw_rows(rows, [])


if __name__ == "__main__":
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    for model in ("nae", "ae"):
        save_figure(draw_reconstructions(content, model), HERE / f"top_qcd.images_{model}", force=True)
    save_figure(draw_negatives(content), HERE / "top_qcd.negatives", force=True)
