"""What a training is told: from where to learn, what, how long and how fast."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jetnae.config import parse, read_toml, to_toml
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.files import write_bytes
from jetnae.images import ImageSpec
from jetnae.inputs import KINDS, Spec
from jetnae.level1 import ObjectSpec, RegionSpec
from jetnae.models import MODELS
from jetnae.training_data import DataConfig


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast to learn.

    n_steps, learning_rate : of the model's own loss; pretrain_*: of the plain reconstruction before it (NAE only).
    pretrain_decay : share of that rate at the end of the pretraining, reached along half a cosine.
    decoder_rate : learning rate of the decoder in units of `learning_rate`, in the steps of the model's own loss: a
    decoder that follows slowly keeps to the manifold of the data.
    average : memory of the mean of the weights in those steps, as the share that the mean keeps in each; 0 takes the
    weights as they are. The mean is what is checked and selected.
    max_gradient : limit on the norm of the gradient over all weights. save_every : steps between saved states.
    check_every : steps between checks on held-out background, of which one becomes the result. burn_in : steps of the
    model's own loss before a check may be chosen.
    """

    n_steps: int
    learning_rate: float
    pretrain_steps: int = 0
    pretrain_learning_rate: float = 1e-3
    pretrain_decay: float = 1.0
    decoder_rate: float = 1.0
    average: float = 0.0
    batch_size: int = 128
    max_gradient: float = 1.0
    seed: int = 1
    save_every: int = 200
    check_every: int = 50
    burn_in: int = 100

    def __post_init__(self) -> None:
        if min(self.n_steps, self.pretrain_steps, self.burn_in) < 0:
            raise InputError("expected n_steps, pretrain_steps and burn_in of at least 0")
        if min(self.batch_size, self.save_every, self.check_every) < 1:
            raise InputError("expected batch_size, save_every and check_every of at least 1")
        if not 0 < self.pretrain_decay <= 1 or not 0 <= self.average < 1 or self.decoder_rate < 0:
            raise InputError("expected pretrain_decay in (0, 1], average in [0, 1) and decoder_rate of at least 0")
        if min(self.learning_rate, self.pretrain_learning_rate, self.max_gradient) <= 0 or not 0 <= self.seed < 2**63:
            raise InputError("expected learning rates and max_gradient above 0, and a seed from 0 to 2^63 - 1")

    @property
    def total(self) -> int:
        """Steps of both phases."""
        return self.pretrain_steps + self.n_steps

    def rate(self, step: int, *, decoder: bool = False) -> float:
        """Learning rate of a step, of the decoder or of all else."""
        if step >= self.pretrain_steps:
            return self.learning_rate * (self.decoder_rate if decoder else 1.0)
        done = step / self.pretrain_steps
        share = self.pretrain_decay + (1 - self.pretrain_decay) * (1 + math.cos(math.pi * done)) / 2
        return self.pretrain_learning_rate * share


@dataclass(frozen=True)
class FitConfig:
    """A training on inputs in memory: which model, how long."""

    model: dict[str, Any]
    train: TrainConfig


@dataclass(frozen=True)
class RunConfig:
    """A training: what to learn from, which model, how long, and how jets or crossings become inputs: one of four."""

    data: DataConfig
    model: dict[str, Any]
    train: TrainConfig
    image: ImageSpec | None = None
    features: FeatureSpec | None = None
    regions: RegionSpec | None = None
    objects: ObjectSpec | None = None

    @property
    def spec(self) -> Spec:
        """How jets become inputs; images with the full preprocessing where nothing is said."""
        given: dict[str, Spec] = {name: getattr(self, name) for name in KINDS if getattr(self, name) is not None}
        if len(given) > 1:
            raise InputError(f"both {' and '.join(f'[{name}]' for name in given)}, expected one of them")
        return next(iter(given.values()), ImageSpec())


def read_run_config(path: str | Path) -> RunConfig:
    """Read `analyses/<name>.toml`; raises `InputError` for unknown keys, listing the known ones."""
    config = parse(RunConfig, read_toml(path), str(path))
    if not isinstance(config.model.get("name"), str):
        raise InputError(f"{path}: model.name is missing, expected one of {', '.join(MODELS)}")
    return config


def write_run_config(path: Path, config: RunConfig) -> None:
    """Write a configuration that `read_run_config` reads back, atomically."""
    write_bytes(path, to_toml(asdict(config)).encode(), force=True)
