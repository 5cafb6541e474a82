"""Distances between two samples, differentiable in both: how far are negative samples from data?

All transport costs are squared Euclidean distances, in squared units of the values. Samples are (n, ...) and (m, ...)
with the same shape of one entry; everything beyond the first axis is flattened. Entries count equally.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from jetnae.errors import InputError, MissingExtraError, NotConvergedError

Distance = Callable[[Tensor, Tensor], Tensor]
"""Maps samples (n, ...) and (m, ...) to a scalar."""
MAX_PAIRS = 100_000_000


def sliced_wasserstein(
    a: Tensor, b: Tensor, generator: torch.Generator, *, n_projections: int = 100, order: int = 2
) -> Tensor:
    """Sliced Wasserstein distance to the power of its order: the mean over random directions of int |Qa - Qb|^order.

    Qa and Qb are the quantile functions of the projections, which also compare samples of unequal size exactly. Of two
    Gaussians in D dimensions shifted by d, order 2 gives |d|^2 / D. Raises `InputError` for samples that do not fit.
    """
    a, b = _flat(a, b)
    if n_projections < 1 or order < 1:
        raise InputError(f"sliced_wasserstein: n_projections {n_projections}, order {order}, expected at least 1")
    directions = torch.randn(a.shape[1], n_projections, generator=generator, device=a.device, dtype=a.dtype)
    directions = directions / directions.norm(dim=0)
    low, high = (a @ directions).sort(dim=0).values, (b @ directions).sort(dim=0).values
    index_a, index_b, share = _common_quantiles(len(a), len(b), a.device)
    steps = (low[index_a] - high[index_b]).abs() ** order
    means: Tensor = (share.to(a.dtype)[:, None] * steps).sum(dim=0)
    return means.mean()


def sliced_distance(a: Tensor, b: Tensor, generator: torch.Generator, *, n_projections: int = 200) -> float:
    """Root of the sliced Wasserstein distance of order 2, in the unit of the values: how far apart samples are."""
    return float(sliced_wasserstein(a, b, generator, n_projections=n_projections).sqrt())


def _common_quantiles(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Pieces on which the quantile functions of n and of m values are both constant: their indices and lengths."""
    if n == m:
        index = torch.arange(n, device=device)
        return index, index, torch.full((n,), 1 / n, dtype=torch.float64, device=device)
    # quantiles in units of 1 / (n m), so that the common ones are found exactly
    edges = torch.unique(torch.cat([torch.arange(n, device=device) * m, torch.arange(m, device=device) * n]))
    ends = torch.cat([edges[1:], edges.new_tensor([n * m])])
    return edges // m, edges // n, (ends - edges).double() / (n * m)


def exact(a: Tensor, b: Tensor) -> Tensor:
    """Squared Wasserstein distance of the two samples: the cost of the best transport plan (needs POT).

    The gradient is that of the cost under the best plan, exact wherever that plan is unique. Two samples of one
    distribution are at a distance above 0 (see `floor`). Raises `InputError` for samples that do not fit,
    `MissingExtraError` without POT, and `NotConvergedError` when no plan is found.
    """
    a, b = _flat(a, b)
    try:
        import ot
    except ModuleNotFoundError as error:
        raise MissingExtraError("exact transport needs POT: install it with pip install 'jetnae[transport]'") from error
    cost = _cost(a, b)
    plan, log = ot.emd([], [], cost.detach().double().cpu().numpy(), numItermax=10_000_000, log=True)
    if log["warning"] is not None:
        raise NotConvergedError(f"exact transport between {len(a)} and {len(b)} entries: {log['warning']}")
    total: Tensor = (torch.as_tensor(plan, dtype=cost.dtype, device=cost.device) * cost).sum()
    return total


def sinkhorn(
    a: Tensor, b: Tensor, *, blur: float = 0.1, n_iterations: int = 100, length: float | None = None
) -> Tensor:
    """Debiased Sinkhorn divergence OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2 of entropic transport (arXiv:1810.08278).

    Goes to the squared Wasserstein distance as `blur` goes to 0; 0 for equal samples. `blur` is in units of `length`,
    by default the root mean squared distance between the samples, and (blur * length)^2 is the weight of the entropy.
    The first half of the iterations approaches it from above: without that, hundreds would not suffice. The gradient is
    the exact one at convergence. Raises `InputError` for samples that do not
    fit or a blur that is not positive.
    """
    a, b = _flat(a, b)
    if blur <= 0 or n_iterations < 1:
        raise InputError(f"sinkhorn: blur = {blur}, n_iterations = {n_iterations}, expected positive numbers")
    scale = float(_cost(a.detach(), b.detach()).mean()) if length is None else length**2
    if scale == 0:
        return _cost(a, b).mean()
    return _divergence(a, b, _entropies(scale, blur**2 * scale, n_iterations))


