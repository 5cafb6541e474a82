"""One plain training loop: phases of steps, a history, a state to resume from, a checkpoint at the end."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from jetnae.checkpoint import FORMAT_VERSION, Header, build_model, save_checkpoint
from jetnae.config import parse, read_toml
from jetnae.diagnostics import energies, mean_image_energy, measure_energies
from jetnae.errors import InputError
from jetnae.features import FeatureSpec
from jetnae.files import write_bytes
from jetnae.images import ImageSpec
from jetnae.inputs import Spec
from jetnae.models import MODELS, Autoencoder, NormalizedAutoencoder
from jetnae.models.autoencoder import Logs
from jetnae.training_data import DataConfig, TrainingData, load_training_data
from jetnae.version import __version__

N_BEGIN = 10_000
"""Inputs from which a model fixes its scales after pretraining."""
Report = Callable[[int, int, Logs], None]
"""Called after every step with the step, the number of steps and what was logged."""


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast to learn.

    n_steps, learning_rate : of the model's own loss; pretrain_*: of the plain reconstruction before it (NAE only).
    max_gradient : limit on the norm of the gradient over all weights. save_every : steps between saved states.
    """

    n_steps: int
    learning_rate: float
    pretrain_steps: int = 0
    pretrain_learning_rate: float = 1e-3
    batch_size: int = 128
    max_gradient: float = 1.0
    seed: int = 1
    save_every: int = 200

    def __post_init__(self) -> None:
        if min(self.n_steps, self.pretrain_steps) < 0 or min(self.batch_size, self.save_every) < 1:
            raise InputError("expected steps >= 0, and batch_size and save_every of at least 1")
        if min(self.learning_rate, self.pretrain_learning_rate, self.max_gradient) <= 0 or not 0 <= self.seed < 2**63:
            raise InputError("expected learning rates and max_gradient above 0, and a seed from 0 to 2^63 - 1")


@dataclass(frozen=True)
class RunConfig:
    """A training: what to learn from, how jets become images, or which features to take, which model, how long."""

    data: DataConfig
    model: dict[str, Any]
    train: TrainConfig
    image: ImageSpec | None = None
    features: FeatureSpec | None = None

    @property
    def spec(self) -> Spec:
        """How jets become inputs; images with the full preprocessing where nothing is said."""
        if self.image is not None and self.features is not None:
            raise InputError("both [image] and [features], expected one of them")
        return self.features or self.image or ImageSpec()


