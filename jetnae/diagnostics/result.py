"""What was measured of a model's convergence: numbers only, so that figures and the verdict can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Measured:
    """A number and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class EnergyDistribution:
    """Energies of one sample: their mean, and shares (n_bins,) in bins that all samples share.

    What lies outside is counted in the first and the last bin; n : number of inputs.
    """

    mean: Measured
    n: int
    shares: Values


@dataclass(frozen=True)
class Energies:
    """Energies of held-out data and of fresh chains, those of the usual length and others `length` times as long.

    samples : by name, `data`, `latent_starts` and `latent_ends` (decoded), `negative` (ends of the chains) and
    `negative_long`; their bins have `edges`. ratio, ratio_long : mean energy of the negative samples over that of the
    data. stability : ratio_long over ratio, where the error of the data drops out.
    """

    length: int
    edges: Values
    samples: Mapping[str, EnergyDistribution]
    ratio: Measured
    ratio_long: Measured
    stability: Measured


@dataclass(frozen=True)
class Reconstruction:
    """Mean squared errors per value of reconstructions of held-out data.

    model : None where the model reconstructs nothing. mean_image : of a constant, the mean of the training inputs.
    pca : of `n_components` principal components, fitted to one half of the data and tested on the other; None where
    they would be exact.
    """

    model: float | None
    mean_image: float
    pca: float | None
    n_components: int


@dataclass(frozen=True)
class ChainEnds:
    """How the chains ended.

    at_bounds, at_bounds_long : share of values clamped in the last step; data_at_bounds : of data values that are
    exactly zero. extent : root mean square distance of the samples from the mean of the data, over that of the data,
    the larger of both lengths. repeated : share of the samples that have another one closer than a hundredth of what
    is usual between data. temperatures : effective, of each chain, in the unit of the energy.
    """

    at_bounds: float
    at_bounds_long: float
    data_at_bounds: float
    extent: float
    repeated: float
    temperatures: Mapping[str, float]


@dataclass(frozen=True)
class Distances:
    """Sliced Wasserstein distances, root mean square over random directions, in the unit of the inputs.

    n : inputs in each of the two samples that are compared. floor : between two disjoint halves of held-out data, mean
    and standard deviation over `n_repeats` divisions. data_width : of data from their mean, to see how small the floor
    is. samples : from data to samples of the model, with the standard deviation over the same divisions, by name.
    """

    n: int
    n_projections: int
    n_repeats: int
    floor: Measured
    data_width: float
    samples: Mapping[str, Measured]


@dataclass(frozen=True)
class Marginal:
    """Data and negative samples along one axis: shares of each in bins with `edges`, all else in the outer bins.

    variance_share : of the variance of the data. shift, distance : of the means, and the Wasserstein distance, in
    standard deviations of the data; width : ratio of standard deviations, negative samples over data.
    """

    name: str
    edges: Values
    data: Values
    negative: Values
    variance_share: float
    shift: float
    width: float
    distance: float


@dataclass(frozen=True)
class Latent:
    """Where latent vectors lie on their sphere.

    variances : (dim,) of the latent vectors of the data, along their principal directions, falling. n_dead : how many
    of them have less than a hundredth of what an evenly covered sphere has. data, negative : (n_bins, 2 n_bins) shares
    in cells of equal area in the cosine of the polar angle and the azimuth, None but in three dimensions. occupied :
    share of the cells that hold data.
    """

    variances: Values
    n_dead: int
    data: Values | None = None
    negative: Values | None = None
    occupied: float | None = None


@dataclass(frozen=True)
class Examples:
    """A few images of the data and negative samples, (n, side, side), to four digits."""

    data: Values
    negative: Values


@dataclass(frozen=True)
class History:
    """A training in at most a few hundred points: energies averaged over neighboring steps, NaN where there are none.

    ratio, distance : what was found at `check_steps`, NaN where it was not.
    """

    step: Values
    energy_data: Values
    energy_negative: Values
    check_steps: Values
    ratio: Values
    distance: Values


@dataclass(frozen=True)
class Diagnosis:
    """What a model with a density says about its own convergence, from held-out background and fresh chains.

    model : name. weight_norms : root mean square of each array of weights. latent : None where the model has no
    encoder. components : along the first principal components of the data; features : along each feature, none for
    images; examples : None for features. history : None where there is none beside the model.
    """

    model: str
    energies: Energies
    reconstruction: Reconstruction
    chains: ChainEnds
    weight_norms: Mapping[str, float]
    distances: Distances
    latent: Latent | None
    components: tuple[Marginal, ...]
    features: tuple[Marginal, ...]
    examples: Examples | None
    history: History | None = None
