"""What needs no network: single observables, principal components of images, kernel densities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import gaussian_kde

from analyses.top_qcd.samples import OBSERVABLES, Sample, Values
from analyses.top_qcd.settings import Settings
from jetnae.models.model import energies
from jetnae.models.pca import PcaConfig, PrincipalComponents

DENSITIES = {"kde_mass": ("mass",), "kde_mass_multiplicity": ("mass", "multiplicity")}
"""Kernel densities by name, and of which observables they are."""


@dataclass(frozen=True)
class KernelDensity:
    """A density of observables: a Gaussian for each jet that it was made of, with their covariance times the square of
    Scott's factor n^(-1 / (d + 4)) (D. Scott, Multivariate Density Estimation, 1992, eq. 6.42)."""

    names: tuple[str, ...]
    kernels: gaussian_kde

    def density(self, sample: Sample) -> Values:
        """Density (n,) at the observables of jets, in the inverse of their units."""
        return np.asarray(self.kernels(_columns(sample, self.names)))

    def score(self, sample: Sample) -> Values:
        """Negative logarithm (n,) of the density; where it is too small for a number all jets score the same."""
        return np.asarray(-np.log(np.maximum(self.density(sample), np.finfo(np.float64).tiny)))


def kernel_density(names: tuple[str, ...], sample: Sample, most: int, rng: np.random.Generator) -> KernelDensity:
    """A kernel density of observables of jets, of a random choice of them where there are more than `most`."""
    chosen = sample.take(rng.permutation(len(sample))[:most])
    return KernelDensity(names, gaussian_kde(_columns(chosen, names), bw_method="scott"))


def baseline_scores(training: Sample, measured: dict[str, Sample], settings: Settings) -> dict[str, dict[str, Values]]:
    """Scores (n,) of measuring jets by baseline and class; what learns does so from the jets of `training`."""
    found = {name: {key: getattr(each, name) for key, each in measured.items()} for name in OBSERVABLES}
    images = torch.from_numpy(training.images)
    for n in settings.components:
        model = PrincipalComponents(settings.image.shape, settings.image.pixel_sum, PcaConfig(n))
        model.finish(images)
        with torch.no_grad():
            found[f"pca_{n}"] = {
                key: energies(model.score, torch.from_numpy(each.images)).double().numpy()
                for key, each in measured.items()
            }
    for name, columns in DENSITIES.items():
        density = kernel_density(columns, training, settings.sizes.kernels, np.random.default_rng(1))
        found[name] = {key: density.score(each) for key, each in measured.items()}
    return found


def _columns(sample: Sample, names: tuple[str, ...]) -> Values:
    return np.stack([getattr(sample, name) for name in names])
