"""The normalized autoencoder: an autoencoder trained so that its reconstruction error is a negative log-density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jetnae.errors import InputError
from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig, Logs
from jetnae.models.langevin import Langevin, replay_starts, run_chain, run_sphere_chain, to_simplex
from jetnae.models.networks import NetworkConfig, sphere_points


@dataclass(frozen=True)
class NaeConfig(AutoencoderConfig):
    """Network, chains and objective of a normalized autoencoder.

    Both chains run on the energy in units of `energy_scale`, the mean energy of the data before normalization
    begins, so that their temperatures are in that unit and the settings carry over to other images.

    latent : chain on the unit sphere of latent vectors.
    visible : chain in the space of the inputs, lengths in units of the typical residual sqrt(D * energy_scale).
    regularization : weight of the squared energy of the negative samples.
    replay_size, replay_ratio : stored latent vectors, and the share of chains that start from them.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    latent: Langevin = field(default_factory=lambda: Langevin(10, 0.02, 0.28, max_gradient=5.0))
    visible: Langevin = field(default_factory=lambda: Langevin(10, 0.0125, 5e-4, max_gradient=2.0))
    regularization: float = 0.1
    replay_size: int = 1000
    replay_ratio: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.replay_ratio <= 1 or not 1 <= self.replay_size <= 1_000_000 or self.regularization < 0:
            raise InputError(
                "model: expected replay_ratio in [0, 1], replay_size in [1, 1000000] and regularization >= 0, found "
                f"{self.replay_ratio}, {self.replay_size} and {self.regularization}"
            )


class NormalizedAutoencoder(Autoencoder):
    """Normalized autoencoder, p(x) = exp(-E(x)/T) / Omega (arXiv:2105.05735, for jets arXiv:2206.14225).

    Its loss gradient is that of the negative log-likelihood, E over data minus E over samples of the model, which
    come from on-manifold initialization: a chain in the latent space, the decoder, a chain in the space of the inputs.
    """

    config: NaeConfig
    energy_scale: Tensor

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: NaeConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.register_buffer("energy_scale", torch.ones(()))
        # part of the training state, not of the weights: nothing that is shipped needs it
        self.replay: Tensor | None = None

    @torch.no_grad()
    def begin(self, energy_data: float, generator: torch.Generator) -> None:
        """Fix the energy scale to the mean energy of the data and fill the replay buffer evenly."""
        self.energy_scale.fill_(max(energy_data, 1e-12))
        self.replay = sphere_points(self.config.replay_size, self.config.network.latent_dim, generator)

    def training_state(self) -> dict[str, Tensor]:
        """The replay buffer, once there is one."""
        return {} if self.replay is None else {"replay": self.replay}

    def load_training_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the replay buffer."""
        self.replay = tensors.get("replay")

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Energy of data minus energy of negative samples, in units of the energy scale, regularized."""
        if self.replay is None:
            raise InputError("the replay buffer is empty: call begin after pretraining")
        starts, slots = replay_starts(
            self.replay,
            len(x),
            self.config.replay_ratio,
            sphere_points(len(x), self.config.network.latent_dim, generator),
            generator,
        )
        negatives, ends = self.negative_samples(starts, generator)
        self.replay[slots] = ends
        scale = self.energy_scale
        # in one pass: a spectral norm follows its weights once per update
        energies = self.energy(torch.cat([x, negatives])) / scale
        data, negative = energies[: len(x)], energies[len(x) :]
        loss = data.mean() - negative.mean() + self.config.regularization * negative.square().mean()
        logs = {
            "energy_data": float(data.detach().mean() * scale),
            "energy_negative": float(negative.detach().mean() * scale),
        }
        return loss, logs

    def negative_samples(
        self, starts: Tensor, generator: torch.Generator, *, latent_rounds: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Inputs (n, *shape) sampled from the model by on-manifold initialization, and their latent vectors.

        `starts` (n, latent_dim) on the sphere begin the latent chain; its ends are decoded and begin the visible
        chain, which for images stays non-negative with the pixel sum of the data (arXiv:2105.05735).
        `latent_rounds` repeats the latent chain, as the replay buffer does over a training.
        """
        ends, fixed = starts, self.frozen()
        for _ in range(latent_rounds):
            ends = run_sphere_chain(
                lambda z: fixed.energy(fixed.decoder(z)) / self.energy_scale, ends, self.config.latent, generator
            )
        with torch.no_grad():
            decoded = fixed.decoder(ends)
        unit = (self.n_values * self.energy_scale).sqrt()
        space = None if self.pixel_sum is None else to_simplex(self.pixel_sum / float(unit))
        start = decoded / unit
        samples = run_chain(
            lambda x: fixed.energy(x * unit) / self.energy_scale,
            start if space is None else space(start),
            self.config.visible,
            generator,
            project=space,
        )
        return samples * unit, ends
