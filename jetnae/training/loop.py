"""One plain training loop: phases of steps, checks on background, a history, a state to resume from, a checkpoint."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from jetnae.checkpoint import Header, save_checkpoint
from jetnae.errors import InputError, NotConvergedError
from jetnae.models.model import Logs
from jetnae.training import averaging, trouble
from jetnae.training.batches import Inputs, make_inputs
from jetnae.training.config import FitConfig, RunConfig, write_run_config
from jetnae.training.distributed import Group
from jetnae.training.history import open_history
from jetnae.training.recovery import Baseline, make_baseline
from jetnae.training.selection import N_HELD_OUT
from jetnae.training.state import STATE, State, initial_state, restore_state, save_state
from jetnae.training.summary import finish, header_of
from jetnae.training_data import TrainingData, load_training_data

Report = Callable[[int, int, Logs], None]
"""Called after every step with the step, the number of steps and what was logged."""
N_BEGIN = 50_000
"""Training inputs that a model sees where normalization begins."""


@dataclass(frozen=True)
class Setup:
    """What stays the same during a training: configuration, inputs on the device, processes."""

    config: FitConfig | RunConfig
    data: TrainingData
    training: Inputs
    held_out: Inputs
    checked: Inputs
    baseline: Baseline
    device: torch.device
    group: Group


def train(
    config: RunConfig,
    output: Path,
    *,
    device: torch.device,
    resume: bool = False,
    report: Report | None = None,
    group: Group | None = None,
) -> Header:
    """Train a model on jet files, as `train_on`; writes the configuration to `config.toml` in `output` too."""
    group = group or Group()
    check_output(output, resume=resume)
    data = load_training_data(config.data, config.spec, config.train.seed)
    group.wait()  # nobody writes before everybody has looked
    if group.writes:
        write_run_config(output / "config.toml", config)
    return train_on(data, config, output, device=device, resume=resume, report=report, group=group)


def train_on(
    data: TrainingData,
    config: FitConfig | RunConfig,
    output: Path,
    *,
    device: torch.device,
    resume: bool = False,
    report: Report | None = None,
    group: Group | None = None,
) -> Header:
    """Train a model on inputs in memory; write `model.safetensors`, `state.safetensors` and `history.jsonl`.

    The model file holds the state that was selected (see `jetnae.training.selection`), the state file the last one.
    Returns the header of the checkpoint. With `resume`, goes on from the saved state to the same result as an
    undisturbed run; `n_steps` may be larger than before. Raises `InputError` when `output` already holds a training,
    or another one than is to be resumed, and `NotConvergedError` when it fails in spite of all attempts.
    """
    group = group or Group()
    check_output(output, resume=resume)
    group.wait()
    # moments and softmax tails fall below 1e-38, where a processor takes tens of times longer for each operation
    torch.set_flush_denormal(True)
    setup = make_setup(data, config, device, group)
    identity = _identity(data)
    if resume:
        _sweep(output, group)
        state = restore_state(output, config, data.spec, device, group, data=identity)
    else:
        state = initial_state(config, data.spec, device, group, 0)
        save_state(output, state, config, identity, group)
    with open_history(output, state.record.lines, group) as history:
        for now, line in take_steps(setup, state):
            state = now
            history.add(line)
            if report is not None:
                report(state.step, config.train.total, line)
            if state.step % config.train.save_every == 0:
                history.flush()
                save_state(output, state, config, identity, group)
    save_state(output, state, config, identity, group)
    summary = finish(setup, state)
    header = header_of(output.resolve().name, setup, summary)
    return save_checkpoint(output / "model.safetensors", state.model, header) if group.writes else header


def make_setup(data: TrainingData, config: FitConfig | RunConfig, device: torch.device, group: Group) -> Setup:
    """Put the inputs on the device, and fix what every check compares with."""
    training = make_inputs(data.training.to(device), data.weights)
    held_out = make_inputs(data.validation.to(device), data.validation_weights)
    return Setup(config, data, training, held_out, held_out.first(N_HELD_OUT), make_baseline(training), device, group)


def take_steps(setup: Setup, state: State) -> Iterator[tuple[State, Logs]]:
    """Take the remaining steps, one update each, and look after them; a collapse begins anew with a new state."""
    settings = setup.config.train
    has_weights = any(parameter.requires_grad for parameter in state.model.parameters())
    while state.step < settings.total and has_weights:
        if state.step == settings.pretrain_steps:
            _begin(setup, state)
        logs, wrong = _step(setup, state)
        state.step += 1
        wrong = wrong or trouble.watch(state, logs)
        line = {"attempt": state.record.attempt, "step": state.step, **logs}
        if wrong is None and trouble.is_check(settings, state.step):
            found, finding = trouble.check(setup, state)
            line |= found
            if finding == "lost":
                wrong = trouble.LOST
            elif finding == "collapsed":
                state, line["collapsed"] = trouble.restart(setup, state), 1.0
        if wrong is not None:
            trouble.roll_back(state, wrong)
            line["rolled_back"] = 1.0
        state.record.lines += 1
        yield state, line


def _begin(setup: Setup, state: State) -> None:
    """Where normalization begins: every process sees the same inputs, and keeps the scales of the first."""
    generator = torch.Generator(setup.device).manual_seed(setup.config.train.seed)
    state.model.begin(setup.training.draw_at_most(N_BEGIN, generator), state.generator)
    setup.group.agree(state.model)
    state.optimizer.state.clear()  # the moments of the reconstruction say nothing of the loss that follows
    state.record.watch = type(state.record.watch)()
    state.keep_good()


def _step(setup: Setup, state: State) -> tuple[Logs, str | None]:
    """One update of the weights, or what kept it from being made."""
    settings, model, group = setup.config.train, state.model, setup.group
    pretraining = state.step < settings.pretrain_steps
    x = setup.training.draw(group.share(settings.batch_size), state.generator)
    try:
        loss, logs = (model.pretrain_loss if pretraining else model.loss)(x, state.generator)
    except NotConvergedError as error:  # the weights are the same in all processes, and so is this
        return {}, str(error)
    found = group.average({"loss": float(loss.detach()), **logs})
    finite = {key: value for key, value in found.items() if math.isfinite(value)}
    if len(finite) < len(found):
        return finite, "the loss is not finite"
    for parameters in state.optimizer.param_groups:
        parameters["lr"] = settings.rate(state.step, decoder=parameters["slow"]) * state.record.factor
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    group.average_gradients(model, settings.batch_size)
    if not math.isfinite(float(nn.utils.clip_grad_norm_(model.parameters(), settings.max_gradient))):
        return finite, "the gradient is not finite"
    state.optimizer.step()
    if not pretraining:
        averaging.follow(state, settings.average, state.step - settings.pretrain_steps)
    return finite, None


def check_output(output: Path, *, resume: bool) -> None:
    """Raises `InputError` where there is nothing to resume, or something that would be trained over."""
    exists = os.path.exists(output / STATE)
    if resume and not exists:
        raise InputError(f"{output}: no saved state to resume from, start without --resume")
    if not resume and exists:
        raise InputError(f"{output}: already holds a training, go on with --resume or choose another --output")


def _sweep(output: Path, group: Group) -> None:
    """Remove what a process that was killed while writing left behind."""
    if group.writes:
        for path in output.glob(".*.tmp"):
            with suppress(OSError):
                path.unlink()


def _identity(data: TrainingData) -> str:
    """Tells training data apart, with enough tolerance for another machine to make the same images."""
    parts = []
    for x in (data.training, data.validation, data.weights, data.validation_weights):
        if x is not None:
            size = x.flatten(1).square().mean(dim=1) if x.dim() > 1 else x
            parts.append(
                f"{tuple(x.shape)} {float(size.double() @ torch.linspace(1, 2, len(x), dtype=torch.float64)):.5g}"
            )
    return "; ".join(parts)
