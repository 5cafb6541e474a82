"""Tops in QCD and QCD in tops: images of jets, what models make of them, and negative samples.

python plots/top_qcd_images.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from jetnae.plotting import PAGE, annotate, save_figure, style

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "top_qcd" / "figures.json"
TITLE = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
CLASSES = {"qcd": "QCD", "top": "Top"}
TRAINED = {"qcd": "QCD", "top": "tops"}
N_SINGLE = 3


def draw_rows(rows: dict[str, list[Any]], columns: list[str]) -> Figure:
    """Images in rows with names, on one logarithmic scale of the pixels."""
    high = max(float(np.max(image)) for images in rows.values() for image in images)
    norm, n = LogNorm(high / 1e3, high), len(columns)
    with style():
        width = PAGE / (n + 0.9)
        figure = Figure(figsize=(PAGE, width * len(rows) + 1.2), layout="constrained")
        grid = figure.subplots(len(rows), n, squeeze=False)
        for i, (axes_row, (name, images)) in enumerate(zip(grid, rows.items(), strict=True)):
            for axes, image, column in zip(axes_row, images, columns, strict=True):
                shown = axes.imshow(np.maximum(image, high / 1e3), norm=norm, origin="lower", cmap="viridis")
                axes.set(xticks=[], yticks=[])
                axes.minorticks_off()
                if i == len(rows) - 1:
                    axes.set_xlabel(column, loc="center")
            axes_row[0].set_ylabel(name, loc="center")
        figure.colorbar(shown, ax=grid, label="Pixel", shrink=0.9, pad=0.01)
        annotate(grid[0, 0], grid[0, -1], title=TITLE)
    return figure


def draw_reconstructions(found: dict[str, Any], model: str) -> Figure:
    """Averages and single jets of both classes; below, reconstructions by the models of both directions."""
    columns, rows = [], {"Jets": []}
    for name, text in CLASSES.items():
        columns += [f"{text}, average", *[f"{text} jet {i + 1}" for i in range(N_SINGLE)]]
        rows["Jets"] += pick(found["images"][name])
    for trained, each in found["trained"].items():
        made = each["models"][model]["reconstructions"]
        rows[f"{model.upper()}, {TRAINED[trained]}"] = [image for name in CLASSES for image in pick(made[name])]
    return draw_rows(rows, columns)


def pick(images: dict[str, Any]) -> list[Any]:
    """The average, and the first single ones."""
    return [images["average"], *images["single"][:N_SINGLE]]


def draw_negatives(found: dict[str, Any]) -> Figure:
    """Jets of each class, and what the model that learned from them makes without any jet."""
    rows = {}
    for trained, text in CLASSES.items():
        rows[f"{text} jets"] = found["images"][trained]["single"]
        rows["Negative" if trained == "qcd" else "Negative "] = found["trained"][trained]["models"]["nae"][
            "negative_samples"
        ]
    return draw_rows(rows, [f"{i + 1}" for i in range(len(next(iter(rows.values()))))])


if __name__ == "__main__":
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    for model in ("nae", "ae"):
        save_figure(draw_reconstructions(content, model), HERE / f"top_qcd.images_{model}", force=True)
    save_figure(draw_negatives(content), HERE / "top_qcd.negatives", force=True)
