"""Everything that moves during a training: taken, put back, saved and restored as a whole."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from jetnae.checkpoint import build_model
from jetnae.errors import InputError
from jetnae.files import write_bytes
from jetnae.inputs import Spec
from jetnae.models import Model
from jetnae.training.config import FitConfig, RunConfig
from jetnae.training.distributed import Group
from jetnae.training.recovery import Watch
from jetnae.training.selection import Check, weight_norm

STATE = "state.safetensors"
DECODER = "decoder."
Sections = dict[str, dict[str, Tensor]]


@dataclass
class Record:
    """What happened so far, beside tensors.

    lines : of the history. attempt : restarts after a collapse. factor : of the learning rates, halved with each
    trouble. rollbacks : after a divergence. events, warnings : what to tell. share : of the mean input's error at the
    last check. norm, good_watch, good_share : of the last good
    state. rank : of the best check in the rule of selection.
    """

    lines: int = 0
    attempt: int = 0
    factor: float = 1.0
    rollbacks: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    share: float | None = None
    norm: float = 0.0
    watch: Watch = field(default_factory=Watch)
    good_watch: Watch = field(default_factory=Watch)
    good_share: float | None = None
    best: dict[str, Any] | None = None
    rank: tuple[int, float] | None = None


@dataclass
class State:
    """A training at a moment: model, optimizer, generator, where it stands, the last good and the best state so far.

    average : of the weights over the last steps, by name, where that is asked for.
    """

    model: Model
    optimizer: torch.optim.Adam
    generator: torch.Generator
    step: int = 0
    record: Record = field(default_factory=Record)
    good: Sections = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Time spent training, over all interruptions."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def best_check(self) -> Check | None:
        """The check of the best state so far."""
        return None if self.record.best is None else Check(**self.record.best)

    def keep_good(self) -> None:
        """Remember this state as one to go back to."""
        self.good = snapshot(self)
        self.record.norm = weight_norm(self.model)
        self.record.good_watch = deepcopy(self.record.watch)
        self.record.good_share = self.record.share

    def keep_best(self, check: Check, rank: tuple[int, float]) -> None:
        """Remember the weights as the result, as far as is known."""
        self.record.best, self.record.rank = asdict(check), rank
        self.best = _copies({**self.model.state_dict(), **self.average})


def initial_state(config: FitConfig | RunConfig, spec: Spec, device: torch.device, group: Group, attempt: int) -> State:
    """A model with fresh weights, the same in every process, and a generator of this process's own."""
    name, options = config.model["name"], {k: v for k, v in config.model.items() if k != "name"}
    seed = (config.train.seed + 1_000_003 * attempt) % 2**63
    with torch.random.fork_rng(devices=[]):  # layers initialize from the global generator: leave it as it was
        torch.manual_seed(seed)
        model = build_model(name, options, spec).to(device)
    decoder = [each for key, each in model.named_parameters() if key.startswith(DECODER)]
    others = [each for key, each in model.named_parameters() if not key.startswith(DECODER)]
    groups = [{"params": others, "slow": False}, {"params": decoder, "slow": True}]
    optimizer = torch.optim.Adam([group for group in groups if group["params"]] or groups[:1])
    generator = torch.Generator(device).manual_seed((seed + 7_919 * group.rank) % 2**63)
    state = State(model, optimizer, generator)
    state.record.attempt = attempt
    state.keep_good()
    return state


def snapshot(state: State) -> Sections:
    """Copies of all tensors that a training goes on from, but for the generator."""
    moments = state.optimizer.state_dict()["state"]
    return {
        "model": _copies(state.model.state_dict()),
        "optimizer": _copies({f"{i}.{key}": value for i, each in moments.items() for key, value in each.items()}),
        "training": _copies(state.model.training_state()),
        "average": _copies(state.average),
    }


