"""Weights averaged over the last steps: what is checked, selected and shipped while the last ones go on learning.

Single states of a normalized autoencoder scatter: each step pushes against the chains of that moment. Their running
mean with a memory of 1 / (1 - decay) steps does not, at no cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jetnae.training.state import State

WARM_UP = 10
"""Steps after which the memory is half as long as the steps that there were."""


@torch.no_grad()
def follow(state: State, decay: float, n_steps: int) -> None:
    """Let the mean follow the weights, `n_steps` after it began; without a `decay` there is no mean."""
    if not decay:
        return
    share = min(decay, n_steps / (n_steps + WARM_UP))
    for name, weight in state.model.named_parameters():
        if name in state.average:
            state.average[name].lerp_(weight, 1 - share)
        else:
            state.average[name] = weight.detach().clone()


@contextmanager
def averaged(state: State) -> Iterator[None]:
    """Let the model hold the mean of its weights, where there is one, and the weights themselves again afterwards."""
    weights = {name: each.detach().clone() for name, each in state.model.named_parameters() if name in state.average}
    state.model.load_state_dict(state.average, strict=False)
    try:
        yield
    finally:
        state.model.load_state_dict(weights, strict=False)
