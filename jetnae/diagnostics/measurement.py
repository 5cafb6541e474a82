"""Measure how far a model with a density has converged, on held-out data and with fresh chains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from jetnae.diagnostics.comparison import (
    along,
    distances,
    draw_by_weight,
    extent,
    pca_energy,
    principal_axes,
    repeated_share,
    shares,
)
from jetnae.diagnostics.latent import latent_occupancy
from jetnae.diagnostics.result import (
    ChainEnds,
    Diagnosis,
    Energies,
    EnergyDistribution,
    Examples,
    Marginal,
    Measured,
    Reconstruction,
)
from jetnae.errors import InputError, NotConvergedError
from jetnae.models.chains import Chains, Density
from jetnae.models.model import energies, squared_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from jetnae.diagnostics.result import Values

N_CHAINS, LENGTH = 2000, 4
CHUNK = 1000
"""Chains and reconstructions that are computed at once: bounds memory."""
MOST_DATA, FEWEST_DATA = 10_000, 4
N_COMPONENTS, N_SHOWN, N_EXAMPLES, N_BINS = 10, 6, 8, 50
DECADES = 1e-4


def require_density(model: nn.Module) -> Density:
    """The model, where it has chains to ask; raises `InputError` where it has none."""
    if not isinstance(model, Density):
        raise InputError(
            f"{type(model).__name__} has no density to draw samples from: only models that have, such as nae, converge "
            "in the sense of this check"
        )
    return model


def measure(
    model: Density,
    held_out: Tensor,
    training_mean: Tensor,
    generator: torch.Generator,
    weight: Tensor | None = None,
    *,
    n_chains: int = N_CHAINS,
) -> Diagnosis:
    """Measure the convergence of a model with a density, from background alone.

    held_out : inputs (n, *shape) that were not trained on, at most the first `MOST_DATA` are used; with 2 `n_chains` of
    them the floor of the distance is a few percent of the width of the data. training_mean : (*shape). weight : (n,)
    of the events, all the same where not given; mean energies are weighted, distances are between inputs drawn by
    weight. n_chains : of fresh chains, of each length.

    Raises `InputError` for fewer than `FEWEST_DATA` inputs, and negative weights.
    """
    data = held_out[:MOST_DATA]
    weights = _checked(data, weight)
    once, longer = (_run(model, n_chains, data.shape[1:], generator, length) for length in (1, LENGTH))
    drawn = data[draw_by_weight(torch.arange(len(data), device=data.device), weights, len(data), generator)]
    compared = {"latent_ends": once.latent_ends, "negative": once.samples, "negative_long": longer.samples}
    components, features = _axes(data, weights, once.samples)
    encoder = getattr(model, "encoder", None)
    return Diagnosis(
        model=type(model).__name__,
        energies=_energies(model, data, weights, once, longer),
        reconstruction=Reconstruction(
            model=_reconstruction(model, data, weights),
            mean_image=_weighted(squared_error(data, training_mean), weights),
            pca=pca_energy(data, weights, N_COMPONENTS),
            n_components=N_COMPONENTS,
        ),
        chains=_ends(data, weights, once, longer),
        weight_norms={name: float(each.detach().square().mean().sqrt()) for name, each in model.named_parameters()},
        distances=distances(data, weights, compared, generator),
        latent=None if encoder is None else latent_occupancy(encoder, drawn, once.samples),
        components=components,
        features=features,
        examples=_examples(drawn, once.samples) if data.dim() == 3 else None,
    )


def _energies(model: Density, data: Tensor, weight: Tensor, once: Chains, longer: Chains) -> Energies:
    samples = {
        "data": data,
        "latent_starts": once.starts,
        "latent_ends": once.latent_ends,
        "negative": once.samples,
        "negative_long": longer.samples,
    }
    values = {name: energies(model.energy, each).double().cpu().numpy() for name, each in samples.items()}
    edges = _edges(values)
    of_data = _shares_of(weight)
    equal = {name: np.full(len(each), 1 / len(each)) for name, each in values.items()} | {"data": of_data}
    found = {
        name: EnergyDistribution(_mean(each, equal[name]), len(each), shares(each, edges, equal[name]))
        for name, each in values.items()
    }
    data_mean, mean, mean_long = (found[name].mean for name in ("data", "negative", "negative_long"))
    ratios = (_ratio(mean, data_mean), _ratio(mean_long, data_mean), _ratio(mean_long, mean))
    return Energies(LENGTH, edges, found, *ratios)


def _ends(data: Tensor, weight: Tensor, once: Chains, longer: Chains) -> ChainEnds:
    return ChainEnds(
        at_bounds=once.at_bounds,
        at_bounds_long=longer.at_bounds,
        data_at_bounds=float((data == 0).double().mean()) if data.dim() == 3 else 0.0,
        extent=max(extent(data, weight, each.samples) for each in (once, longer)),
        repeated=repeated_share(data, once.samples),
        temperatures=dict(once.temperatures),
    )


def _checked(data: Tensor, weight: Tensor | None) -> Tensor:
    """Weights of the data; raises `InputError` for those that cannot be drawn by, and for too few data."""
    if len(data) < FEWEST_DATA:
        raise InputError(f"{len(data)} held-out inputs, expected at least {FEWEST_DATA}: hold out more, or give a file")
    if weight is None:
        return torch.ones(len(data), device=data.device)
    weight = weight[: len(data)]
    if weight.shape != (len(data),) or not bool((weight >= 0).all()) or not 0 < float(weight.sum()) < math.inf:
        raise InputError("weights of held-out inputs: expected one for each, finite, none negative and not all zero")
    return weight


def _run(model: Density, n: int, shape: torch.Size, generator: torch.Generator, length: int) -> Chains:
    """Fresh chains in parts that bound memory, as one."""
    sizes = [min(CHUNK, n - first) for first in range(0, n, CHUNK)]
    try:
        parts = [model.chains(size, generator, length=length) for size in sizes]
    except NotConvergedError:  # the verdict says so
        nowhere = torch.full((n, *shape), math.nan, device=generator.device)
        return Chains(nowhere, nowhere, nowhere)
    return Chains(
        starts=torch.cat([each.starts for each in parts]),
        latent_ends=torch.cat([each.latent_ends for each in parts]),
        samples=torch.cat([each.samples for each in parts]),
        at_bounds=sum(each.at_bounds * size for each, size in zip(parts, sizes, strict=True)) / n,
        temperatures=parts[0].temperatures,
    )


@torch.no_grad()
def _reconstruction(model: Density, data: Tensor, weight: Tensor) -> float | None:
    """Mean squared reconstruction error per value, None where the model reconstructs nothing."""
    reconstruct = getattr(model, "reconstruct", None)
    if reconstruct is None:
        return None
    parts = [squared_error(part, reconstruct(part)) for part in torch.split(data, CHUNK)]
    return _weighted(torch.cat(parts), weight)


def _axes(data: Tensor, weight: Tensor, negative: Tensor) -> tuple[tuple[Marginal, ...], tuple[Marginal, ...]]:
    """Shapes along the first principal components, and along each feature."""
    _, _, axes = principal_axes(data, weight)
    names = [f"Component {i + 1}" for i in range(min(N_SHOWN, axes.shape[1]))]
    components = along(axes[:, : len(names)], names, data, weight, negative)
    if data.dim() == 3:
        return components, ()
    names = [f"Feature {i + 1}" for i in range(data.shape[1])]
    each = torch.eye(data.shape[1], dtype=torch.float64, device=data.device)
    return components, along(each, names, data, weight, negative)


def _edges(found: Mapping[str, Values]) -> Values:
    """Bins that hold nearly all energies of data and negative samples, of equal ratio where none is negative."""
    values = np.concatenate([found[name] for name in ("data", "latent_ends", "negative")])
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, (0.001, 0.999)) if len(finite) else (0.0, 1.0)
    if not low < high:
        return np.linspace(low - 0.5, low + 0.5, N_BINS + 1)
    return np.linspace(low, high, N_BINS + 1) if low < 0 else np.geomspace(max(low, DECADES * high), high, N_BINS + 1)


def _shares_of(weight: Tensor) -> Values:
    return np.asarray((weight.double() / weight.sum()).cpu().numpy())


def _mean(values: Values, share: Values) -> Measured:
    """Weighted mean and its standard error, NaN where one value is not finite."""
    if not np.isfinite(values).all():
        return Measured(math.nan, math.nan)
    mean = float((share * values).sum())
    return Measured(mean, float((share**2 * (values - mean) ** 2).sum() ** 0.5))


def _ratio(above: Measured, below: Measured) -> Measured:
    if not below.value or not above.value:
        return Measured(math.nan, math.nan)
    ratio = above.value / below.value
    return Measured(ratio, abs(ratio) * math.hypot(above.error / above.value, below.error / below.value))


def _weighted(values: Tensor, weight: Tensor) -> float:
    return float((values * weight).sum() / weight.sum())


def _examples(data: Tensor, negative: Tensor) -> Examples:
    """The first few of each, to four digits: enough to draw, and a quarter of the file."""

    def rounded(images: Tensor) -> Values:
        digits = np.asarray(images[:N_EXAMPLES].double().cpu().numpy())
        return np.array([float(f"{value:.4g}") for value in digits.flat]).reshape(digits.shape)

    return Examples(rounded(data), rounded(negative))
