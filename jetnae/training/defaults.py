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
HALF_WIDTH = 1.0
"""Half the side of the image, in radii of the jets."""

IMAGE = ImageSpec(smearing=2.0, rebin=2, smeared_power=0.6, pixel_sum=40.0)
"""The preprocessing of analyses/jet_nae.toml; its half width follows the radius."""

NETWORK = {"architecture": "dense", "hidden": 512, "second": 256, "latent_dim": 8}
"""The network for images of jets: at 20 x 20 pixels, dense layers learn more in the same time than convolutions."""

IMAGE_NAE = {
    "replay_size": 2000,
    "error_limit": 1.0,
    "latent_density": {"n_kernels": 64, "concentration": 10.0, "consistency": 0.1},
    "walk": {"n_steps": 20, "temperature": 3.0},
    "visible": {"n_steps": 0, "step_size": 0.0125, "noise_std": 5e-4},
}
"""The normalized autoencoder of analyses/jet_nae.toml."""

DENSITY = TrainConfig(n_steps=200, learning_rate=1e-4, pretrain_steps=3000, pretrain_learning_rate=1e-3)
"""Steps of models that are pretrained as autoencoders, then normalized."""

IMAGE_DENSITY = replace(DENSITY, n_steps=600, learning_rate=5e-5, pretrain_decay=0.05, average=0.97, burn_in=300)
"""The same for normalized autoencoders of images."""

TRAIN = {"ae": TrainConfig(n_steps=3000, learning_rate=1e-3)}
"""Steps of the models that differ from that."""


def default_image(radius: float) -> ImageSpec:
    """The image of jets of a radius."""
    return replace(IMAGE, half_width=round(HALF_WIDTH * radius, 4))


def default_model(model: str, spec: Spec) -> dict[str, Any]:
    """What a model has to be told beside its name for an input: regions lie in [0, 1], and their sum is free."""
    has_network = any(field.name == "network" for field in fields(MODELS[model][1]))
    if isinstance(spec, RegionSpec):
        return {"network": {"output": "sigmoid"}} if has_network else {}
    if not isinstance(spec, ImageSpec):
        return {}
    network = {"network": NETWORK} if has_network else {}
    return network | (IMAGE_NAE if model == MODEL else {})


def default_steps(model: str, seed: int, spec: Spec) -> TrainConfig:
    """How long and how fast a model learns."""
    steps = IMAGE_DENSITY if model == MODEL and isinstance(spec, ImageSpec) else TRAIN.get(model, DENSITY)
    return replace(steps, seed=seed)
