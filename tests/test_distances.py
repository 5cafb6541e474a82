"""Laws of distances between samples."""

from __future__ import annotations

import pytest
import torch

from jetnae.distances import sliced_wasserstein
from jetnae.errors import InputError


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_shift_is_as_far_as_its_mean_square_over_directions() -> None:
    a, shift = torch.randn(500, 4, generator=generator()), torch.tensor([3.0, 0.0, 0.0, 4.0])
    found = float(sliced_wasserstein(a, a + shift, generator(2), n_projections=20_000))
    assert found == pytest.approx(5 / 4**0.5, rel=0.02)  # the mean of (shift . direction)^2 is |shift|^2 / D


def test_order_of_jets_and_of_samples_does_not_matter() -> None:
    a, b = torch.randn(2, 50, 3, generator=generator()).unbind()
    forth, back, mixed = (
        float(sliced_wasserstein(*pair, generator(2), n_projections=30))
        for pair in ((a, b), (b, a), (a.flip(0), b.roll(7, 0)))
    )
    assert forth == pytest.approx(back)
    assert forth == pytest.approx(mixed)
    assert float(sliced_wasserstein(a, a.flip(0), generator(), n_projections=30)) == 0


def test_samples_of_different_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="expected the same"):
        sliced_wasserstein(torch.zeros(3, 2), torch.zeros(4, 2), generator(), n_projections=2)
