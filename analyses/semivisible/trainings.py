"""Trainings without labels, and the scores of all samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analyses.semivisible.samples import Sample, Values
from analyses.semivisible.settings import Settings
from jetnae.checkpoint import Validity, load_checkpoint
from jetnae.diagnostics import measure, summarize
from jetnae.models.chains import Density
from jetnae.models.model import energies
from jetnae.training import train_on
from jetnae.training_data import TrainingData

RADIUS, ABS_ETA = 0.8, 2.4
VALIDATION = 0.1


@dataclass(frozen=True)
class Trained:
    """A model, the numbers that its own convergence is judged by, and the seconds that its training took."""

    model: Any
    center: Values
    scale: Values
    diagnosis: dict[str, Any]
    seconds: float
    provenance: dict[str, Any]


def fit(name: str, seed: int, settings: Settings, background: Sample, folder: Path) -> Trained:
    """Train one model on the training half of the background, or go on where it was broken off."""
    torch.set_num_threads(1)
    data = training_data(background.events(background.trains), settings, settings.models[name].input, seed)
    config = settings.models[name].fit_config(seed)
    resume = (folder / "state.safetensors").exists()
    header = train_on(data, config, folder, device=torch.device("cpu"), resume=resume)
    seconds = float(header.training["seconds"])
    checkpoint = load_checkpoint(folder / "model.safetensors")
    center, scale = standard(data.spec, settings)
    measured = inputs(background.events(~background.trains), settings, name, (center, scale))
    found = diagnosis(checkpoint.model, measured, data.training.mean(dim=0), seed)
    details = {"selected": header.training.get("selected"), "events": header.training.get("events"), **found}
    return Trained(checkpoint.model, center, scale, details, seconds, {**header.provenance, "sha256": header.sha256})


def training_data(sample: Sample, settings: Settings, kind: str, seed: int) -> TrainingData:
    """Jets to learn from. They all count the same: the sample is biased towards large pt, where signals are."""
    if kind == "image":
        spec: Any = settings.image
        x = sample.images.reshape(-1, *sample.images.shape[2:])[: settings.sizes.image_training]
    else:
        table = sample.features.reshape(-1, sample.features.shape[-1]).astype(np.float32)
        spec = settings.features.standardized(table)
        x = (table - np.asarray(spec.center)) / np.asarray(spec.scale)
    shuffled = torch.from_numpy(x.astype(np.float32)[np.random.default_rng(seed).permutation(len(x))])
    n_validation = max(int(VALIDATION * len(x)), 1)
    low, high = float(math.floor(sample.pt.min())), float(math.ceil(sample.pt.max()))
    validity = Validity((low, high), ABS_ETA, RADIUS)
    return TrainingData(shuffled[n_validation:], shuffled[:n_validation], spec, validity=validity)


def standard(spec: Any, settings: Settings) -> tuple[Values, Values]:
    """Center and scale of features; of images, which have none, those of nothing."""
    n = len(settings.features.names)
    center = getattr(spec, "center", ()) or np.zeros(n)
    return np.asarray(center), np.asarray(getattr(spec, "scale", ()) or np.ones(n))


def inputs(sample: Sample, settings: Settings, name: str, standardized: tuple[Values, Values]) -> Tensor:
    """What a model sees of the jets of a sample, event by event, the harder jet first: (2 n, *shape)."""
    if settings.models[name].input == "image":
        return torch.from_numpy(sample.images.reshape(-1, *sample.images.shape[2:]))
    center, scale = standardized
    table = sample.features.reshape(-1, sample.features.shape[-1]).astype(np.float32)
    return torch.from_numpy(((table - center) / scale).astype(np.float32))


def score(trained: Trained, sample: Sample, settings: Settings, name: str) -> Values:
    """Scores (n, 2) of the jets of events; of a model of images of those that have them, NaN for the others."""
    x = inputs(sample, settings, name, (trained.center, trained.scale))
    with torch.no_grad():
        found = energies(trained.model.score, x).double().numpy().reshape(-1, 2)
    if settings.models[name].input == "features":
        return np.asarray(found)
    all_events = np.full((len(sample), 2), np.nan)
    all_events[sample.image_index] = found
    return all_events


def diagnosis(model: Any, background: Tensor, training_mean: Tensor, seed: int) -> dict[str, Any]:
    """What background alone says of a model: energies, distances in floors, reconstruction against the mean input."""
    if not isinstance(model, Density):
        with torch.no_grad():
            error = energies(model.energy, background).mean()
        mean = (background - training_mean).square().flatten(1).mean()
        return {"reconstruction": float(error / mean), "verdict": None}
    order = torch.randperm(len(background), generator=torch.Generator().manual_seed(seed))
    found = measure(model, background[order], training_mean, torch.Generator().manual_seed(seed))
    return summarize(found)
