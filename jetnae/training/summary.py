"""The end of a training: the state that is kept, and what the header of the model says of it."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from jetnae.checkpoint import FORMAT_VERSION, Header
from jetnae.inputs import kind_of
from jetnae.training.selection import FINAL_CHAINS, FINAL_LENGTH, Check, measure
from jetnae.training.trouble import full_check, is_check, rank_of
from jetnae.version import __version__

if TYPE_CHECKING:
    from jetnae.models import Model
    from jetnae.training.loop import Setup
    from jetnae.training.state import State

N_FINISH = 50_000
"""Training inputs that a model sees when it is finished."""


def finish(setup: Setup, state: State) -> dict[str, Any]:
    """Let the model hold what was selected, finish it, and measure it on held-out background; returns a summary.

    Random numbers come from generators of their own: a training that goes on later does not notice.
    """
    qualified = _select(setup, state)
    generator = torch.Generator(setup.device).manual_seed(setup.config.train.seed)
    if not setup.config.train.n_steps:  # nothing was normalized, but chains need their scales
        state.model.begin(setup.training.draw_at_most(N_FINISH, generator), generator)
    state.model.finish(setup.training.draw_at_most(N_FINISH, generator))
    measured, chains = measure(
        state.model, setup.held_out, generator, step=state.step, chains=(FINAL_CHAINS, FINAL_LENGTH)
    )
    measured = measured.averaged(setup.group.average)
    constant = (setup.held_out.x - setup.baseline.mean).square().flatten(1).mean(dim=1)
    summary: dict[str, Any] = {
        "steps": float(state.step),
        "n_training": float(len(setup.training)),
        "seconds": state.seconds,
        "energy_data": measured.energy_data,
        "energy_mean_image": setup.held_out.mean(constant)[0],
        **_selected(state.best_check, qualified),
        "attempts": state.record.attempt + 1,
        "rollbacks": state.record.rollbacks,
        "events": state.record.events,
        "warnings": state.record.warnings,
    }
    if setup.training.weights is not None:
        effective = {"n_effective": setup.training.n_effective, "n_effective_held_out": setup.held_out.n_effective}
        summary |= effective
    if chains is None:
        return summary
    return summary | _chain_numbers(measured, state.model, chains.temperatures)


def _select(setup: Setup, state: State) -> bool:
    """Compare the last state with the best before it, and put the better one into the model; whether it qualifies."""
    settings = setup.config.train
    if state.step > settings.pretrain_steps and not is_check(settings, state.step):
        measured = full_check(setup, state)
        rank = rank_of(setup, measured)
        if state.record.rank is None or rank < state.record.rank:
            state.keep_best(measured, rank)
    if state.best:
        state.model.load_state_dict(state.best)
    qualified = state.record.rank is not None and state.record.rank[0] == 0
    if state.best and not qualified:
        state.record.warnings.append("no checked state qualified: the one nearest to it was taken")
    return qualified


def _selected(check: Check | None, qualified: bool) -> dict[str, Any]:
    return {} if check is None else {"selected": {"step": check.step, "qualified": qualified, **check.numbers()}}


def _chain_numbers(measured: Check, model: Model, temperatures: Any) -> dict[str, float]:
    """What long fresh chains say; temperatures in units of the energy scale of the model, where it has one."""
    scale = float(getattr(model, "energy_scale", 1.0))
    named = {"energy_negative": "energy_negative", "ratio": "energy_ratio", "distance": "distance"}
    return {
        **{name: measured.numbers()[key] for key, name in named.items()},
        "energy_ratio_error": measured.ratio_error,
        **{f"temperature_{name}": value / scale for name, value in temperatures.items()},
    }


def header_of(name: str, setup: Setup, summary: dict[str, Any]) -> Header:
    """The header of a model that was trained; with what it was trained on, and how it went."""
    config, data = setup.config, setup.data
    return Header(
        format_version=FORMAT_VERSION,
        kind="checkpoint",
        name=name,
        model=config.model["name"],
        config={key: value for key, value in config.model.items() if key != "name"},
        validity=data.validity,
        layout=data.layout,
        **{kind_of(data.spec): data.spec},  # type: ignore[arg-type]
        training={"config": asdict(config), "files": dict(data.files), **data.notes, **summary},
        provenance={
            "jetnae": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            **({} if setup.group.size == 1 else {"processes": str(setup.group.size)}),
        },
    )
