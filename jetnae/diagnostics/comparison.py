"""Where held-out data and negative samples differ: distances beside their floor, and shapes along single axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from jetnae.diagnostics.result import Distances, Marginal, Measured
from jetnae.distances import sliced_distance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from jetnae.diagnostics.result import Values

N_PROJECTIONS, N_REPEATS = 200, 5
N_BINS, OUTSIDE = 40, 0.001
CLOSE = 0.01


def distances(data: Tensor, weight: Tensor, samples: Mapping[str, Tensor], generator: torch.Generator) -> Distances:
    """Distances from data (n, ...) to samples of the model (m, ...), and between two halves of the data.

    All samples have min(n // 2, m) inputs. Each half is drawn from one of two disjoint halves of the data, by
    `weight` (n,) where they differ; the directions are the same for all distances of a division.
    """
    n = min(len(data) // 2, *(len(each) for each in samples.values()))
    found: dict[str, list[float]] = {name: [] for name in ("floor", *samples)}
    for _ in range(N_REPEATS):
        order = torch.randperm(len(data), generator=generator, device=data.device)
        halves = (order[: len(data) // 2], order[len(data) // 2 :])
        first, second = (data[draw_by_weight(half, weight, n, generator)] for half in halves)
        seed = int(torch.randint(2**31, (), generator=generator, device=data.device))
        for name, other in {"floor": second, **samples}.items():
            same = torch.Generator(data.device).manual_seed(seed)
            found[name].append(sliced_distance(first, other[:n], same, n_projections=N_PROJECTIONS))
    center = _weighted_mean(data, weight).expand_as(first)
    width = sliced_distance(first, center, generator, n_projections=N_PROJECTIONS)
    measured = {name: Measured(float(np.mean(each)), float(np.std(each, ddof=1))) for name, each in found.items()}
    floor = measured.pop("floor")
    return Distances(n, N_PROJECTIONS, N_REPEATS, floor, width, measured)


def draw_by_weight(among: Tensor, weight: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """`n` of the indices `among` (k,): at random by their weight, or the first ones where all weights are the same."""
    if bool((weight == weight[0]).all()):
        return among[:n]
    return among[torch.multinomial(weight[among], n, replacement=True, generator=generator)]


def principal_axes(data: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (d,), variances (d,) falling, and axes (d, d) in columns, of data (n, ...), in double precision."""
    flat = data.flatten(1).double()
    mean = _weighted_mean(flat, weight)
    centered = (flat - mean) * (weight.double() / weight.sum()).sqrt()[:, None]
    variances, axes = torch.linalg.eigh(centered.T @ centered)
    return mean, variances.flip(0).clamp_min(0), axes.flip(1)


def pca_energy(data: Tensor, weight: Tensor, n_components: int) -> float | None:
    """Mean squared error per value of as many principal components, fitted to one half of the data, on the other.

    None where there are no more values than components, or too few data.
    """
    half = len(data) // 2
    if data[0].numel() <= n_components or half <= n_components:
        return None
    mean, _, axes = principal_axes(data[:half], weight[:half])
    rest = data[half:].flatten(1).double() - mean
    rest = rest - rest @ axes[:, :n_components] @ axes[:, :n_components].T
    return float((rest.square().mean(dim=1) * weight[half:]).sum() / weight[half:].sum())


def along(
    directions: Tensor, names: Sequence[str], data: Tensor, weight: Tensor, negative: Tensor
) -> tuple[Marginal, ...]:
    """Shapes of data and negative samples along `directions` (d, k), relative to the mean of the data."""
    mean = _weighted_mean(data.flatten(1).double(), weight)
    projected = [((each.flatten(1).double() - mean) @ directions).cpu().numpy().T for each in (data, negative)]
    weights = weight.cpu().numpy() / float(weight.sum())
    total = float((((data.flatten(1).double() - mean).square().sum(dim=1)) * weight).sum() / weight.sum())
    return tuple(
        _marginal(name, of_data, weights, of_negative, total)
        for name, of_data, of_negative in zip(names, *projected, strict=True)
    )


def _marginal(name: str, data: Values, weight: Values, negative: Values, total: float) -> Marginal:
    variance = float((weight * data**2).sum())
    unit = max(variance, 1e-300) ** 0.5
    low, high = np.quantile(np.concatenate([data, negative[np.isfinite(negative)]]), (OUTSIDE, 1 - OUTSIDE))
    edges = np.linspace(low, high if high > low else low + 1, N_BINS + 1)
    grid = (np.arange(len(negative)) + 0.5) / len(negative)
    order = np.argsort(data)
    quantiles = np.interp(grid, np.cumsum(weight[order]) - weight[order] / 2, data[order])
    return Marginal(
        name=name,
        edges=edges,
        data=shares(data, edges, weight),
        negative=shares(negative, edges),
        variance_share=variance / max(total, 1e-300),
        shift=float(negative.mean() / unit),
        width=float(negative.std() / unit),
        distance=float(np.abs(np.sort(negative) - quantiles).mean() / unit),
    )


def shares(values: Values, edges: Values, weight: Values | None = None) -> Values:
    """Share of the values in each bin, those outside in the outer ones; what is not finite is in none."""
    weight = np.full(len(values), 1 / len(values)) if weight is None else weight
    finite = np.isfinite(values)
    counts, _ = np.histogram(np.clip(values[finite], edges[0], edges[-1]), edges, weights=weight[finite])
    return np.asarray(counts)


def repeated_share(data: Tensor, negative: Tensor) -> float:
    """Share of the negative samples with another one closer than `CLOSE` of the median nearest distance in data."""
    n = min(len(data), len(negative))
    usual, found = (_nearest(each[:n]) for each in (data, negative))
    return float((found < CLOSE * usual.median()).double().mean())


def _nearest(values: Tensor) -> Tensor:
    """Distance of each sample to the nearest other one; differences are taken directly, so that copies are at zero."""
    flat = values.flatten(1).double()
    between = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    nearest: Tensor = between.fill_diagonal_(float("inf")).amin(dim=1)
    return nearest


def extent(data: Tensor, weight: Tensor, samples: Tensor) -> float:
    """Root mean square distance of samples from the mean of the data, in that of the data."""
    mean = _weighted_mean(data, weight)
    of_data = ((data - mean).flatten(1).square().sum(dim=1) * weight).sum() / weight.sum()
    return float(((samples - mean).flatten(1).square().sum(dim=1).mean() / of_data).sqrt())


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    mean: Tensor = torch.tensordot(weight.to(values.dtype) / weight.sum(), values, dims=1)
    return mean
