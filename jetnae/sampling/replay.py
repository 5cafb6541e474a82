"""Replay buffer: where the chains of earlier steps ended, as one tensor on the device of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def replay_starts(
    buffer: Tensor, fresh: Tensor, replay_ratio: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Chain starts (n, ...) drawn from `buffer` (size, ...) with probability `replay_ratio`, else `fresh` (n, ...).

    Also returns the slots (n,) that the ends of the chains belong into, see `replay_store`. No slot is drawn twice
    before all were drawn once.
    """
    n, size = len(fresh), len(buffer)
    rounds = [torch.randperm(size, generator=generator, device=buffer.device) for _ in range(-(-n // size))]
    slots = torch.cat(rounds)[:n]
    replayed = torch.rand(n, generator=generator, device=buffer.device) < replay_ratio
    return torch.where(replayed.view(-1, *[1] * (fresh.dim() - 1)), buffer[slots], fresh), slots


def replay_store(buffer: Tensor, slots: Tensor, ends: Tensor) -> Tensor:
    """The buffer (size, ...) with the ends of chains (n, ...) in their slots; of more than `size` chains, the first."""
    size = len(buffer)
    return buffer.index_copy(0, slots[:size], ends[:size].detach())