@dataclass
class _State:
    """Everything that moves during a training; saved and restored as a whole."""

    model: Autoencoder
    optimizer: torch.optim.Adam
    generator: torch.Generator
    step: int = 0
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time spent training, over all interruptions."""
        return self.seconds_before + time.monotonic() - self.started


def read_run_config(path: str | Path) -> RunConfig:
    """Read `analyses/<name>.toml`; raises `InputError` for unknown keys, listing the known ones."""
    config = parse(RunConfig, read_toml(path), str(path))
    if not isinstance(config.model.get("name"), str):
        raise InputError(f"{path}: model.name is missing, expected one of {', '.join(MODELS)}")
    return config


def train(
    config: RunConfig,
    output: Path,
    *,
    device: torch.device,
    resume: bool = False,
    report: Report | None = None,
) -> Header:
    """Train a model and write `model.safetensors`, `state.safetensors` and `history.jsonl` into `output`.

    Returns the header of the checkpoint. With `resume`, goes on from the saved state to the same result as an
    undisturbed run; `n_steps` may be larger than before. Raises `InputError` when the data do not suffice or `output`
    already holds a training.
    """
    _check_output(output, resume)
    data = load_training_data(config.data, config.spec, config.train.seed)
    state = _initial_state(config, device)
    if resume:
        _restore(output, state, config)
    images = data.training.to(device)
    total = config.train.pretrain_steps + config.train.n_steps
    with _history(output, state.step) as history:
        for logs in _steps(config, state, images):
            history.write(json.dumps({"step": state.step, **logs}) + "\n")
            if report is not None:
                report(state.step, total, logs)
            if state.step % config.train.save_every == 0:
                history.flush()
                _save_state(output, state, config)
    _save_state(output, state, config)
    header = _header(output.name, config, data, _summary(state, data, device))
    return save_checkpoint(output / "model.safetensors", state.model, header)


def _steps(config: RunConfig, state: _State, images: Tensor) -> Iterator[Logs]:
    """Take the remaining steps, one update each."""
    settings, model = config.train, state.model
    while state.step < settings.pretrain_steps + settings.n_steps:
        if state.step == settings.pretrain_steps:
            model.begin(images[:N_BEGIN], state.generator)
        pretraining = state.step < settings.pretrain_steps
        rate = settings.pretrain_learning_rate if pretraining else settings.learning_rate
        index = torch.randint(len(images), (settings.batch_size,), generator=state.generator, device=images.device)
        loss, logs = (model.pretrain_loss if pretraining else model.loss)(images[index], state.generator)
        if not bool(torch.isfinite(loss)):
            raise InputError(f"training diverged at step {state.step}: lower the learning rate or the step sizes")
        _update(state, loss, rate, settings.max_gradient)
        yield {"loss": float(loss.detach()), **logs}


def _update(state: _State, loss: Tensor, rate: float, max_gradient: float) -> None:
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), max_gradient)
    state.optimizer.step()
    state.step += 1


def _check_output(output: Path, resume: bool) -> None:
    exists = os.path.exists(output / "state.safetensors")
    if resume and not exists:
        raise InputError(f"{output}: no saved state to resume from, start without --resume")
    if not resume and exists:
        raise InputError(f"{output}: already holds a training, go on with --resume or choose another --output")


@contextmanager
def _history(output: Path, step: int) -> Iterator[TextIO]:
    """The open history, cut at the saved state: what happened after it will happen again."""
    path = output / "history.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if step and path.exists() else []
        write_bytes(path, "".join(lines[:step]).encode(), force=True)
        with path.open("a", encoding="utf-8") as history:
            yield history
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _initial_state(config: RunConfig, device: torch.device) -> _State:
    name, options = config.model["name"], {k: v for k, v in config.model.items() if k != "name"}
    with torch.random.fork_rng(devices=[]):  # layers initialize from the global generator: leave it as it was
        torch.manual_seed(config.train.seed)
        model = build_model(name, options, config.spec).to(device)
    generator = torch.Generator(device).manual_seed(config.train.seed)
    return _State(model, torch.optim.Adam(model.parameters()), generator)


def _summary(state: _State, data: TrainingData, device: torch.device) -> dict[str, float]:
    """What the card quotes: energies on held-out background, no label anywhere."""
    held_out = data.validation.to(device)
    mean_image = data.training.mean(dim=0).to(device)
    summary = {"steps": float(state.step), "n_training": float(len(data.training)), "seconds": state.seconds}
    if not isinstance(state.model, NormalizedAutoencoder):
        energy = float(energies(state.model, held_out).mean())
        return summary | {"energy_data": energy, "energy_mean_image": mean_image_energy(held_out, mean_image)}
    found = measure_energies(state.model, held_out, mean_image, state.generator)
    return summary | {
        "energy_data": found.data,
        "energy_negative": found.negative,
        "energy_ratio": found.ratio,
        "energy_ratio_error": found.ratio_error,
        "energy_mean_image": found.mean_image,
        "temperature_latent": state.model.config.latent.temperature,
        "temperature_visible": state.model.config.visible.temperature,
    }


def _header(name: str, config: RunConfig, data: TrainingData, summary: dict[str, float]) -> Header:
    return Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name=name,
        model=config.model["name"],
        config={key: value for key, value in config.model.items() if key != "name"},
        validity=config.data.validity,
        layout=data.layout,
        image=data.spec if isinstance(data.spec, ImageSpec) else None,
        features=data.spec if isinstance(data.spec, FeatureSpec) else None,
        training={"config": asdict(config), "files": data.files, **summary},
        provenance={
            "jetnae": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )


def _save_state(output: Path, state: _State, config: RunConfig) -> None:
    tensors = {f"model.{key}": value for key, value in state.model.state_dict().items()}
    for index, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
    tensors["generator"] = state.generator.get_state()
    tensors |= {f"training.{key}": value for key, value in state.model.training_state().items()}
    metadata = {"step": str(state.step), "seconds": str(state.seconds), "config": _fixed(config)}
    packed = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_bytes(output / "state.safetensors", save(packed, metadata=metadata), force=True)


def _restore(output: Path, state: _State, config: RunConfig) -> None:
    path = output / "state.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}), start anew without --resume") from error
    if metadata.get("config") != _fixed(config):
        raise InputError(
            f"{path}: was made with another configuration; only train.n_steps and train.save_every may change: "
            "resume with the old one, or choose another --output"
        )
    try:
        _apply(state, metadata, tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: is damaged ({error}), start anew without --resume") from error


def _fixed(config: RunConfig) -> str:
    """The part of a configuration that must not change on the way; a training may become longer."""
    content = asdict(config)
    del content["train"]["n_steps"], content["train"]["save_every"]
    return json.dumps(content, sort_keys=True, default=str)


def _apply(state: _State, metadata: dict[str, str], tensors: dict[str, Tensor]) -> None:
    """Put a saved state back."""
    state.step, state.seconds_before = int(metadata["step"]), float(metadata["seconds"])
    state.generator.set_state(tensors["generator"])
    state.model.load_state_dict(_section(tensors, "model"))
    training = _section(tensors, "training")
    state.model.load_training_state({key: value.to(state.generator.device) for key, value in training.items()})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _section(tensors, "optimizer").items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _section(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `name.`, without it."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
