"""The settings of a training where nothing is said: the one place they are kept."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from jetnae.images import ImageSpec
from jetnae.inputs import Spec
from jetnae.level1 import RegionSpec
from jetnae.models import MODELS
from jetnae.training.config import TrainConfig

MODEL = "nae"
N_JETS = 50_000
PT_QUANTILES = (0.005, 0.995)
"""Share of the jets below and above the range of pt that a model is made for; |eta| keeps the upper one."""
HALF_WIDTH = 0.75
"""Half the side of the image, in radii of the jets."""

IMAGE = ImageSpec(smearing=2.0, rebin=2, pixel_sum=40.0)
"""The preprocessing of analyses/qcd_ak8_nae.toml; its half width follows the radius."""

DENSITY = TrainConfig(n_steps=200, learning_rate=1e-4, pretrain_steps=3000, pretrain_learning_rate=1e-3)
"""Steps of models that are pretrained as autoencoders, then normalized."""

TRAIN = {"ae": TrainConfig(n_steps=3000, learning_rate=1e-3)}
"""Steps of the models that differ from that."""


def default_image(radius: float) -> ImageSpec:
    """The image of jets of a radius."""
    return replace(IMAGE, half_width=round(HALF_WIDTH * radius, 4))


def default_network(model: str, spec: Spec) -> dict[str, Any]:
    """What a model has to be told of its network for an input: regions lie in [0, 1], and their sum is free."""
    has_network = any(field.name == "network" for field in fields(MODELS[model][1]))
    return {"network": {"output": "sigmoid"}} if has_network and isinstance(spec, RegionSpec) else {}


def default_steps(model: str, seed: int) -> TrainConfig:
    """How long and how fast a model learns."""
    return replace(TRAIN.get(model, DENSITY), seed=seed)
