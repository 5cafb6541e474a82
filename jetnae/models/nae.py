"""The normalized autoencoder: an autoencoder trained so that its reconstruction error is a negative log-density."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from jetnae.errors import InputError
from jetnae.models.autoencoder import Autoencoder, FrozenAutoencoder
from jetnae.models.chains import Chains
from jetnae.models.latent_density import FrozenNormalized, LatentDensity
from jetnae.models.limit import first_multiplier, held
from jetnae.models.model import Logs, squared_error
from jetnae.models.nae_config import NaeConfig
from jetnae.models.negatives import FeatureSampler, ImageSampler, Sampler
from jetnae.models.networks import frozen
from jetnae.sampling import Bounds, replay_starts, replay_store, sphere_points

TEMPERATURE_RATE = 10.0
"""How much faster than a weight the logarithm of the temperature learns."""
MARGIN = 1.1
ROUNDS = 10
"""Latent steps of a fresh chain, in those of one step of training."""


class NormalizedAutoencoder(Autoencoder):
    """Normalized autoencoder, p(x) = exp(-E(x)/T) / Omega (arXiv:2105.05735, for jets arXiv:2206.14225).

    Its loss gradient is that of the negative log-likelihood, E over data minus E over samples of the model, divided by
    T. By default the samples come from on-manifold initialization: latent vectors, the decoder, a chain in the space of
    the inputs.

    The published energy is the reconstruction error alone, which can give the right weight to the regions of the latent
    space only by reconstructing some of them badly. With a latent density U, E(x) = |x - f_d(f_e(x))|^2 / D +
    T U(f_e(x)): the mixture says where the data are, the reconstruction error how far an input is from all of that, and
    on the manifold p is close to exp(-U), whose norm and samples are exact. U is fitted where normalization begins, and
    goes on learning with everything else.
    """

    config: NaeConfig
    energy_scale: Tensor
    bounds: Tensor

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: NaeConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.register_buffer("energy_scale", torch.ones(()))
        density = config.latent_density
        self.latent_density = None if density is None else LatentDensity(config.network.latent_dim, density)
        if self.of_features:
            self.register_buffer("bounds", torch.zeros(2))
            if config.features.temperature is None:
                self.log_temperature = nn.Parameter(torch.zeros(()))
        # part of the training state, not of the weights: nothing that is shipped needs it
        self.replay: Tensor | None = None
        self.multiplier = first_multiplier()

    @property
    def of_features(self) -> bool:
        """Whether the inputs are feature vectors, not images."""
        return len(self.shape) == 1

    def energy(self, x: Tensor) -> Tensor:
        """Reconstruction error per value (n,) of inputs (n, *shape), plus T times that of their latent vectors."""
        error, latent = self._terms(x)
        return error + latent

    def _terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both terms (n,) of the energy of inputs (n, *shape)."""
        z: Tensor = self.encoder(x)
        error = squared_error(x, self.decoder(z))
        return error, torch.zeros_like(error) if self.latent_density is None else self._unit * self.latent_density(z)

    def pretrain_loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """The reconstruction error, and how far latent vectors are from where they come back to."""
        z: Tensor = self.encoder(x)
        error = squared_error(x, self.decoder(z)).mean()
        logs = {"energy_data": float(error.detach())}
        if self.latent_density is None:
            return error, logs
        return error + self.latent_density.folding(self.encoder, self.decoder, x, z, generator=generator), logs

    @torch.no_grad()
    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """Fix the energy scale to the mean reconstruction error of inputs (n, *shape), and all that follows from it.

        Feature vectors: their bounds, and where the temperature is learned, its first value T = 2 E / (D - d) by
        equipartition over the D - d directions across a manifold of d dimensions. Others: the replay buffer.
        """
        errors = torch.cat([squared_error(batch, self.reconstruct(batch)) for batch in torch.split(x, 1024)])
        self.energy_scale.fill_(errors.mean().clamp_min(1e-12))
        if self.latent_density is not None:
            self.latent_density.fit(torch.cat([self.encoder(batch) for batch in torch.split(x, 1024)]), generator)
        if self.of_features:
            low, high = self.config.features.bounds or (-MARGIN * float(x.abs().max()), MARGIN * float(x.abs().max()))
            self.bounds.copy_(torch.tensor([low, high]))
            if self.config.features.temperature is None:
                n_across = max(self.n_values - self.config.network.latent_dim + 1, 1)
                self.log_temperature.fill_(math.log(2 / n_across) / TEMPERATURE_RATE)
        if self.config.start == "persistent":
            self.replay = self.sampler().anywhere(self.config.replay_size, generator)
        elif self._stores_latent_vectors:
            self.replay = self.sampler().fresh(self.config.replay_size, generator)

    def training_state(self) -> dict[str, Tensor]:
        """The replay buffer, once there is one, and the multiplier where there is a limit."""
        held = {} if self.config.error_limit is None else {"multiplier": self.multiplier}
        return held if self.replay is None else {"replay": self.replay, **held}

    def load_training_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the replay buffer and the multiplier."""
        self.replay = tensors.get("replay")
        self.multiplier = tensors.get("multiplier", self.multiplier)

    def temperature(self) -> Tensor:
        """Temperature of the model's density, in the unit of the energy; of images that of their visible chain."""
        if not self.of_features:
            return self.energy_scale * self.config.visible.temperature
        stated = self.config.features.temperature
        if stated is not None:
            return self.energy_scale * stated
        return self.energy_scale * (TEMPERATURE_RATE * self.log_temperature).exp()

    @property
    def _unit(self) -> Tensor:
        """What an energy of 1 of the latent density is worth: the temperature of the latent chain."""
        if self.of_features:
            return self.temperature()
        return self.energy_scale * (self.config.walk or self.config.latent).temperature

    def frozen(self) -> FrozenAutoencoder:
        """This model with its weights as they are now; anew after every update."""
        plain = super().frozen()
        if self.latent_density is None:
            return plain
        density = frozen(self.latent_density)
        return FrozenNormalized(plain.encoder, plain.decoder, density, float(self._unit.detach()))

    def sampler(self) -> Sampler:
        """What draws negative samples from the present weights."""
        config, scale, fixed = self.config, float(self.energy_scale), self.frozen()
        latent_dim = config.network.latent_dim
        if not self.of_features:
            return ImageSampler(
                fixed.energy,
                fixed.decoder,
                scale,
                self.shape,
                self.pixel_sum,
                self._fresh,
                settings=config,
            )
        if not bool(self.bounds[0] < self.bounds[1]):
            raise InputError("the bounds of the features are not set: call begin after pretraining")
        bounds = Bounds(float(self.bounds[0]), float(self.bounds[1]))
        temperature = float(self.temperature().detach())
        return FeatureSampler(
            fixed.energy, fixed.decoder, temperature, self.n_values, latent_dim, bounds, settings=config.features
        )

    def _fresh(self, n: int, generator: torch.Generator) -> Tensor:
        """Latent vectors to start from: those of the latent density, else spread evenly."""
        if self.latent_density is not None:
            return self.latent_density.sample(n, generator)
        return sphere_points(n, self.config.network.latent_dim, generator)

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Energy of data minus energy of negative samples drawn for them, regularized."""
        loss, logs = self.objective(x, self.draw(x, generator))
        if self.latent_density is not None:
            with torch.no_grad():
                z = self.encoder(x)
            folding = self.latent_density.folding(self.encoder, self.decoder, x, z, generator=generator)
            loss = loss + folding / self.energy_scale
        return loss, logs

    def objective(self, x: Tensor, negatives: Tensor) -> tuple[Tensor, Logs]:
        """Energy of data minus energy of negative samples, regularized.

        For features divided by the temperature, so that its gradient is that of the negative log-likelihood in the
        weights and in the temperature; for images in units of the energy scale.
        """
        # in one pass: a spectral norm follows its weights once per update
        errors, latent = self._terms(torch.cat([x, negatives]))
        energies, scale = errors + latent, self.energy_scale
        data, negative = energies[: len(x)], energies[len(x) :]
        weight = self.config.regularization
        if weight is None:
            weight = 0.0 if self.of_features or self.latent_density is not None else 0.1
        unit = self.temperature() if self.of_features else scale
        loss = (data.mean() - negative.mean()) / unit + weight * (negative / scale).square().mean()
        logs = {"energy_data": float(data.detach().mean()), "energy_negative": float(negative.detach().mean())}
        if self.config.error_limit is not None:
            logs["multiplier"] = float(self.multiplier)
            cost, self.multiplier = held(errors[: len(x)].mean() / scale, self.config.error_limit, self.multiplier)
            loss = loss + cost
        return loss, logs | ({"temperature": float(unit.detach())} if self.of_features else {})

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Negative samples (n, *shape), as many as there are data `x`; their chains go on from the replay buffer."""
        sampler, n = self.sampler(), len(x)
        if self.config.start == "contrastive":
            return sampler.visible(x, generator)
        if self.config.start == "on_manifold" and not self._stores_latent_vectors:
            return self.negative_samples(sampler.fresh(n, generator), generator)[0]
        if self.replay is None:
            raise InputError("the replay buffer is empty: call begin after pretraining")
        persistent = self.config.start == "persistent"
        fresh = sampler.anywhere(n, generator) if persistent else sampler.fresh(n, generator)
        starts, slots = replay_starts(self.replay, fresh, self.config.replay_ratio, generator)
        if persistent:
            negatives = ends = sampler.visible(starts, generator)
        else:
            negatives, ends = self.negative_samples(starts, generator)
        self.replay = replay_store(self.replay, slots, ends)
        return negatives

    def negative_samples(
        self, starts: Tensor, generator: torch.Generator, *, latent_rounds: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Inputs (n, *shape) sampled from the model by on-manifold initialization, and their latent vectors.

        `starts` (n, latent_dim) on the sphere begin the latent chain; its ends are decoded and begin the visible
        chain (arXiv:2105.05735). `latent_rounds` makes the latent chain longer, as the replay buffer does over a
        training.
        """
        sampler = self.sampler()
        ends = sampler.latent(starts, generator, length=latent_rounds)
        return sampler.visible(self._decoded(ends), generator), ends

    def chains(self, n: int, generator: torch.Generator, *, length: int = 1) -> Chains:
        """`n` fresh chains, all of `length` times the usual number of steps.

        Latent chains that go on from a replay buffer in training start anew here, and are `ROUNDS` times as long, so
        that their start is forgotten.
        """
        sampler = self.sampler()
        if self.config.start == "on_manifold":
            first = sampler.fresh(n, generator)
            rounds = length * (ROUNDS if self._stores_latent_vectors else 1)
            starts, ends = self._decoded(first), self._decoded(sampler.latent(first, generator, length=rounds))
        else:
            starts = ends = sampler.anywhere(n, generator)
        samples = sampler.visible(ends, generator, length=length)
        temperatures = sampler.temperatures
        if self.config.start != "on_manifold":
            temperatures = {"visible": temperatures["visible"]}
        return Chains(starts, ends, samples, sampler.at_bounds(samples), temperatures)

    @property
    def _stores_latent_vectors(self) -> bool:
        """Latent vectors of features are drawn anew by importance: no chain has to remember them."""
        return self.config.start == "on_manifold" and not self.of_features

    @torch.no_grad()
    def _decoded(self, z: Tensor) -> Tensor:
        decoded: Tensor = self.decoder(z)
        return decoded
