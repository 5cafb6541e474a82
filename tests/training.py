"""Small trainings on inputs in memory, quick enough for many of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from jetnae.features import FeatureSpec
from jetnae.training import FitConfig, TrainConfig
from jetnae.training_data import TrainingData

CPU = torch.device("cpu")
SPEC = FeatureSpec(("mass", "girth", "multiplicity", "ptd"))
NETWORK = {"network": {"hidden": 8, "latent_dim": 2}}
NAE = {"name": "nae", **NETWORK, "start": "persistent", "features": {"n_steps": 2}, "replay_size": 20}
AE = {"name": "ae", **NETWORK}


def toy(n: int = 200, seed: int = 1) -> torch.Tensor:
    """Four features (n, 4) of one hidden variable, with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    angle = 3 * torch.rand(n, 1, generator=generator)
    noise = 0.1 * torch.randn(n, 4, generator=generator)
    return torch.cat([angle.cos(), angle.sin(), angle - 1.5, (2 * angle).cos()], dim=1) + noise


def toy_data(n: int = 200, **changes: Any) -> TrainingData:
    """Nine tenths to train on, the rest held out."""
    x = toy(n)
    return TrainingData(**{"training": x[n // 10 :], "validation": x[: n // 10], "spec": SPEC, **changes})


def fit(model: dict[str, Any] | None = None, **train: Any) -> FitConfig:
    """A few steps of everything."""
    settings = {"n_steps": 12, "learning_rate": 1e-3, "pretrain_steps": 10, "batch_size": 16, "save_every": 5}
    return FitConfig(model or NAE, TrainConfig(**{**settings, "check_every": 4, "burn_in": 4, **train}))


def history(folder: Path) -> list[dict[str, Any]]:
    """The lines of a history."""
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
