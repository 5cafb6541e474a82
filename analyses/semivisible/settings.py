"""What the study is: grid, cuts, inputs and models, from one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from jetnae.config import parse, read_toml
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.images import ImageSpec
from jetnae.training import FitConfig, TrainConfig

FROZEN = Path(__file__).parent / "settings.toml"
LABEL = "QCD only"
"""Goes with every number: top pairs and W and Z with jets are not simulated."""


@dataclass(frozen=True)
class Cuts:
    """Cuts as text: those of the preselection, which R_T is not among, and what the search adds."""

    preselection: tuple[str, ...]
    search: tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """Jets to train images with, events of each sample to measure them with, bootstrap replicas."""

    image_training: int
    image_events: int
    replicas: int


@dataclass(frozen=True)
class ModelSettings:
    """One model without labels: its input, itself, its training."""

    input: Literal["features", "image"]
    model: dict[str, Any]
    train: TrainConfig

    def fit_config(self, seed: int) -> FitConfig:
        """The training with a seed."""
        return FitConfig(self.model, replace(self.train, seed=seed))


@dataclass(frozen=True)
class CeilingSettings:
    """Width of both hidden layers and training of the supervised classifier."""

    hidden: int
    n_steps: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class Settings:
    """The study; luminosity in 1/fb, masses in GeV. models : `ModelSettings` by name."""

    mediators: tuple[int, ...]
    invisible: tuple[float, ...]
    dark_hadron: int
    background: str
    seeds: tuple[int, ...]
    luminosity: float
    selection: Cuts
    features: FeatureSpec
    image: ImageSpec
    sizes: Sizes
    models: dict[str, Any]
    ceiling: CeilingSettings

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the signal samples, by mediator, then by invisible fraction."""
        return tuple(
            f"semivisible_{mass}_{self.dark_hadron}_{f'{fraction:g}'.replace('.', '')}"
            for mass in self.mediators
            for fraction in self.invisible
        )

    def as_json(self) -> dict[str, Any]:
        """The settings as they stand in results."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


def relevant(settings: Mapping[str, Any], model: str) -> dict[str, Any]:
    """What a result of a model depends on, of settings as JSON: not on other models, nor on inputs that it has not.

    The classifier, which is no model of the settings, has the features.
    """
    one = settings["models"].get(model)
    unused = "features" if one and one["input"] == "image" else "image"
    return {name: each for name, each in settings.items() if name not in {unused, "models"}} | {"model": one}


def read_settings(path: Path = FROZEN) -> Settings:
    """Read the settings; raises `InputError` for unknown keys, listing the known ones."""
    settings = parse(Settings, read_toml(path), str(path))
    if not settings.seeds or not settings.models:
        raise InputError(f"{path}: no seeds or no models, expected at least one of each")
    models = {name: parse(ModelSettings, table, f"{path}: {name}") for name, table in settings.models.items()}
    return replace(settings, models=models)
