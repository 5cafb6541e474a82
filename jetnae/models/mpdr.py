"""Manifold projection-diffusion recovery: an energy learned from how data come back when pushed along a manifold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from jetnae.errors import InputError
from jetnae.models.autoencoder import Autoencoder, AutoencoderConfig
from jetnae.models.chains import Chains
from jetnae.models.model import Logs, squared_error
from jetnae.models.negatives import longer
from jetnae.models.networks import NetworkConfig, make_networks, to_sphere
from jetnae.sampling import Langevin, run_chain, run_sphere_chain, sphere_points
from jetnae.sampling.langevin import Energy, Projection
from jetnae.sampling.simplex import rescale, share_of_zeros


@dataclass(frozen=True)
class MpdrConfig(AutoencoderConfig):
    """Networks, chains and objective of a manifold projection-diffusion recovery.

    network : of the manifold and of the energy.
    perturbation : range of the noise s on the latent sphere, drawn for each sample.
    latent, visible : short chains along normalized gradients; visible lengths are in units of standardized features, or
        for images of the typical residual sqrt(D * energy_scale).
    recovery : weight of the way back, |f_e(x) - z|^2 / (2 s^2), in the chains.
    regularization : weight of the squared energies, as they are and not in a unit.
    weight_decay : of the squared weights of the energy.
    learn_scale : multiply the reconstruction error by a learned square (not for the scalar energy).
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    perturbation: tuple[float, float] = (0.05, 0.3)
    latent: Langevin = field(default_factory=lambda: Langevin(5, 0.05, 0.02, normalized=True))
    visible: Langevin = field(default_factory=lambda: Langevin(5, 0.1, 0.005, normalized=True))
    recovery: float = 1e-4
    regularization: float = 1.0
    weight_decay: float = 1e-6
    learn_scale: bool = False

    def __post_init__(self) -> None:
        low, high = self.perturbation
        if not 0 < low <= high:
            raise InputError(f"model: perturbation = {self.perturbation}, expected 0 < low <= high")
        if min(self.recovery, self.regularization, self.weight_decay) < 0:
            raise InputError("model: expected recovery, regularization and weight_decay of at least 0")
        if not (self.latent.metropolis is None and self.visible.metropolis is None):
            raise InputError("model: the short chains are not meant to be exact: leave metropolis out")


class Recovered(Autoencoder):
    """What both kinds share (arXiv:2310.18677): the manifold, perturbed data as starts, short chains, the objective.

    `encoder` and `decoder` are the manifold: they learn in pretraining and rest afterwards. Data are projected onto
    it, perturbed on the latent sphere, decoded, and led back by short chains on the energy; the ends are the
    negative samples. No replay buffer.
    """

    config: MpdrConfig
    energy_scale: Tensor

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: MpdrConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.register_buffer("energy_scale", torch.ones(()))

    def pretrain_loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Mean reconstruction error of the manifold's autoencoder."""
        del generator  # nothing random here
        error = self.manifold_error(x).mean()
        return error, {"energy_data": float(error.detach())}

    def manifold_error(self, x: Tensor) -> Tensor:
        """Reconstruction error per value (n,) of the manifold's autoencoder."""
        return squared_error(x, self.decoder(self.encoder(x)))

    @torch.no_grad()
    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """Fix the energy scale to the mean reconstruction error of the inputs (n, *shape)."""
        errors = torch.cat([self.manifold_error(batch) for batch in torch.split(x, 1024)])
        self.energy_scale.fill_(errors.mean().clamp_min(1e-12))

    def unit(self) -> Tensor:
        """What the energy is measured in while it is learned: here the energy scale."""
        return self.energy_scale

    def squares(self, data: Tensor, negative: Tensor) -> Tensor:
        """What the regularization keeps small, in the unit of the loss, from energies (n,) in this unit."""
        raise NotImplementedError

    def loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Energy of data minus energy of recovered samples, regularized."""
        negatives = self.draw(x, generator)
        unit = self.unit()
        data, negative = self.energy(x) / unit, self.energy(negatives) / unit
        weights = [each for name, each in self.named_parameters() if name.startswith("energy_")]
        decay = self.config.weight_decay * torch.stack([each.square().sum() for each in weights]).sum()
        loss = data.mean() - negative.mean() + self.config.regularization * self.squares(data, negative) + decay
        logs = {"energy_data": data, "energy_negative": negative}
        return loss, {name: float((unit * each.detach()).mean()) for name, each in logs.items()}

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Negative samples (n, *shape): data pushed along the manifold and led back."""
        low, high = self.config.perturbation
        with torch.no_grad():
            z = self.encoder(x)
        spread = low + (high - low) * torch.rand(len(x), 1, generator=generator, device=z.device)
        pushed = to_sphere(z + spread * torch.randn(z.shape, generator=generator, device=z.device))
        return self._recover(pushed, pushed, spread[:, 0], generator)[1]

    def chains(self, n: int, generator: torch.Generator, *, length: int = 1) -> Chains:
        """`n` fresh chains from evenly spread latent vectors, of `length` times the usual number of steps.

        Nothing leads these back to data: steps along normalized gradients have no temperature either.
        """
        z = sphere_points(n, self.config.network.latent_dim, generator)
        ends, samples = self._recover(z, None, torch.ones(n, device=z.device), generator, length=length)
        with torch.no_grad():
            starts, latent_ends = self.decoder(z), self.decoder(ends)
        clamped = 0.0 if self.pixel_sum is None else share_of_zeros(samples)
        return Chains(starts, latent_ends, samples, clamped)

    def _recover(
        self,
        z: Tensor,
        target: Tensor | None,
        spread: Tensor,
        generator: torch.Generator,
        *,
        length: int = 1,
    ) -> tuple[Tensor, Tensor]:
        """Ends of the latent and of the visible chain from `z`, drawn to `target` where there is one."""
        weight, unit = (0.0 if target is None else self.config.recovery), self.unit()

        def back(z: Tensor) -> Tensor:
            distance = (z - (z if target is None else target)).square().sum(dim=1)
            return weight * distance / (2 * spread.square())

        def latent_energy(z: Tensor) -> Tensor:
            decoded = self.decoder(z)
            return self.energy(decoded) / unit + back(self.encoder(decoded))

        ends = run_sphere_chain(latent_energy, z, longer(self.config.latent, length), generator)
        with torch.no_grad():
            decoded = self.decoder(ends)
        samples = self._visible(lambda x: self.energy(x) / unit + back(self.encoder(x)), decoded, generator, length)
        return ends, samples

    def _visible(self, energy: Energy, x: Tensor, generator: torch.Generator, length: int) -> Tensor:
        unit = 1.0 if len(self.shape) == 1 else float((self.n_values * self.energy_scale) ** 0.5)
        space: Projection | None = None
        if self.pixel_sum is not None:
            space = rescale(self.pixel_sum / unit)
        elif len(self.shape) > 1:
            space = _in_unit_range(unit)
        start = x / unit if space is None else space(x / unit)
        rule = longer(self.config.visible, length)
        return unit * run_chain(lambda y: energy(y * unit), start, rule, generator, space=space)


