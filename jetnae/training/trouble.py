"""What the loop does about what it sees: checks, keeping the best state, going back, beginning anew."""

from __future__ import annotations

import logging
import math
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from jetnae.errors import NotConvergedError
from jetnae.models.chains import Density
from jetnae.models.model import Logs
from jetnae.training.averaging import averaged
from jetnae.training.recovery import (
    MAX_RESTARTS,
    MAX_ROLLBACKS,
    dead_latents,
    is_collapsed,
    stuck_chains,
    unsound,
)
from jetnae.training.selection import Check, measure, preference, weight_norm
from jetnae.training.state import State, initial_state, put_back

if TYPE_CHECKING:
    from jetnae.training.config import TrainConfig
    from jetnae.training.loop import Setup

log = logging.getLogger(__name__)
Finding = Literal["", "collapsed", "lost"]
LOST = "the reconstruction became worse than the mean input"
N_QUICK = 512
"""Held-out inputs of a check while only the reconstruction is trained."""


def watch(state: State, logs: Logs) -> str | None:
    """What is wrong after a step, if something is."""
    wrong = state.record.watch.add(logs.get("energy_data"), logs.get("energy_negative"))
    return unsound(weight_norm(state.model), state.record.norm) or wrong


def roll_back(state: State, reason: str) -> None:
    """Go back to the last good state, with half the learning rate; the generator goes on, so that chance differs.

    Raises `NotConvergedError` after `MAX_ROLLBACKS`.
    """
    record = state.record
    record.rollbacks += 1
    if record.rollbacks > MAX_ROLLBACKS:
        raise NotConvergedError(
            f"training diverged at step {state.step} ({reason}), the {record.rollbacks}th time in spite of half the "
            "learning rate each time: lower learning_rate, or the step sizes of the chains"
        )
    put_back(state, state.good)
    record.factor /= 2
    record.watch, record.share = deepcopy(record.good_watch), record.good_share
    _tell(state, "rollback", f"{reason}: back to the last good state, with {record.factor:g} of the learning rate")


def restart(setup: Setup, state: State) -> State:
    """Begin anew after a collapse, with another seed and half the learning rate.

    Raises `NotConvergedError` after `MAX_RESTARTS`.
    """
    record = state.record
    share = f"{100 * (record.share or 0.0):.0f} % of the error of the mean input"
    if record.attempt >= MAX_RESTARTS:
        raise NotConvergedError(
            f"the reconstruction collapsed at step {state.step} ({share}), in each of {record.attempt + 1} attempts: "
            "lower the learning rate, train longer, or take another network"
        )
    _tell(state, "restart", f"the reconstruction collapsed ({share}): anew with another seed, half the learning rate")
    fresh = initial_state(setup.config, setup.data.spec, setup.device, setup.group, record.attempt + 1)
    fresh.record = replace(
        fresh.record, lines=record.lines, events=record.events, warnings=record.warnings, factor=record.factor / 2
    )
    fresh.seconds_before, fresh.started = state.seconds_before, state.started
    return fresh


def is_check(settings: TrainConfig, step: int) -> bool:
    """Whether the state after a step is checked: every so often, counted in each phase, and where a phase ends."""
    if step <= settings.pretrain_steps:
        return step == settings.pretrain_steps or step % settings.check_every == 0
    return (step - settings.pretrain_steps) % settings.check_every == 0


def check(setup: Setup, state: State) -> tuple[Logs, Finding]:
    """Measure, keep the state as good, and as the best if it is; returns what to log, and what was found."""
    before = state.record.share
    if state.step <= setup.config.train.pretrain_steps:
        share = setup.baseline.share(state.model, setup.checked.first(N_QUICK))
        found = {} if share is None else setup.group.average({"mean_input": share})
    else:
        measured = full_check(setup, state)
        found = measured.numbers()
        rank = rank_of(setup, measured)
        if state.record.rank is None or rank < state.record.rank:
            state.keep_best(measured, rank)
    state.record.share = found.get("mean_input")
    finite = {f"check_{name}": value for name, value in found.items() if math.isfinite(value)}
    finding = _finding(setup, state, before)
    if finding == "" and state.record.watch.quiet and len(finite) == len(found):
        state.keep_good()
    return finite, finding


def full_check(setup: Setup, state: State) -> Check:
    """The check of a state within the phase of the model's own loss, with warnings; the same random numbers always."""
    generator = torch.Generator(setup.device).manual_seed(setup.config.train.seed)
    with averaged(state):
        measured, chains = measure(state.model, setup.checked, generator, step=state.step)
        measured = replace(measured, mean_input=setup.baseline.share(state.model, setup.checked))
        warnings = (
            dead_latents(state.model, setup.checked),
            None if chains is None else stuck_chains(chains, setup.checked),
        )
    for warning in warnings:
        _warn(state, warning)
    return measured.averaged(setup.group.average)


def rank_of(setup: Setup, measured: Check) -> tuple[int, float]:
    """Where a check stands in the rule of selection."""
    settings = setup.config.train
    burned_in = measured.step - settings.pretrain_steps >= settings.burn_in
    return preference(measured, setup.baseline.limit, burned_in=burned_in)


def _finding(setup: Setup, state: State, before: float | None) -> Finding:
    """Whether the reconstruction never came, or is lost while a density is trained."""
    settings, record, limit = setup.config.train, state.record, setup.baseline.limit
    pretraining = state.step <= settings.pretrain_steps
    if not pretraining and isinstance(state.model, Density):
        if record.share is None or record.good_share is None or record.share < limit:
            return ""
        return "lost" if record.good_share < limit or record.share > 2 * record.good_share else ""
    step = state.step if pretraining else state.step - settings.pretrain_steps
    of = settings.pretrain_steps if pretraining else settings.n_steps
    return "collapsed" if is_collapsed(record.share, before, limit, step=step, of=of) else ""


def _warn(state: State, warning: str | None) -> None:
    """Record a warning once, and say it."""
    if warning is not None and warning not in state.record.warnings:
        state.record.warnings.append(warning)
        log.warning("step %d: %s", state.step, warning)


def _tell(state: State, kind: str, text: str) -> None:
    """Record what was done, and say it."""
    state.record.events.append({"kind": kind, "attempt": state.record.attempt, "step": state.step, "text": text})
    log.warning("step %d: %s", state.step, text)