def _entropies(first: float, last: float, n_iterations: int) -> list[float]:
    """Weights of the entropy: geometrically from `first` to `last` in half of the iterations, then constant."""
    ratio = (last / first) ** (2 / n_iterations)
    return [max(last, first * ratio**i) for i in range(n_iterations - 1)] + [last]


def _divergence(a: Tensor, b: Tensor, entropies: list[float]) -> Tensor:
    epsilon = entropies[-1]
    with torch.no_grad():
        f, g = _potentials(_cost(a, b), entropies)
        f_self = _own_potential(_cost(a, a), entropies)
        g_self = _own_potential(_cost(b, b), entropies)
    still_a, still_b = a.detach(), b.detach()
    of_a = _soft_minimum(_cost(a, still_b), g, epsilon) - _soft_minimum(_cost(a, still_a), f_self, epsilon)
    of_b = _soft_minimum(_cost(b, still_a), f, epsilon) - _soft_minimum(_cost(b, still_b), g_self, epsilon)
    return of_a.mean() + of_b.mean()


def _potentials(cost: Tensor, entropies: list[float]) -> tuple[Tensor, Tensor]:
    """Both dual potentials; both are updated at once and by half, which treats the samples alike and converges."""
    f, g = torch.zeros_like(cost[:, 0]), torch.zeros_like(cost[0])
    for at in entropies:
        f, g = (f + _soft_minimum(cost, g, at)) / 2, (g + _soft_minimum(cost.T, f, at)) / 2
    return f, g


def _own_potential(cost: Tensor, entropies: list[float]) -> Tensor:
    f = torch.zeros_like(cost[0])
    for at in entropies:
        f = (f + _soft_minimum(cost, f, at)) / 2
    return f


def _soft_minimum(cost: Tensor, potential: Tensor, epsilon: float) -> Tensor:
    """-epsilon log mean_j exp((potential_j - cost_ij) / epsilon), (n,)."""
    n = torch.tensor(float(cost.shape[1]), dtype=cost.dtype, device=cost.device)
    return -epsilon * (torch.logsumexp((potential - cost) / epsilon, dim=1) - n.log())


def mmd(a: Tensor, b: Tensor, *, bandwidth: float | None = None) -> Tensor:
    """Squared maximum mean discrepancy with the kernel exp(-|x - y|^2 / (2 h^2)): 0 for equal samples, never negative.

    The bandwidth h is in units of the values; by default the median distance between the samples. Two samples of one
    distribution are at a distance of about 1/n + 1/m. Raises `InputError` for samples that do not fit.
    """
    a, b = _flat(a, b)
    between = _cost(a, b)
    square = float(between.detach().median()) if bandwidth is None else bandwidth**2
    if square <= 0:
        raise InputError("mmd: more than half of the entries coincide, expected a bandwidth above 0")
    kernels = [torch.exp(-cost / (2 * square)).mean() for cost in (_cost(a, a), _cost(b, b), between)]
    return kernels[0] + kernels[1] - 2 * kernels[2]


@dataclass(frozen=True)
class Floor:
    """Distance between disjoint samples of the data themselves: what a perfect model of them would have.

    mean, std : over repetitions, of a single measurement. n : entries in each of the two samples.
    """

    mean: float
    std: float
    n: int


@torch.no_grad()
def floor(data: Tensor, generator: torch.Generator, n: int, distance: Distance, *, n_repeats: int = 10) -> Floor:
    """Distance of two disjoint samples of `n` entries each, drawn from the data (m, ...) with m >= 2 n.

    Repetitions share entries where the data are few, so that the spread is somewhat too small there. Raises
    `InputError` where the data do not suffice.
    """
    if n < 1 or n_repeats < 2 or 2 * n > len(data):
        raise InputError(
            f"floor: two samples of {n} from {len(data)} entries, {n_repeats} times: expected at most half"
        )
    found = []
    for _ in range(n_repeats):
        index = torch.randperm(len(data), generator=generator, device=data.device)
        found.append(float(distance(data[index[:n]], data[index[n : 2 * n]])))
    values = torch.tensor(found, dtype=torch.float64)
    return Floor(float(values.mean()), float(values.std()), n)


def _cost(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (n, m); computed around the mean of `b`, where rounding is smallest."""
    center = b.detach().mean(dim=0)
    a, b = a - center, b - center
    return (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * a @ b.T).clamp_min(0)


def _flat(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.dim() < 2 or a.shape[1:] != b.shape[1:] or min(len(a), len(b)) == 0:
        raise InputError(f"samples of shapes {tuple(a.shape)} and {tuple(b.shape)}, expected (n, ...) and (m, ...)")
    if len(a) * len(b) > MAX_PAIRS:
        raise InputError(f"{len(a)} times {len(b)} pairs of entries, expected at most {MAX_PAIRS}: compare fewer")
    return a.flatten(1), b.flatten(1)
