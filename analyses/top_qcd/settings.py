"""What the study is: samples, models and sizes from one file, all else from the set-up that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from jetnae.config import parse, read_toml
from jetnae.errors import InputError
from jetnae.images import ImageSpec
from jetnae.training import FitConfig, RunConfig, read_run_config

FROZEN = Path(__file__).parent / "settings.toml"
CLASSES = ("qcd", "top")
"""What is trained on, and told apart."""
GROUPS = ("headline", "contamination", "variants")
"""Groups of trainings, in the order in which they are done."""


@dataclass(frozen=True)
class Source:
    """A class of jets: files to measure with, to train on, and to measure what cuts do to the mass, in `JETNAE_DATA`,
    and its label there."""

    measure: tuple[str, ...]
    label: int
    train: tuple[str, ...] = ()
    mass: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """Jets of each class to measure with, jets a kernel density is made of, bootstrap replicas."""

    measuring: int
    kernels: int
    bootstrap: int


@dataclass(frozen=True)
class Binning:
    """Where background is made like signal: low, high, bins of mass and pt in GeV; bins of the sum of squares; jets of
    either that a bin needs."""

    mass: tuple[float, float, int]
    pt: tuple[float, float, int]
    squares: int
    fewest: int


@dataclass(frozen=True)
class Group:
    """Trainings that belong together; steps are those of the set-up where not given."""

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    n_jets: int
    pretrain_steps: int | None = None
    n_steps: int | None = None
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Change:
    """What a model changes of the set-up; `own_loss` takes all steps with the model's own loss."""

    model: dict[str, Any] = field(default_factory=dict)
    image: dict[str, Any] = field(default_factory=dict)
    own_loss: bool = False


@dataclass(frozen=True)
class Configuration:
    """All that determines a training but its jets: images, how many, model and steps."""

    image: ImageSpec
    n_jets: int
    fit: FitConfig

    def as_json(self) -> dict[str, Any]:
        """The configuration as it stands in results."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


@dataclass(frozen=True)
class Settings:
    """The study. setup : `RunConfig`, the set-up; data : `Source` by name; models : `Change` by name."""

    setup: Any
    components: tuple[int, ...]
    data: dict[str, Any]
    sizes: Sizes
    reweighting: Binning
    headline: Group
    contamination: Group
    variants: Group
    models: dict[str, Any]

    @property
    def image(self) -> ImageSpec:
        """The images of the set-up."""
        found: ImageSpec = self.setup.spec
        return found

    @property
    def signals(self) -> tuple[str, ...]:
        """Classes that are never trained on."""
        return tuple(name for name in self.data if name not in CLASSES)

    def configuration(self, group: str, model: str, seed: int) -> Configuration:
        """The set-up with the changes of a group and of a model."""
        size, change, setup = getattr(self, group), self.models[model], self.setup
        steps = {name: getattr(size, name) for name in ("pretrain_steps", "n_steps")}
        train = replace(setup.train, seed=seed, **{name: n for name, n in steps.items() if n is not None})
        if change.own_loss:
            train = replace(train, pretrain_steps=0, n_steps=train.total, learning_rate=train.pretrain_learning_rate)
        name = change.model.get("name", setup.model["name"])
        base = setup.model if name == setup.model["name"] else {"network": setup.model["network"]}
        image = replace(setup.spec, **change.image)
        return Configuration(image, size.n_jets, FitConfig(merged(base, {**change.model, "name": name}), train))

    def as_json(self) -> dict[str, Any]:
        """The settings as they stand in results."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    def of_group(self, group: str) -> dict[str, Any]:
        """Those that a group of trainings, and what is measured of it, depend on."""
        found = {name: each for name, each in self.as_json().items() if name == group or name not in GROUPS}
        return {**found, "models": {name: found["models"][name] for name in getattr(self, group).models}}


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A nested mapping with the entries of another one in place of its own."""
    found = dict(base)
    for key, value in change.items():
        inner = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if inner else value
    return found


def read_settings(path: Path = FROZEN, data: str = "simulated") -> Settings:
    """Read the settings for one kind of data; raises `InputError` for unknown keys, listing the known ones."""
    settings = parse(Settings, read_toml(path), str(path))
    if data not in settings.data:
        raise InputError(f"{path}: no data '{data}', expected one of {', '.join(settings.data)}")
    models = {name: parse(Change, table, f"{path}: models.{name}") for name, table in settings.models.items()}
    sources = {name: parse(Source, table, f"{path}: {data}.{name}") for name, table in settings.data[data].items()}
    setup: RunConfig = read_run_config(path.parent / settings.setup)
    models.setdefault(setup.model["name"], Change())
    unknown = {name for group in GROUPS for name in getattr(settings, group).models} - set(models)
    if unknown or not set(CLASSES) <= set(sources):
        raise InputError(f"{path}: models {sorted(unknown)} or one of the classes {', '.join(CLASSES)} not described")
    return replace(settings, setup=setup, data=sources, models=models)
