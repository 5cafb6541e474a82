"""Laws of the replay buffer: the share of replayed starts, and every end in the slot its chain came from."""

from __future__ import annotations

import pytest
import torch

from jetnae.sampling import replay_starts, replay_store


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("ratio", [0.0, 0.8, 1.0])
def test_the_share_of_replayed_starts(ratio: float) -> None:
    n = 5000
    starts, slots = replay_starts(torch.zeros(100, 3), torch.ones(n, 3), ratio, generator())
    share = float((starts[:, 0] == 0).float().mean())
    assert share == pytest.approx(ratio, abs=5 * (ratio * (1 - ratio) / n) ** 0.5)
    # 50 rounds through 100 slots
    assert torch.bincount(slots).tolist() == [50] * 100


def test_a_start_comes_from_its_slot() -> None:
    buffer = torch.randn(30, 4, 4, generator=generator())
    starts, slots = replay_starts(buffer, torch.zeros(20, 4, 4), 1.0, generator(2))
    assert torch.equal(starts, buffer[slots])
    assert len(slots.unique()) == 20


@pytest.mark.parametrize("n", [20, 30, 70])
def test_ends_are_stored_in_their_slots_and_nowhere_else(n: int) -> None:
    buffer = torch.zeros(30, 2)
    ends = torch.arange(1.0, n + 1)[:, None].expand(n, 2)
    _, slots = replay_starts(buffer, ends, 0.5, generator())
    stored = replay_store(buffer, slots, ends)
    kept = min(n, 30)
    assert torch.equal(stored[slots[:kept]], ends[:kept])
    assert int((stored[:, 0] != 0).sum()) == kept
    assert torch.equal(buffer, torch.zeros(30, 2))