class RecoveredAutoencoder(Recovered):
    """MPDR-R: the energy is the reconstruction error of a second autoencoder; the manifold's is its first state.

    In pretraining it is the energy's autoencoder that learns, so that what is checked then is what has been learned.
    """

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: MpdrConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        self.energy_encoder, self.energy_decoder = make_networks(shape, pixel_sum, config.network)
        for part in (self.encoder, self.decoder):
            part.requires_grad_(False)  # a copy, which does not learn
        if config.learn_scale:
            self.energy_factor = nn.Parameter(torch.ones(()))

    def pretrain_loss(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Logs]:
        """Mean reconstruction error of the energy's autoencoder."""
        del generator  # nothing random here
        error = super().energy(x).mean()
        return error, {"energy_data": float(error.detach())}

    @torch.no_grad()
    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """Copy the autoencoder as it is now into that of the manifold, and fix the energy scale."""
        self.encoder.load_state_dict(self.energy_encoder.state_dict())
        self.decoder.load_state_dict(self.energy_decoder.state_dict())
        super().begin(x, generator)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Inputs (n, *shape) through the autoencoder of the energy."""
        reconstruction: Tensor = self.energy_decoder(self.energy_encoder(x))
        return reconstruction

    def energy(self, x: Tensor) -> Tensor:
        """Reconstruction error per value (n,) of the second autoencoder, times the learned square if any."""
        error = super().energy(x)
        return error * self.energy_factor.square() if self.config.learn_scale else error

    def squares(self, data: Tensor, negative: Tensor) -> Tensor:
        """Squared reconstruction errors of the negative samples.

        Errors are far below 1, so that their squares only hold what runs away. In units of the energy scale they would
        be as large as the energies, and negative samples could never be raised above the data.
        """
        return self.unit() * negative.square().mean()


class RecoveredScalar(Recovered):
    """MPDR-S: the energy is the output of a network, a number of either sign."""

    def __init__(self, shape: tuple[int, ...], pixel_sum: float | None, config: MpdrConfig) -> None:
        super().__init__(shape, pixel_sum, config)
        # an encoder onto a wide sphere, so that the energy is bounded and cannot run away in empty space
        wide = replace(config.network, latent_dim=max(config.network.hidden, 2))
        self.energy_encoder = make_networks(shape, pixel_sum, wide)[0]
        self.energy_head = nn.Linear(wide.latent_dim, 1)

    def energy(self, x: Tensor) -> Tensor:
        """Output of the energy network, (n,), without unit."""
        value: Tensor = self.energy_head(self.energy_encoder(x))
        return value[:, 0]

    def unit(self) -> Tensor:
        """The energy has no scale."""
        return torch.ones_like(self.energy_scale)

    def squares(self, data: Tensor, negative: Tensor) -> Tensor:
        """Squared energies of both."""
        return data.square().mean() + negative.square().mean()


def _in_unit_range(unit: float) -> Projection:
    return lambda y: y.clamp(0, 1 / unit)
