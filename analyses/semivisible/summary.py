"""The grid at a glance, from the results of all trainings: means over seeds, and what normalization adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from analyses.semivisible.settings import LABEL, Settings

DIFFERENCES = {
    "nae_features - ae_features": ("nae_features", "ae_features"),
    "wnae_features - ae_features": ("wnae_features", "ae_features"),
    "nae_images - ae_images": ("nae_images", "ae_images"),
}
"""Pairs with the same input, seeds and events; what both fluctuate by drops out."""


def summarize(results: Path, settings: Settings) -> dict[str, Any]:
    """Tables over the grid: AUC, rejections and differences with their errors.

    An error is the scatter over seeds divided by the root of their number, in quadrature with that of the events, from
    replicas that are the same events for all models and seeds. With one seed there is no scatter, and the error says so
    by being that of the events alone.
    """
    found = read_results(results, settings)
    names = sorted({name for name, _ in found})
    grid = {}
    for point in settings.signals:
        by_model = {
            name: [found[name, seed]["grid"][point] for seed in settings.seeds if (name, seed) in found]
            for name in names
        }
        grid[point] = {
            "models": {name: mean_of(each) for name, each in by_model.items()},
            "differences": {
                name: difference(*(by_model[model] for model in pair))
                for name, pair in DIFFERENCES.items()
                if all(by_model.get(model) for model in pair)
            },
        }
    return {
        "format_version": 1,
        "kind": "semivisible_summary",
        "label": LABEL,
        "seeds": list(settings.seeds),
        "trainings": sorted(f"{name}_{seed}" for name, seed in found),
        "grid": grid,
        "background_only": {f"{name}_{seed}": each["background_only"] for (name, seed), each in found.items()},
        "seconds": {f"{name}_{seed}": each["seconds"] for (name, seed), each in found.items()},
    }


def read_results(results: Path, settings: Settings) -> dict[tuple[str, int], Any]:
    """The results of trainings that are there, by model and seed."""
    paths = {
        (name, seed): results / f"{name}_{seed}.json"
        for name in (*settings.models, "ceiling")
        for seed in settings.seeds
    }
    return {key: json.loads(path.read_text(encoding="utf-8")) for key, path in paths.items() if path.exists()}


def mean_of(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean AUC with its errors, and rejections at the signal efficiencies that were asked for."""
    values = [each["auc"]["value"] for each in seeds]
    replicas = np.mean([each["replicas"] for each in seeds], axis=0)
    points = [
        rejection([each["points"][i] for each in seeds])
        for i, point in enumerate(seeds[0]["points"])
        if point["fixed"] == "sig_eff"
    ]
    return {**with_errors(values, replicas), "n_eff": seeds[0]["n_eff"], "rejections": points}


def difference(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over seeds of the AUC of the first model minus that of the second, seed by seed."""
    pairs = list(zip(first, second, strict=True))
    values = [a["auc"]["value"] - b["auc"]["value"] for a, b in pairs]
    replicas = np.mean([np.subtract(a["replicas"], b["replicas"]) for a, b in pairs], axis=0)
    return with_errors(values, replicas)


def with_errors(values: list[float], replicas: Any) -> dict[str, Any]:
    """A mean over seeds with the scatter of one seed, the error of the events, and that of the mean from both."""
    of_events = float(np.std(replicas, ddof=1))
    scatter = float(np.std(values, ddof=1)) if len(values) > 1 else None
    error = float(np.hypot((scatter or 0.0) / np.sqrt(len(values)), of_events))
    return {
        "value": float(np.mean(values)),
        "error": error,
        "scatter": scatter,
        "of_events": of_events,
        "seeds": values,
    }


def rejection(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Background rejection at a signal efficiency: from the mean background efficiency over seeds."""
    effs = [point["bkg_eff"] for point in points]
    mean = float(np.mean([eff["value"] for eff in effs]))
    of_events = float(np.mean([(eff["high"] - eff["low"]) / 2 for eff in effs]))
    scatter = float(np.std([eff["value"] for eff in effs], ddof=1)) if len(effs) > 1 else 0.0
    error = float(np.hypot(scatter / np.sqrt(len(effs)), of_events))
    return {
        "sig_eff": points[0]["target"],
        "value": 1 / mean if mean else None,
        "error": error / mean**2 if mean else None,
    }


def lines(summary: dict[str, Any]) -> list[str]:
    """The table as text."""
    text = []
    for point, each in summary["grid"].items():
        cells = [f"{name} {value['value']:.3f} ± {value['error']:.3f}" for name, value in each["models"].items()]
        more = [f"{name} {value['value']:+.3f} ± {value['error']:.3f}" for name, value in each["differences"].items()]
        text.append(f"{point}: " + ", ".join([*cells, *more]))
    return text
