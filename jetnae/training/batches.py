"""Drawing training inputs with probability proportional to their event weight."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inputs:
    """Inputs (n, *shape) on the device, to be drawn from; `cumulative` (n,) sums of weights, None for equal ones."""

    x: Tensor
    weights: Tensor | None = None
    cumulative: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` inputs with replacement, each with probability proportional to its weight."""
        return self.x[self._index(n, generator)]

    def draw_at_most(self, n: int, generator: torch.Generator) -> Tensor:
        """All inputs where they are no more than `n` and count the same; otherwise as `draw`, at most as many."""
        if self.cumulative is None and len(self) <= n:
            return self.x
        return self.draw(min(n, len(self)), generator)

    @property
    def n_effective(self) -> float:
        """Inputs of equal weight with the same relative error: (sum w)^2 / sum w^2."""
        return float(len(self)) if self.weights is None else effective(self.weights)

    def mean(self, values: Tensor) -> tuple[float, float]:
        """Weighted mean of values (n,) and its error from the effective number of inputs; NaN for one input."""
        w = torch.ones(len(values)) if self.weights is None else self.weights[: len(values)].cpu()
        v = values.double().cpu()
        w = w.double() / w.double().sum()
        mean = (w * v).sum()
        n = effective(w)
        variance = (w * (v - mean).square()).sum() / (n - 1) if n > 1 else torch.tensor(float("nan"))
        return float(mean), float(variance.sqrt())

    def first(self, n: int) -> Inputs:
        """The first `n` inputs: a random share, since they come shuffled."""
        return make_inputs(self.x[:n], None if self.weights is None else self.weights[:n])

    def _index(self, n: int, generator: torch.Generator) -> Tensor:
        device = self.x.device
        if self.cumulative is None:
            return torch.randint(len(self), (n,), generator=generator, device=device)
        uniform = torch.rand(n, generator=generator, device=device, dtype=torch.float64)
        index = torch.searchsorted(self.cumulative, uniform * self.cumulative[-1], right=True)
        return index.clamp_max(len(self) - 1)


def make_inputs(x: Tensor, weights: Tensor | None) -> Inputs:
    """Inputs (n, *shape) to be drawn by weights (n,); equal weights, or none, give every input the same chance."""
    if weights is None or bool((weights == weights[0]).all()):
        return Inputs(x)
    weights = weights.to(x.device, torch.float64)
    return Inputs(x, weights, weights.cumsum(0))


def effective(weights: Tensor) -> float:
    """Effective number of weighted inputs."""
    w = weights.double()
    return float(w.sum().square() / w.square().sum())