def put_back(state: State, sections: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Let model and optimizer go on from a snapshot."""
    state.model.load_state_dict(dict(sections.get("model", {})))
    device = state.generator.device
    state.model.load_training_state({key: value.to(device) for key, value in _copies(sections["training"]).items()})
    state.average = _on(state, _copies(sections["average"]))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _copies(sections["optimizer"]).items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def save_state(output: Path, state: State, config: FitConfig | RunConfig, data: str, group: Group) -> None:
    """Write the state atomically; every process gives its part, the first one writes."""
    moving = _flat({"now": snapshot(state), "good": state.good})
    mine = {key: value for key, value in moving.items() if key.split(".")[1] == "training"}
    shared = moving | _named("best", state.best)
    parts = group.gather({**mine, "generator": state.generator.get_state()})
    if not group.writes:
        return
    tensors = {key: value for key, value in shared.items() if key not in mine}
    for rank, part in enumerate(parts):
        tensors |= _named(f"rank{rank}", part)
    metadata = {
        "step": str(state.step),
        "seconds": str(state.seconds),
        "config": fixed(config),
        "data": data,
        "processes": str(group.size),
        "record": json.dumps(asdict(state.record)),
    }
    packed = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_bytes(output / STATE, save(packed, metadata=metadata), force=True)


def restore_state(
    output: Path, config: FitConfig | RunConfig, spec: Spec, device: torch.device, group: Group, *, data: str
) -> State:
    """The saved state; raises `InputError` when it is damaged, or belongs to another training."""
    path = output / STATE
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}), start anew without --resume") from error
    _check_same(path, metadata, config, data, group)
    try:
        record = json.loads(metadata["record"])
        state = initial_state(config, spec, device, group, record["attempt"])
        _apply(state, metadata, record, tensors, group)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: is damaged ({error}), start anew without --resume") from error
    return state


def fixed(config: FitConfig | RunConfig) -> str:
    """The part of a configuration that must not change on the way; a training may become longer."""
    content = asdict(config)
    del content["train"]["n_steps"], content["train"]["save_every"]
    return json.dumps(content, sort_keys=True, default=str)


def _check_same(
    path: Path, metadata: Mapping[str, str], config: FitConfig | RunConfig, data: str, group: Group
) -> None:
    if metadata.get("config") != fixed(config):
        raise InputError(
            f"{path}: was made with another configuration; only train.n_steps and train.save_every may change: "
            "resume with the old one, or choose another --output"
        )
    if metadata.get("data") != data:
        raise InputError(f"{path}: was made with other jets, resume with the old files or choose another --output")
    if metadata.get("processes") != str(group.size):
        raise InputError(f"{path}: was made by {metadata.get('processes')} processes, here are {group.size}")


def _apply(
    state: State, metadata: Mapping[str, str], record: dict[str, Any], tensors: Mapping[str, Tensor], group: Group
) -> None:
    """Put a saved state back."""
    mine = _section(tensors, f"rank{group.rank}")
    state.step, state.seconds_before = int(metadata["step"]), float(metadata["seconds"])
    state.generator.set_state(mine.pop("generator"))
    for when in ("now", "good"):
        sections = {
            name: _section({**tensors, **mine}, f"{when}.{name}")
            for name in ("model", "optimizer", "training", "average")
        }
        if when == "now":
            put_back(state, sections)
        else:
            state.good = {name: _on(state, part) for name, part in sections.items()}
    state.best = _on(state, _section(tensors, "best"))
    record["rank"] = None if record["rank"] is None else tuple(record["rank"])
    watches = {name: Watch(**record[name]) for name in ("watch", "good_watch")}
    state.record = Record(**{**record, **watches})


def _on(state: State, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.to(state.generator.device) for key, value in tensors.items()}


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in tensors.items()}


def _flat(states: Mapping[str, Sections]) -> dict[str, Tensor]:
    return {
        f"{when}.{name}.{key}": value
        for when, sections in states.items()
        for name, section in sections.items()
        for key, value in section.items()
    }


def _named(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in tensors.items()}


def _section(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `name.`, without it."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
